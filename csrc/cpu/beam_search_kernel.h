// What a beam search keeps of a step's logits: maxima and sums for the softmax, and the best words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/topk.h"
#include "cpu/decode_kernel.h"
#include "cpu/isa.h"

namespace pycap {

struct RankView {
  const uint8_t* barred;  // (vocab_size,): 1 where a word is never listed, END among them
  int32_t end;
  size_t ranks;            // words listed of every row
  float* end_logit;        // (rows,), of END
  Candidate* listed;       // (tasks, rows, ranks): best logits of the task's tiles
  uint32_t* listed_count;  // (tasks, rows): to be 0 before a task's first tiles
};

#define PYCAP_DECLARE(isa)                                                                               \
  namespace isa {                                                                                        \
  /* units: tiles */                                                                                     \
  void rank_words(const StepView& step, const RankView& ranking, size_t begin, size_t end, size_t task); \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
