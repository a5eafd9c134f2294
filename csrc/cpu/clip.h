// ReLU6 and its like; include only from kernel sources.
#pragma once

#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

inline Vec<float> clip(Vec<float> value, float low, float high) {  // NaN stays NaN
#if defined(__AVX512F__)  // in one instruction each, which the compiler does not see where `low` is 0
  const __m512 raised = _mm512_max_ps(_mm512_set1_ps(low), (__m512)value);
  return (Vec<float>)_mm512_min_ps(_mm512_set1_ps(high), raised);
#else
  value = low > value ? broadcast(low) : value;
  return high < value ? broadcast(high) : value;
#endif
}

}  // namespace PYCAP_ISA
}  // namespace pycap
