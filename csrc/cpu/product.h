// Products with a decoder's weight, in the precision it is stored in; include only from kernel sources.
#pragma once

#include "cpu/decode_kernel.h"
#include "cpu/gemm.h"
#include "cpu/int8_gemm.h"

namespace pycap {
namespace PYCAP_ISA {

// c = a @ weight^T (+ bias) for panels [begin, end)
inline void multiply(const ProductRows& a, const WeightView& weight, const float* bias, float* c, size_t ldc,
                     size_t begin, size_t end) {
  if (weight.small.data)
    int8_gemm_panels({a.codes, a.code_stride, a.count, a.scales, c, ldc, bias}, weight.small, begin, end);
  else
    gemm_panels<float>({a.values, a.stride, a.count, c, ldc, false, bias}, weight.full, begin, end);
}

// Columns [first, first + columns) of a weight; `first` is a multiple of kPanel.
inline Int8View slice(const Int8View& weight, size_t first, size_t columns) {
  return {weight.data + first * weight.depth, weight.scale + first,
          weight.offset ? weight.offset + first : nullptr, columns, weight.depth};
}

inline WeightView slice(const WeightView& weight, size_t first, size_t columns) {
  const PackedView<float>& full = weight.full;
  if (weight.small.data) return {{}, slice(weight.small, first, columns)};
  return {{full.data + first * full.depth, columns, full.depth}, {}};
}

// Codes, in so many steps a unit, of values that they can say.
inline void store_codes(Vec<float> values, float steps, uint8_t* codes, size_t count = kLanes<float>,
                        int32_t zero_code = kZeroCode) {
  typedef uint8_t Codes __attribute__((vector_size(kLanes<float>)));
  const float zero = static_cast<float>(zero_code) + 0.5f;  // conversion cuts off what is behind the point
  const Codes rounded =
      __builtin_convertvector(__builtin_convertvector(values * steps + zero, Vec<int32_t>), Codes);
  if (count >= kLanes<float>) {
    __builtin_memcpy(codes, &rounded, sizeof(rounded));
  } else {
    for (size_t lane = 0; lane < count; ++lane) codes[lane] = rounded[lane];
  }
}

// Fill codes (pad_to_quad(columns),) and return their scale, NaN where a value is not finite.
inline float quantise_row(const float* values, size_t columns, uint8_t* codes) {
  constexpr size_t width = kLanes<float>;
  Vec<float> largest{}, poison{};
  for (size_t column = 0; column < columns; column += width) {
    const Vec<float> value = load(values + column, columns - column);
    largest = maximum<float>(maximum<float>(value, -value), largest);
    poison += value * 0.0f;  // NaN from infinity and NaN alone
  }
  const float size = max_lanes<float>(largest), bad = sum_lanes<float>(poison);
  const float steps = size > 0 ? kCodeSteps / size : 0;
  const size_t padded = pad_to_quad(columns);
  for (size_t column = 0; column < padded; column += width) {
    const size_t rest = column < columns ? columns - column : 0;
    store_codes(load(values + column, rest), steps, codes + column, padded - column);
  }
  return size / kCodeSteps + bad;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
