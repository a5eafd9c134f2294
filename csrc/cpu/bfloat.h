// The encoder's second precision: products of bfloat16 numbers with float sums, in AMX tiles.
//
// A picture in bfloat16 comes in blocks of 32 columns, so that a row of a block has 64 bytes as in
// cpu/blocked.h: element (row, column) is data[column / 32 * stride + row * 32 + column % 32]. Padding of the
// last block is zero. Products read up to 15 rows behind the last one (kBfloatSlack) and ignore what they
// find there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/blocked.h"
#include "cpu/conv_kernel.h"

namespace pycap {

typedef uint16_t Bfloat;

constexpr size_t kBfloatBlock = 32;
constexpr size_t kBfloatSlack = 16 * kBfloatBlock;

constexpr size_t pad_to_bfloat(size_t columns) {
  return (columns + kBfloatBlock - 1) / kBfloatBlock * kBfloatBlock;
}

// True when this build, CPU and system have AMX with bfloat16 and PYCAP_FORCE_ISA does not forbid it.
bool bfloat_supported();

struct alignas(64) BfloatTile {
  Bfloat values[16 * kBfloatBlock];  // (16 pairs of inputs, 16 outputs, 2)
};

// A weight (depth, columns) as tiles: (blocks of 16 columns, an even number of them, depth / 32).
struct BfloatMatrix {
  BfloatMatrix() = default;
  explicit BfloatMatrix(const BlockedMatrix& weight);

  std::vector<BfloatTile> tiles;
  size_t depth_tiles = 0;
};

// As Multiply in cpu/conv_kernel.h. Results go to `target` (blocked), to `narrow` (in bfloat16) or to both.
struct MultiplyBfloat {
  const Bfloat* source;  // (rows, depth)
  size_t source_stride;
  const BfloatTile* weight;
  size_t depth_tiles;
  const float* bias;      // (columns,), padded to 32
  const float* residual;  // (rows, columns), blocked; null: none
  size_t residual_stride;
  float* target;  // null: none
  size_t target_stride;
  Bfloat* narrow;  // null: none
  size_t narrow_stride;
  size_t rows;
  size_t run, gap;  // of the target
  float low, high;
};

// A filter whose results go to blocks from `block` on of a picture of `channels` channels in bfloat16.
struct FilterBfloat {
  Filter filter;
  Bfloat* narrow;
  size_t narrow_stride, block, channels;
};

namespace bfloat {
void multiply_bfloats(const MultiplyBfloat& multiply, size_t begin, size_t end);  // blocks of 16 columns
void filter_bfloats(const FilterBfloat& filter, size_t blocks);
// source: (rows, columns), blocked
void narrow_rows(const float* source, size_t stride, size_t columns, Bfloat* narrow, size_t narrow_stride,
                 size_t begin, size_t end);
}  // namespace bfloat

}  // namespace pycap
