// One picture at a time through the region encoder: projection, positions, attention over regions or
// channels.
#pragma once

#include <cstddef>

#include "core/arena.h"
#include "cpu/crew.h"
#include "cpu/encoder.h"
#include "cpu/region_kernel.h"

namespace pycap {

class RegionPass {
 public:
  RegionPass(const Encoder& encoder, Crew crew);

  // cells: (regions, region_channels), blocked; features: (regions, feature_dim); attention: (regions,
  // regions) or null.
  void run(const float* cells, float* features, float* attention);

 private:
  void attend_regions(const PackedLayer& layer, float* attention);
  void attend_channels(const PackedLayer& layer);
  void add_position_wise(const PackedLayer& layer);
  void normalise(const Norm& norm, const float* source, const float* addend, float* target, bool blocked);
  // target = clip(source @ weight + bias + residual); gelu: of the result
  void multiply(const Dense& dense, const float* source, const float* residual, float* target, size_t rows,
                float low, bool gelu);

  const Encoder& encoder_;
  const Crew crew_;
  const size_t regions_;
  Arena arena_;
  float *features_, *normed_, *wide_;  // (regions, feature_dim twice; widest), blocked
  float *mixed_, *keys_;               // (regions, heads * padded head), (heads, head_dim, regions), blocked
  Narrow* narrow_ = nullptr;           // a product's source in 16 bits
  float* scale_ = nullptr;             // its rows' scales
  float *scores_, *vectors_;           // (regions, regions); mean and weights of the channels
};

}  // namespace pycap
