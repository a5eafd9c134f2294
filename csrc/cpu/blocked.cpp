#include "cpu/blocked.h"

#include <algorithm>
#include <new>
#include <utility>

namespace pycap {

constexpr std::align_val_t kAlignment{64};

BlockedMatrix::BlockedMatrix(size_t rows, size_t columns) : rows_(rows), columns_(columns) {
  const size_t count = std::max<size_t>(1, rows * pad_to_block(columns));
  data_ = static_cast<float*>(::operator new(count * sizeof(float), kAlignment));
  std::fill_n(data_, count, 0.0f);
}

BlockedMatrix::~BlockedMatrix() { ::operator delete(data_, kAlignment); }

BlockedMatrix::BlockedMatrix(BlockedMatrix&& other) noexcept { *this = std::move(other); }

BlockedMatrix& BlockedMatrix::operator=(BlockedMatrix&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(rows_, other.rows_);
  std::swap(columns_, other.columns_);
  return *this;
}

void BlockedMatrix::fill(const float* source, size_t rows, size_t columns, size_t row_stride,
                         size_t column_stride, size_t row_begin, size_t column_begin, float scale) {
  for (size_t c = 0; c < columns; ++c) {
    const size_t column = column_begin + c;
    float* target = data_ + column / kBlock * stride() + row_begin * kBlock + column % kBlock;
    for (size_t r = 0; r < rows; ++r) target[r * kBlock] = source[r * row_stride + c * column_stride] * scale;
  }
}

}  // namespace pycap
