// What the kernels of a product with 8-bit weights share; include only from kernels.
#pragma once

#include "cpu/int8_matrix.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

// c[rows, columns] = values @ weight^T (+ bias)
struct Int8Product {
  const uint8_t* codes;
  size_t stride;  // of a row of codes, which are valid as deep as the weight
  size_t rows;
  const float* scales;  // of the rows; null: all are 1 / kCodeSteps
  float* c;
  size_t ldc;
  const float* bias;  // (columns,) or null
};

// Write one row of finished sums for columns [column, column + Columns), which must be whole registers.
template <size_t Columns>
inline __attribute__((always_inline)) void store_row(const Int8Product& product, const Int8View& weight,
                                                     const int32_t* sums, size_t row, size_t column) {
  const float scale = product.scales ? product.scales[row] : 1 / kCodeSteps;
  float* c = product.c + row * product.ldc + column;
#pragma GCC unroll 16
  for (size_t i = 0; i < Columns; i += kLanes<float>) {
    if (column + i >= weight.columns) break;
    const size_t count = weight.columns - column - i;
    Vec<int32_t> total = load(sums + i);
    if (weight.offset) total += load(weight.offset + column + i);
    const Vec<float> bias = product.bias ? load(product.bias + column + i, count) : Vec<float>{};
    const Vec<float> value = __builtin_convertvector(total, Vec<float>);
    store(c + i, value * (scale * load(weight.scale + column + i)) + bias, count);
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
