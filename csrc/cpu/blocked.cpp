#include "cpu/blocked.h"

namespace pycap {

BlockedMatrix::BlockedMatrix(size_t rows, size_t columns)
    : data_(rows * pad_to_block(columns), 0.0f), rows_(rows), columns_(columns) {}

void BlockedMatrix::fill(const float* source, size_t rows, size_t columns, size_t row_stride,
                         size_t column_stride, size_t row_begin, size_t column_begin, float scale) {
  for (size_t c = 0; c < columns; ++c) {
    const size_t column = column_begin + c;
    float* target = data() + column / kBlock * stride() + row_begin * kBlock + column % kBlock;
    for (size_t r = 0; r < rows; ++r) target[r * kBlock] = source[r * row_stride + c * column_stride] * scale;
  }
}

}  // namespace pycap
