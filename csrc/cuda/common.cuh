// Words that every CUDA kernel of the project shares: storage types, loads, warp sums, activations.
// The kernels compile twice: by nvcc for the GPU, and by any C++ compiler against
// csrc/tests/cuda_emulation.h, which gives the same words a meaning on the host so that CI runs every kernel
// without a GPU.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// The block's dynamic shared memory, whose size is the launch's `shared_bytes`.
#define PYCAP_SHARED_FLOATS(name) extern __shared__ float name[]
#else
#include "tests/cuda_emulation.h"  // found from csrc
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pycap::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Elements of `T` in one 16-byte load.
template <class T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <class Integer>
__host__ __device__ constexpr Integer ceil_div(Integer numerator, Integer denominator) {
  return (numerator + denominator - 1) / denominator;
}

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

// Rounds to nearest even where `T` is narrower than float.
template <class T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(value);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return value;
  }
}

// Reads WIDTH elements that no kernel in flight writes; WIDTH is 1, or kWide<T> from a 16-byte aligned
// address.
template <class T, int WIDTH>
__device__ __forceinline__ void load(const T* source, float (&values)[WIDTH]) {
  static_assert(WIDTH == 1 || WIDTH == kWide<T>, "one element or one 16-byte load");
  if constexpr (WIDTH == 1) {
    values[0] = to_float(*source);
  } else {
    union {
      uint4 raw;
      T parts[WIDTH];
    } bits = {__ldg(reinterpret_cast<const uint4*>(source))};
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) values[i] = to_float(bits.parts[i]);
  }
}

// The same for float workspace read WIDTH elements at a time, where WIDTH follows another type: 1, 4 or 8.
template <int WIDTH>
__device__ __forceinline__ void load_workspace(const float* source, float (&values)[WIDTH]) {
  if constexpr (WIDTH == 1) {
    values[0] = *source;
  } else {
#pragma unroll
    for (int i = 0; i < WIDTH; i += 4) {
      const float4 part = *reinterpret_cast<const float4*>(source + i);
      values[i] = part.x;
      values[i + 1] = part.y;
      values[i + 2] = part.z;
      values[i + 3] = part.w;
    }
  }
}

// Sum over the warp, the same bits in every lane.
__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
}

__device__ __forceinline__ float sigmoid(float value) { return 1.0f / (1.0f + expf(-value)); }

// tanh as exact as the storage type deserves: tanhf for float; for half types two special-function calls
// whose absolute error, below 1e-6, is far under the rounding of the keys it is applied to.
template <class T>
__device__ __forceinline__ float tanh_for(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return tanhf(value);
  } else {
    return 1.0f - __fdividef(2.0f, 1.0f + __expf(2.0f * value));
  }
}

}  // namespace pycap::cuda
