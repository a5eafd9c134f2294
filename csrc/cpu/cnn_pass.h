// One picture at a time through EfficientNet-Lite.
//
// A block widens its channels sixfold, filters each, and narrows them again. The wide middle never exists as
// a whole where it is large: rows of it are made as the filter needs them and stay in cache ("roll"). Where
// pictures are small and weights large, threads share the channels instead of the rows ("split").
#pragma once

#include <cstddef>
#include <vector>

#include "core/arena.h"
#include "cpu/conv_kernel.h"
#include "cpu/encoder.h"
#include "cpu/team.h"

namespace pycap {

class CnnPass {
 public:
  CnnPass(const Encoder& encoder, size_t size, Team team);

  // Returns the cells of the last layer (regions, region_channels), blocked with stride regions * 16; valid
  // until the next call.
  const float* run(const float* pixels);

 private:
  struct Stage {  // a block and the pictures around it
    const PackedBlock* block;
    size_t source_side, side;  // rows (= columns) before and after the filter
    size_t padding, pitch;     // of the middle, at the top and left; its row with all padding
    size_t band, slots;        // roll: result rows at a time, and rows of the ring
    bool rolls;
  };

  void plan(size_t size);
  Stage plan_stage(const PackedBlock& block, size_t source_side) const;
  size_t ring_floats(const Stage& stage) const;
  void roll(const Stage& stage, const float* pixels, size_t row_begin, size_t row_end, size_t task);
  void split(const Stage& stage);
  void make_rows(const Stage& stage, const Ring& ring, const float* pixels, size_t task, size_t row,
                 size_t rows);
  void expand(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks, size_t row,
              size_t rows);
  void filter(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks, size_t row_begin,
              size_t row_end, float* target, size_t target_stride);
  void project(const Stage& stage, const float* source, size_t source_stride, size_t begin, size_t end);

  const Encoder& encoder_;
  const size_t size_;
  const Team team_;
  std::vector<Stage> stages_;
  Arena arena_;
  float *source_, *target_;  // pictures between blocks, blocked
  float* filtered_;          // split: the middle after the filter; roll: a band of it for each task
  float* rings_;             // one for each task
  float* lines_;             // one scratch of the stem for each task
  float* zeros_;
  size_t ring_size_ = 0, filtered_size_ = 0, lines_size_ = 0;  // floats of one task
};

}  // namespace pycap
