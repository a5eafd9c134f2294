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

// A bit for each lane that is `bound` or larger.
inline uint32_t lanes_from(Vec<float> value, float bound) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)value, _mm512_set1_ps(bound), _CMP_GE_OQ);
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)value, _mm256_set1_ps(bound), _CMP_GE_OQ));
#else
  uint32_t bits = 0;
  for (size_t lane = 0; lane < kLanes<float>; ++lane)
    bits |= static_cast<uint32_t>(value[lane] >= bound) << lane;
  return bits;
#endif
}

// All lanes as one, halves first: the order is part of the result. `join` takes registers of any width.
template <class T, class Join>
inline T reduce_lanes(Vec<T> value, Join join) {
#if defined(__AVX512F__)
  const __m512i whole = (__m512i)value;
  typedef T Half __attribute__((vector_size(32)));
  const Half half = join((Half)_mm512_castsi512_si256(whole), (Half)_mm512_extracti64x4_epi64(whole, 1));
#elif defined(__AVX2__)
  const auto half = value;
#endif
#if defined(__AVX2__)
  typedef T Quarter __attribute__((vector_size(16)));
  const __m256i wide = (__m256i)half;
  Quarter last = join((Quarter)_mm256_castsi256_si128(wide), (Quarter)_mm256_extracti128_si256(wide, 1));
#else
  Vec<T> last = value;
#endif
  for (size_t lanes = 16 / sizeof(T) / 2; lanes > 0; lanes /= 2) {
    decltype(last) other = last;
    for (size_t lane = 0; lane < lanes; ++lane) other[lane] = last[lane + lanes];
    last = join(last, other);
  }
  return last[0];
}

template <class T>
inline T sum_lanes(Vec<T> value) {
  return reduce_lanes<T>(value, [](auto a, auto b) { return a + b; });
}

template <class T>
inline T max_lanes(Vec<T> value) {
  return reduce_lanes<T>(value, [](auto a, auto b) { return a > b ? a : b; });
}

}  // namespace PYCAP_ISA
}  // namespace pycap
