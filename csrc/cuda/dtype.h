// How the GPU's tensors are stored; sums are float always.
#pragma once

#include <cstddef>

namespace pycap::cuda {

enum class DType { kFloat32, kBFloat16, kFloat16 };

inline size_t bytes_of(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

}  // namespace pycap::cuda
