// Lists of words (core/word_key.h) in registers; include only from kernels.
#pragma once

#include "core/word_key.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

// Insert a word; the worst falls off. Every place takes what it has, or the lesser of the new word and what
// the place before has, whichever is better: no branch, so that nothing is to be predicted.
inline void insert_word(WordKey* list, size_t words, WordKey fresh) {
  typedef Vec<WordKey> Keys;
  constexpr size_t width = kLanes<WordKey>;
  const Keys word = fresh - Keys{};
  for (size_t end = (words + width - 1) / width * width; end > 0; end -= width) {
    WordKey* place = list + end - width;
    const Keys before = load(place - 1), here = load(place);
    const Keys lesser = before < word ? before : word;
    store(place, here > lesser ? here : lesser);
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
