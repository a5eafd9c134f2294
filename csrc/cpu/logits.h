// Logits of one tile of the vocabulary for all rows of a step; include only from kernel sources.
#pragma once

#include "cpu/decode_kernel.h"
#include "cpu/gemm.h"

namespace pycap {
namespace PYCAP_ISA {

// Fill logits (rows, kTileWords), -inf behind the vocabulary; returns how many words the tile has.
inline size_t compute_logits(const StepView& step, size_t tile, float* logits) {
  const DecoderSizes& sizes = step.decoder.sizes;
  const PackedView<float>& output = step.decoder.output;
  const size_t first = tile * kTileWords, rest = sizes.vocab_size - first;
  const size_t words = rest < kTileWords ? rest : kTileWords;
  gemm<float>(step.mixed, sizes.embed_columns(), step.count,
              {output.data + first * output.depth, words, output.depth}, logits, kTileWords, false,
              step.decoder.output_bias + first);
  for (size_t row = 0; row < step.count; ++row)
    for (size_t word = words; word < kTileWords; ++word) logits[row * kTileWords + word] = -__builtin_inff();
  return words;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
