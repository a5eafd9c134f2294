// One SIMD register of T and what kernels need from it; include only from sources compiled per ISA.
#pragma once

#include <cstddef>
#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef PYCAP_ISA
#error "simd.h is for kernel sources, which CMake compiles once per ISA"
#endif

namespace pycap {
namespace PYCAP_ISA {

#if defined(__AVX512F__)
constexpr size_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr size_t kVectorBytes = 32;
#else
constexpr size_t kVectorBytes = 16;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
constexpr size_t kLanes = kVectorBytes / sizeof(T);

template <class T>
inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

template <class T>
inline Vec<T> load(const T* source) {
  Vec<T> result;
  __builtin_memcpy(&result, source, kVectorBytes);
  return result;
}

template <class T>
inline void store(T* target, Vec<T> value) {
  __builtin_memcpy(target, &value, kVectorBytes);
}

// The first `count` lanes, the others zero: for the last, partial vector of a row.
template <class T>
inline Vec<T> load(const T* source, size_t count) {
  if (count >= kLanes<T>) return load(source);
  Vec<T> result{};
  for (size_t lane = 0; lane < count; ++lane) result[lane] = source[lane];
  return result;
}

template <class T>
inline void store(T* target, Vec<T> value, size_t count) {
  if (count >= kLanes<T>) return store(target, value);
  for (size_t lane = 0; lane < count; ++lane) target[lane] = value[lane];
}

template <class T>
inline Vec<T> maximum(Vec<T> a, Vec<T> b) {
  return a > b ? a : b;
}

// A bit for each lane that is larger than `bound`.
inline uint32_t lanes_above(Vec<float> value, float bound) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)value, _mm512_set1_ps(bound), _CMP_GT_OQ);
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)value, _mm256_set1_ps(bound), _CMP_GT_OQ));
#else
  uint32_t bits = 0;
  for (size_t lane = 0; lane < kLanes<float>; ++lane)
    bits |= static_cast<uint32_t>(value[lane] > bound) << lane;
  return bits;
#endif
}

template <class T>
inline T sum_lanes(Vec<T> value) {  // pairwise: the order is part of the result
  for (size_t half = kLanes<T> / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane) value[lane] += value[lane + half];
  return value[0];
}

template <class T>
inline T max_lanes(Vec<T> value) {
  T result = value[0];
  for (size_t lane = 1; lane < kLanes<T>; ++lane) result = value[lane] > result ? value[lane] : result;
  return result;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
