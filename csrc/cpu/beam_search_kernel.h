// What a beam search keeps of a step's logits: maxima and sums for the softmax, and the best words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/word_key.h"
#include "cpu/decode_kernel.h"
#include "cpu/isa.h"

namespace pycap {

struct RankView {
  const uint8_t* barred;  // (vocab_size,): 1 where a word is never listed, END among them
  int32_t end;
  size_t barred_count;
  size_t ranks;      // words listed of every row
  bool backwards;    // from the last tile to the first
  float* end_logit;  // (rows,), of END
  WordKey* lists;  // (tasks, rows, list_stride(ranks)): best words of the task's tiles; to be clear at first

  WordKey* list(size_t index) const { return lists + index * list_stride(ranks) + kListHead; }
};

#define PYCAP_DECLARE(isa)                                                                               \
  namespace isa {                                                                                        \
  /* units: tiles */                                                                                     \
  void rank_words(const StepView& step, const RankView& ranking, size_t begin, size_t end, size_t task); \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
