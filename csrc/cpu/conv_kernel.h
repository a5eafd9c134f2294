// The arithmetic of convolutions: products (filters of one pixel), filters of one channel, and the stem.
// Every result is the same however rows and blocks are cut into calls.
#pragma once

#include <cstddef>

#include "cpu/blocked.h"
#include "cpu/isa.h"

namespace pycap {

// target = clip(source @ weight + bias + residual), all blocked.
struct Multiply {
  const float* source;  // (rows, depth)
  size_t source_stride;
  const float* weight;  // (depth, columns)
  size_t weight_stride;
  const float* bias;      // (columns,), padded; null: none
  const float* residual;  // (rows, columns), may be the target; null: none
  size_t residual_stride;
  float* target;  // (rows, columns)
  size_t target_stride;
  size_t rows, depth;
  size_t run, gap;  // target rows come in runs of `run`, with `gap` rows between: lines of a padded picture
  float low, high;  // clip
};

// Rows of a picture in a ring: picture row y is at slot y % slots, `pitch` pixels long with its padding.
struct Ring {
  float* data;  // (blocks, slots, pitch, 16)
  size_t slots, pitch, left;

  size_t stride() const { return slots * pitch * kBlock; }
  float* at(size_t slot) const { return data + (slot * pitch + left) * kBlock; }
};

// A depthwise convolution, `(rows, cols)` of the result from a ring, clipped to 0-6.
struct Filter {
  Ring source;
  size_t source_rows;   // those outside 0..source_rows-1 are zero
  const float* zeros;   // (pitch, 16)
  const float* weight;  // (kernel * kernel, channels), blocked
  const float* bias;    // (channels,), padded
  size_t kernel, stride, top;
  float* target;  // (rows, channels) from row_begin on, blocked
  size_t target_stride;
  size_t row_begin, row_end, cols;
};

constexpr size_t kStemKernel = 3, kStemStride = 2, kStemChannels = 32, kStemTaps = 27;

// The first convolution, from planes to 32 channels in a ring, clipped to 0-6.
struct Stem {
  const float* pixels;   // (3, size, size)
  size_t size, padding;  // padding: at the top and at the left
  float* lines;          // (9, line): scratch, a padded copy of the rows under the filter
  size_t line;
  const float* weight;  // (27, 32), blocked: plane, row, column of the filter
  const float* bias;    // (32,)
  Ring target;
  size_t cols;
};

#define PYCAP_DECLARE(isa)                                                \
  namespace isa {                                                         \
  /* columns of the blocks [begin, end) */                                \
  void multiply_rows(const Multiply& multiply, size_t begin, size_t end); \
  /* channels of `blocks` blocks from the first one of all arguments */   \
  void filter_channels(const Filter& filter, size_t blocks);              \
  /* rows [begin, end) of the result */                                   \
  void filter_stem(const Stem& stem, size_t begin, size_t end);           \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
