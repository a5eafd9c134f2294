// Logits of one tile of the vocabulary for all rows of a step; include only from kernel sources.
#pragma once

#include "cpu/decode_kernel.h"
#include "cpu/product.h"

namespace pycap {
namespace PYCAP_ISA {

// Fill logits (rows, kTileWords), -inf behind the vocabulary; returns how many words the tile has.
inline size_t compute_logits(const StepView& step, size_t tile, float* logits) {
  const DecoderSizes& sizes = step.decoder.sizes;
  const size_t first = tile * kTileWords, rest = sizes.vocab_size - first;
  const size_t words = rest < kTileWords ? rest : kTileWords;
  const size_t stride = sizes.embed_columns();
  multiply({step.mixed, stride, step.count, step.mixed_codes, stride},
           slice(step.decoder.output, first, words), step.decoder.output_bias + first, logits, kTileWords, 0,
           count_panels(words, kPanel));
  for (size_t row = 0; row < step.count; ++row)
    for (size_t word = words; word < kTileWords; ++word) logits[row * kTileWords + word] = -__builtin_inff();
  return words;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
