// Beam search on packed weights: a whole batch of images in one call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/beam.h"
#include "cpu/decoder.h"

namespace pycap {

// Where results go; every element is written.
struct SearchOutput {
  int64_t* tokens;   // (images, n_best, max_length), `pad` behind the last word
  int64_t* lengths;  // (images, n_best)
  float* scores;     // (images, n_best), -inf where there is no sentence
  float* log_probs;  // (images, n_best)
  float* attention;  // (images, n_best, max_length, regions), zero behind the last word
};

// Search every image with at most `threads` threads (0: the pool's). barred: (vocab_size,), 1 where a word is
// never emitted. Results depend neither on threads nor on the other images of the batch. Returns false when
// probabilities are not finite; the output is unspecified then.
bool search_beams(const Decoder& decoder, const RegionBatch& batch, const SearchSettings& settings,
                  const uint8_t* barred, size_t threads, const SearchOutput& output);

}  // namespace pycap
