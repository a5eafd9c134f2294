// ReLU6 and its like; include only from kernel sources.
#pragma once

#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

inline Vec<float> clip(Vec<float> value, float low, float high) {  // NaN stays NaN
  value = low > value ? broadcast(low) : value;
  return high < value ? broadcast(high) : value;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
