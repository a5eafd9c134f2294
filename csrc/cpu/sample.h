// Captions drawn from the decoder's distribution, on packed weights: a whole batch of images in one call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/decoder.h"

namespace pycap {

struct SampleSettings {
  size_t samples;     // sentences of every image, at least 1
  size_t max_length;  // words at most, at least 1
  uint64_t seed;
  float temperature;  // above 0; it and its inverse are finite
  int32_t start, end, pad;
};

// Where results go; every element is written.
struct SampleOutput {
  int64_t* tokens;   // (images, samples, max_length), `pad` behind the last word
  int64_t* lengths;  // (images, samples)
  float* log_probs;  // (images, samples)
  bool* ended;       // (images, samples)
};

// Draw for every image with at most `threads` threads (0: the pool's). barred: (vocab_size,), 1 where a word
// is never drawn; not END. Results depend neither on threads nor on the other images of the batch. Returns
// false when probabilities are not finite; the output is unspecified then.
bool sample_captions(const Decoder& decoder, const RegionBatch& batch, const SampleSettings& settings,
                     const uint8_t* barred, size_t threads, const SampleOutput& output);

}  // namespace pycap
