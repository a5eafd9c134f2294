// Words that every CUDA kernel of the project shares: storage types, loads, warp reductions, activations.
// The kernels compile twice: by nvcc for the GPU, and by any C++ compiler against
// csrc/tests/cuda_emulation.h, which gives the same words a meaning on the host so that CI runs every kernel
// without a GPU.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// The block's dynamic shared memory, whose size is the launch's `shared_bytes`.
#define PYCAP_SHARED(name) extern __shared__ __align__(16) char name[]
// A kernel's argument that stays where the launch put it, however it is referred to.
#define PYCAP_ARGUMENT __grid_constant__ const
#else
#define PYCAP_ARGUMENT const
#include "tests/cuda_words.h"  // found from csrc
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pycap::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
// Threads of every block of every kernel. Launch bounds name blocks too: else ptxas may spill to fit more of
// them.
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

constexpr size_t kSharedWithoutAsking = 48 * 1024;  // bytes a block may use on every GPU

struct Geometry {
  unsigned grid_x, grid_y;
  size_t shared_bytes;
};

// Elements of `T` in one 16-byte load.
template <class T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <class Integer>
__host__ __device__ constexpr Integer ceil_div(Integer numerator, Integer denominator) {
  return (numerator + denominator - 1) / denominator;
}

template <class Integer>
__host__ __device__ constexpr Integer round_up(Integer number, Integer multiple) {
  return ceil_div(number, multiple) * multiple;
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

// Reads WIDTH elements from the second-level cache, where other blocks of the same launch may have written
// them; WIDTH is 1, or kWide<T> from a 16-byte aligned address.
template <class T, int WIDTH>
__device__ __forceinline__ void load(const T* source, float (&values)[WIDTH]) {
  static_assert(WIDTH == 1 || WIDTH == kWide<T>, "one element or one 16-byte load");
  if constexpr (WIDTH == 1) {
    values[0] = to_float(*source);
  } else {
    union {
      uint4 raw;
      T parts[WIDTH];
    } bits = {__ldcg(reinterpret_cast<const uint4*>(source))};
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) values[i] = to_float(bits.parts[i]);
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

// Largest and smallest unsigned number of the warp: one instruction from sm_80 on.
__device__ __forceinline__ uint32_t warp_largest(uint32_t value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = max(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
#else
  return __reduce_max_sync(kAllLanes, value);
#endif
}

__device__ __forceinline__ uint32_t warp_smallest(uint32_t value) { return ~warp_largest(~value); }

// Bits that compare as unsigned numbers the way the floats compare; above 0 for every float but one NaN.
__device__ __forceinline__ uint32_t ordered_bits(float value) {
  const uint32_t bits = __float_as_uint(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float from_ordered(uint32_t bits) {
  return __uint_as_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

// Activations as exact as the storage type deserves: correctly rounded functions for float; for half types
// special-function calls whose error, below 1e-6, is far under the rounding of what they are applied to.
template <class T>
__device__ __forceinline__ float exp_for(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return expf(value);
  } else {
    return __expf(value);
  }
}

template <class T>
__device__ __forceinline__ float reciprocal_for(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return 1.0f / value;
  } else {
    return __fdividef(1.0f, value);  // 0 above 2^126
  }
}

__device__ __forceinline__ float sigmoid(float value) { return 1.0f / (1.0f + expf(-value)); }

// An asynchronous copy of 16 bytes from global to shared memory, or of zeros where `there` is false. It comes
// from the second-level cache, so what other blocks of the launch wrote before a grid barrier is seen.
__device__ __forceinline__ void copy_async(void* target, const void* source, bool there) {
#if !defined(__CUDACC__)
  pycap::emulation::copy_async(target, source, there ? 16 : 0);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const auto place = static_cast<uint32_t>(__cvta_generic_to_shared(target));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(source), "r"(there ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(target) = there ? __ldcg(static_cast<const uint4*>(source)) : uint4{0, 0, 0, 0};
#endif
}

__device__ __forceinline__ void copy_commit() {
#if !defined(__CUDACC__)
  pycap::emulation::copy_commit();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most N groups of this thread's copies are on their way; a block barrier must follow before
// other threads read them.
template <int N>
__device__ __forceinline__ void copy_wait() {
#if !defined(__CUDACC__)
  pycap::emulation::copy_wait(N);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

}  // namespace pycap::cuda
