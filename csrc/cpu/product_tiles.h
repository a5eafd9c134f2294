// How the encoder's products (Multiply, MultiplyNarrow) are cut into tiles of sums that fit the register
// file, and how a tile is finished; include only from kernel sources.
#pragma once

#include "cpu/blocked.h"
#include "cpu/clip.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

// Rows of a tile, by registers across: its sums, one row of weights and one broadcast fill the register file.
#if defined(__AVX512F__)
constexpr size_t kRowsOf[] = {0, 16, 12, 9, 6};
#elif defined(__AVX2__)
constexpr size_t kRowsOf[] = {0, 0, 6};
#else
constexpr size_t kRowsOf[] = {0, 0, 4};
#endif

// Where a tile's register is, from the block of its first column on.
constexpr size_t block_of(size_t vector) { return vector * kLanes<float> / kBlock; }
constexpr size_t lane_of(size_t vector) { return vector * kLanes<float> % kBlock; }

// target = clip(result(r, v) + residual), for row `row` + r and register v from `column` on.
template <size_t Rows, size_t Vectors, class Product, class Result>
inline __attribute__((always_inline)) void finish_tile(const Product& m, size_t row, size_t column,
                                                       const Result& result) {
  const size_t stride = m.target_stride, kept = m.residual_stride, run = m.run, gap = m.gap;
  const size_t block = column / kBlock, lane = column % kBlock;
  const float low = m.low, high = m.high;
  const float* residual = m.residual ? m.residual + block * kept + row * kBlock + lane : nullptr;
  float* target = m.target + block * stride + (row + row / run * gap) * kBlock + lane;
  size_t behind = row % run;  // rows of the run so far
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) {
      Vec<float> value = result(r, v);
      if (residual) value += load(residual + block_of(v) * kept + r * kBlock + lane_of(v));
      store(target + block_of(v) * stride + lane_of(v), clip(value, low, high));
    }
    target += kBlock;
    if (++behind == run) behind = 0, target += gap * kBlock;
  }
}

// Tile: compute<Rows, Vectors>(product, row, column, number of the tile in its strip).
template <class Tile, size_t Rows, size_t Vectors, class Product>
void compute_rows(const Product& m, size_t rows, size_t row, size_t column, size_t tile) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return compute_rows<Tile, Rows - 1, Vectors>(m, rows, row, column, tile);
  }
  Tile::template compute<Rows, Vectors>(m, row, column, tile);
}

// All rows of a strip, in tiles of nearly equal height.
template <class Tile, size_t Vectors, class Product>
void multiply_strip(const Product& m, size_t column) {
  constexpr size_t most = kRowsOf[Vectors];
  const size_t tiles = (m.rows + most - 1) / most;
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t row = m.rows * tile / tiles, next = m.rows * (tile + 1) / tiles;
    compute_rows<Tile, most, Vectors>(m, next - row, row, column, tile);
  }
}

// Columns of the blocks [begin, end).
template <class Tile, class Product>
void multiply_strips(const Product& m, size_t begin, size_t end) {
#if defined(__AVX512F__)
  for (size_t block = begin; block < end;) {  // three or four registers across where possible
    const size_t left = end - block, column = block * kBlock;
    if (left == 1) {
      multiply_strip<Tile, 1>(m, column), block += 1;
    } else if (left == 2) {
      multiply_strip<Tile, 2>(m, column), block += 2;
    } else if (left % 3 == 0 || left == 5) {
      multiply_strip<Tile, 3>(m, column), block += 3;
    } else {
      multiply_strip<Tile, 4>(m, column), block += 4;
    }
  }
#else
  for (size_t column = begin * kBlock; column < end * kBlock; column += 2 * kLanes<float>)
    multiply_strip<Tile, 2>(m, column);
#endif
}

}  // namespace PYCAP_ISA
}  // namespace pycap
