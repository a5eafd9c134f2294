// A weight matrix in 8 bits: one scale a column, packed in panels as packed_matrix.h packs floats.
//
// The other side of the product is quantised as well, row by row, to codes with the zero point 128:
//   value = (code - kZeroCode) * row scale, weight = stored * column scale,
//   sum over depth of value * weight = (sum of code * stored + offset of the column) * row scale * column
//   scale
// Sums are exact integers, so a product does not depend on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/aligned.h"
#include "cpu/packed_matrix.h"

namespace pycap {

constexpr int32_t kZeroCode = 128;
constexpr float kCodeSteps = 127;  // codes of values from 0 to the row's largest
constexpr size_t kQuad = 4;        // depth steps that one instruction multiplies and adds

constexpr size_t pad_to_quad(size_t depth) { return (depth + kQuad - 1) / kQuad * kQuad; }

// Panel p holds columns [p, p + 1) * kPanelColumns<float> as (depth / kQuad, columns, kQuad), zero padded.
struct Int8View {
  const int8_t* data;     // null where the matrix is not stored in 8 bits
  const float* scale;     // (columns,), padded to whole panels as the next
  const int32_t* offset;  // (columns,): -kZeroCode times the sum of a column; null where codes start at 0
  size_t columns;
  size_t depth;  // a multiple of kQuad
};

class Int8Matrix {
 public:
  Int8Matrix() = default;
  explicit Int8Matrix(const PackedMatrix<float>& weight);  // rounded to the nearest; values must be finite

  Int8View view() const {
    return {data_.empty() ? nullptr : data_.data(), scale_.data(), offset_.data(), columns_, depth_};
  }

 private:
  AlignedVector<int8_t> data_;
  std::vector<float> scale_;
  std::vector<int32_t> offset_;
  size_t columns_ = 0, depth_ = 0;
};

// One matrix in the precision it is wanted in: exactly one of the two is there.
struct WeightView {
  PackedView<float> full;
  Int8View small;
};

class Weight {
 public:
  Weight(size_t columns, size_t depth) : full_(columns, depth) {}  // all zero, to be filled

  PackedMatrix<float>& full() { return full_; }
  void shrink() {  // from now on in 8 bits
    small_ = Int8Matrix(full_);
    full_ = PackedMatrix<float>();
  }
  WeightView view() const { return {full_.view(), small_.view()}; }

 private:
  PackedMatrix<float> full_;
  Int8Matrix small_;
};

}  // namespace pycap
