#include "cpu/sample.h"

#include <limits>
#include <vector>

#include "cpu/sample_group.h"

namespace pycap {

bool sample_captions(const Decoder& decoder, const RegionBatch& batch, const SampleSettings& settings,
                     const uint8_t* barred, size_t threads, const SampleOutput& output) {
  constexpr float never = -std::numeric_limits<float>::infinity();
  const size_t words = decoder.sizes().vocab_size;
  std::vector<float> mask((words + kTileWords - 1) / kTileWords * kTileWords, never);
  for (size_t word = 0; word < words; ++word) mask[word] = barred[word] ? never : 0;
  SampleCall call{
      {decoder, batch, settings.samples, settings.max_length, settings.start}, settings, mask.data(), output};
  return decode_images<SampleGroup>(call, threads);
}

}  // namespace pycap
