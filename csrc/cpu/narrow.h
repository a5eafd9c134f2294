// The encoder's products of 16-bit numbers, which CPUs multiply twice as fast as floats or faster: bfloat16
// in AMX tiles, or integers by VNNI. Filters, norms and attention are float in all precisions.
//
// A picture in 16 bits comes in blocks of 32 columns, so that a row of a block has 64 bytes as in
// cpu/blocked.h: element (row, column) is data[column / 32 * stride + row * 32 + column % 32]. Padding of the
// last block is zero. Products read up to 15 rows behind the last one (kNarrowSlack) and ignore what they
// find there.
//
// Integers are codes: value = code * scale, with one scale a row and one a column of the weight. Sums of 128
// products are exact, and are added as floats. All instruction sets multiply integers, but only VNNI does it
// faster than floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/blocked.h"
#include "cpu/conv_kernel.h"

namespace pycap {

enum class EncoderPrecision { float32, bfloat16, int16 };

typedef uint16_t Narrow;  // the bits of a bfloat16 or an int16_t

constexpr size_t kNarrowBlock = 32;
constexpr size_t kNarrowSlack = 16 * kNarrowBlock;
constexpr size_t kExactDepth = 128;            // of sums of integers
constexpr float kMostCode = 16383;             // of a picture's rows
constexpr float kFilterScale = 6 / kMostCode;  // of what a filter makes, which is clipped to 0-6

constexpr size_t pad_to_narrow(size_t columns) {
  return (columns + kNarrowBlock - 1) / kNarrowBlock * kNarrowBlock;
}

// True when this build, CPU and system have AMX with bfloat16 and PYCAP_FORCE_ISA does not forbid it.
bool bfloat_supported();

struct alignas(64) NarrowTile {
  Narrow values[16 * kNarrowBlock];  // (16 pairs of inputs, 16 outputs, 2)
};

// A weight (depth, columns) as tiles: (blocks of 16 columns, an even number of them, depth / 32).
struct NarrowMatrix {
  NarrowMatrix() = default;
  NarrowMatrix(const BlockedMatrix& weight, EncoderPrecision precision);  // integers: values must be finite

  std::vector<NarrowTile> tiles;
  size_t depth_tiles = 0;
  std::vector<float> scale;  // of the columns, padded to 32; of integers
};

// As Multiply in cpu/conv_kernel.h. Results go to `target` (blocked) and, with bfloat16 alone, to `narrow`.
struct MultiplyNarrow {
  const Narrow* source;  // (rows, depth)
  size_t source_stride;
  const float* source_scale;  // (rows,), of integers; null: kFilterScale
  const NarrowTile* weight;
  size_t depth_tiles, depth;
  const float* weight_scale;  // (columns,), of integers
  const float* bias;          // (columns,), padded to 32
  const float* residual;      // (rows, columns), blocked; null: none
  size_t residual_stride;
  float* target;  // null: none
  size_t target_stride;
  Narrow* narrow;  // null: none
  size_t narrow_stride;
  size_t rows;
  size_t run, gap;  // of the target
  float low, high;
};

// A filter whose results go to blocks from `block` on of a picture of `channels` channels in 16 bits.
struct FilterNarrow {
  Filter filter;
  Narrow* narrow;
  size_t narrow_stride, block, channels;
};

// Rows of a blocked matrix and where they go.
struct NarrowRows {
  const float* source;
  size_t stride, columns;
  Narrow* narrow;
  size_t narrow_stride;
  float* scale;  // (rows,), of integers
};

#define PYCAP_DECLARE(space)                                                      \
  namespace space {                                                               \
  void multiply_narrow(const MultiplyNarrow& multiply, size_t begin, size_t end); \
  void filter_narrow(const FilterNarrow& filter, size_t blocks);                  \
  void narrow_rows(const NarrowRows& rows, size_t begin, size_t end);             \
  }
PYCAP_DECLARE(bfloat)
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)  // integers
#undef PYCAP_DECLARE

// The same in one of the two precisions.
void multiply_narrow(EncoderPrecision precision, const MultiplyNarrow& multiply, size_t begin,
                     size_t end);  // blocks of 16 columns
void filter_narrow(EncoderPrecision precision, const FilterNarrow& filter, size_t blocks);
void narrow_rows(EncoderPrecision precision, const NarrowRows& rows, size_t begin, size_t end);

}  // namespace pycap
