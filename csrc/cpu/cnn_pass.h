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
#include "cpu/crew.h"
#include "cpu/encoder.h"
#include "cpu/narrow.h"
#include "cpu/window.h"

namespace pycap {

class CnnPass {
 public:
  CnnPass(const Encoder& encoder, size_t size, Crew crew);

  // Returns the cells of the last layer (regions, region_channels), blocked with stride regions * 16; valid
  // until the next call.
  const float* run(const float* pixels);

 private:
  struct Picture {  // (pixels, channels), blocked, in the encoder's precision
    float* data;    // with bfloat16 only where a stage keeps them
    Narrow* narrow;
    float* scale;  // (pixels,), with int16; null: kFilterScale
    size_t pixels;

    size_t stride() const { return pixels * kBlock; }
    size_t narrow_stride() const { return pixels * kNarrowBlock; }
  };

  struct Stage {  // a block and the pictures around it
    const PackedBlock* block;
    size_t source_side, side;  // rows (= columns) before and after the filter
    size_t padding, pitch;     // of the middle, at the top and left; its row with all padding
    size_t band, slots;        // roll: result rows at a time, and rows of the ring
    bool rolls;
    bool zooms;         // the result's window is what the next block sees
    bool keeps_floats;  // of the result, with bfloat16 too: they are zoomed, or the next block adds them
  };

  void plan();
  Stage plan_stage(const PackedBlock& block, size_t source_side) const;
  void roll(const Stage& stage, const float* pixels, size_t row_begin, size_t row_end, size_t task);
  void split(const Stage& stage);
  void make_rows(const Stage& stage, const Ring& ring, const float* pixels, size_t task, size_t row,
                 size_t rows);
  void expand(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks, size_t row,
              size_t rows);
  void filter(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks, size_t row_begin,
              size_t row_end, const Picture& filtered);
  void project(const Stage& stage, const Picture& filtered, size_t first, size_t begin, size_t end);
  void zoom_target(size_t side, size_t channels);
  void narrow_target(size_t columns);
  void find_regions();

  const Encoder& encoder_;
  const size_t size_;
  const Crew crew_;
  const EncoderPrecision precision_;
  std::vector<Stage> stages_;
  Window window_;
  bool zooms_regions_ = false;
  Arena arena_;
  Picture source_{}, target_{};  // between blocks
  Picture filtered_{};           // split: the middle after the filter; roll: a band of it for each task
  float* rings_;                 // one for each task
  float* lines_;                 // one scratch of the stem for each task
  float* zeros_;
  size_t ring_size_ = 0, band_size_ = 0, lines_size_ = 0;  // elements of one task
};

}  // namespace pycap
