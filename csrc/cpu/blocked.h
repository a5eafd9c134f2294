// The encoder's layout: matrices and pictures in blocks of 16 columns (channels).
//
// Element (row, column) of a blocked matrix is data[column / 16 * stride + row * 16 + column % 16], where
// `stride` is at least 16 * rows. Pixels are rows, row by row of the picture. Neighbouring rows are always 16
// floats apart, so kernels reach all rows of a tile from one address, and a block is a whole number of SIMD
// registers on every instruction set. Columns that pad the last block are zero.
#pragma once

#include <cstddef>

#include "core/aligned.h"

namespace pycap {

constexpr size_t kBlock = 16;

constexpr size_t count_blocks(size_t columns) { return (columns + kBlock - 1) / kBlock; }
constexpr size_t pad_to_block(size_t columns) { return count_blocks(columns) * kBlock; }

// Owns the weights of one layer, or a vector as a matrix of one row.
class BlockedMatrix {
 public:
  BlockedMatrix() = default;
  BlockedMatrix(size_t rows, size_t columns);  // all zero

  // Write a part at (row_begin, column_begin); its element (r, c) is source[r * row_stride + c *
  // column_stride].
  void fill(const float* source, size_t rows, size_t columns, size_t row_stride, size_t column_stride,
            size_t row_begin = 0, size_t column_begin = 0, float scale = 1);

  const float* data() const { return data_.data(); }
  float* data() { return data_.data(); }
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  size_t blocks() const { return count_blocks(columns_); }
  size_t stride() const { return rows_ * kBlock; }

 private:
  AlignedVector<float> data_;
  size_t rows_ = 0;
  size_t columns_ = 0;
};

}  // namespace pycap
