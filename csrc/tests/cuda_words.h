// What CUDA's functions and types mean in the emulation: barriers, warp exchanges, loads, half floats, tensor
// cores.
#pragma once

#include "tests/cuda_emulation.h"

inline void __syncthreads() { pycap::emulation::wait_for(pycap::emulation::Waiting::kBlock); }
inline bool __syncthreads_and(bool value) {
  pycap::emulation::Block& b = pycap::emulation::block();
  b.votes += value;
  __syncthreads();
  const bool all = b.votes == b.fibers.size();
  __syncthreads();  // all have read
  b.votes = 0;
  return all;
}
inline void __syncwarp() { pycap::emulation::exchange({}); }
inline float __shfl_sync(unsigned, float value, int lane) {
  using namespace pycap::emulation;
  return bits_float(exchange({float_bits(value)})[lane][0]);
}
inline uint32_t __shfl_sync(unsigned, uint32_t value, int lane) {
  return pycap::emulation::exchange({value})[lane][0];
}
inline float __shfl_xor_sync(unsigned mask, float value, int lanes) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ lanes);
}
inline uint32_t __reduce_max_sync(unsigned, uint32_t value) {
  const auto* all = pycap::emulation::exchange({value});
  for (int lane = 0; lane < 32; ++lane) value = std::max(value, all[lane][0]);
  return value;
}
inline uint32_t __reduce_min_sync(unsigned, uint32_t value) {
  const auto* all = pycap::emulation::exchange({value});
  for (int lane = 0; lane < 32; ++lane) value = std::min(value, all[lane][0]);
  return value;
}
template <class T>
T atomicAdd(T* target, T value) {
  const T before = *target;
  *target += value;
  return before;
}

template <class T>
T __ldg(const T* source) {
  if (reinterpret_cast<uintptr_t>(source) % alignof(T) != 0) pycap::emulation::fail("a misaligned load");
  return *source;
}
template <class T>
T __ldcg(const T* source) {
  return __ldg(source);
}
inline float __expf(float value) { return std::exp(value); }
inline float __fdividef(float numerator, float denominator) { return numerator / denominator; }
inline uint32_t __float_as_uint(float value) { return pycap::emulation::float_bits(value); }
inline float __uint_as_float(uint32_t bits) { return pycap::emulation::bits_float(bits); }
using std::max;
using std::min;

// Storage types, rounded to nearest even as the hardware does.
struct __nv_bfloat16 {
  uint16_t bits;
};
struct __half {
  uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  return pycap::emulation::bits_float(static_cast<uint32_t>(value.bits) << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  if (std::isnan(value)) return {0x7fff};
  const uint32_t bits = pycap::emulation::float_bits(value);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline float __half2float(__half value) {
  const float size = std::ldexp(static_cast<float>(value.bits & 0x3ff), -24);
  const int exponent = value.bits >> 10 & 31;
  float result =
      exponent == 0 ? size : std::ldexp(1024.0f + static_cast<float>(value.bits & 0x3ff), exponent - 25);
  if (exponent == 31) result = value.bits & 0x3ff ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
  return value.bits & 0x8000 ? -result : result;
}
inline __half __float2half_rn(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float size = std::fabs(value);
  if (std::isnan(value)) return {0x7fff};
  if (size == 0.0f) return {sign};
  if (size >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  int exponent = 0;
  std::frexp(size, &exponent);
  exponent = std::max(exponent, -13);  // subnormals share the smallest exponent
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(size, 11 - exponent)));  // 0..2048
  return {static_cast<uint16_t>(sign | ((exponent + 13) * 1024 + steps))};
}

namespace pycap::emulation {

inline float half_value(uint16_t bits, __half) { return __half2float(__half{bits}); }
inline float half_value(uint16_t bits, __nv_bfloat16) { return __bfloat162float(__nv_bfloat16{bits}); }

// mma.sync.m16n8k16 with float sums, as PTX lays its fragments out: lane 4g + t offers of A the rows g and g
// + 8, of B the column g, each at k = 2t, 2t + 1 and 2t + 8, 2t + 9, and holds the sums of columns 2t and 2t
// + 1.
template <class T>
void mma(float (&sums)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
  const Words* all = exchange({a0, a1, a2, a3, b0, b1});
  const int lane = machine().running % kLanes, g = lane / 4, t = lane % 4;
  auto value = [&](const Words& words, int low, int k) {  // words[low] holds k < 8, its partner the others
    const uint32_t pair = words[low + (k >= 8 ? (low < 4 ? 2 : 1) : 0)];
    return half_value(static_cast<uint16_t>(k % 2 ? pair >> 16 : pair), T{});
  };
  for (int i = 0; i < 4; ++i) {
    const int column = 2 * t + i % 2;
    for (int k = 0; k < 16; ++k) {
      const int part = k % 8 / 2;
      sums[i] += value(all[4 * g + part], i / 2, k) * value(all[4 * column + part], 4, k);
    }
  }
}

}  // namespace pycap::emulation
