// exp, tanh, sigmoid and logarithms of whole SIMD registers: few-ulp polynomials for float, the C library
// lane by lane for double, the checking precision. Include only from kernel sources.
#pragma once

#include <math.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

typedef uint32_t BitsOf32 __attribute__((vector_size(kVectorBytes)));
typedef int32_t IntsOf32 __attribute__((vector_size(kVectorBytes)));

// 1 / x, at most 1 ulp off, for finite x of at least 1: an estimate and one step of Newton's, where division
// is slow.
inline Vec<float> reciprocal(Vec<float> x) {
#if defined(__AVX512F__)
  const Vec<float> guess = (Vec<float>)_mm512_rcp14_ps((__m512)x);
  return guess + guess * (1.0f - x * guess);
#elif defined(__AVX2__)
  const Vec<float> guess = (Vec<float>)_mm256_rcp_ps((__m256)x);
  return guess + guess * (1.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2, with the Taylor polynomial of r. Below 2^-126 the result is 0 (or,
// with AVX-512, subnormal as long as it can be), above e^88.02 it stays there; NaN stays NaN.
inline Vec<float> exp(Vec<float> x) {
  const float high = 88.02f;
#if defined(__AVX512F__)  // half the instructions: bounds that keep NaN, rounding and 2^n in one each
  __m512 bounded = _mm512_max_ps(_mm512_set1_ps(-104.0f), (__m512)x);
  bounded = _mm512_min_ps(_mm512_set1_ps(high), bounded);
  const Vec<float> n = (Vec<float>)_mm512_roundscale_ps((__m512)((Vec<float>)bounded * 1.44269504f), 0);
  Vec<float> r = (Vec<float>)bounded - n * 0.693359375f;  // ln(2) in two parts, as below
  r = r + n * 2.12194440e-4f;
  Vec<float> p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  return (Vec<float>)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  const float low = -87.33654f;
  Vec<float> bounded = x < low ? broadcast(low) : x;
  bounded = bounded > high ? broadcast(high) : bounded;
  const float shift = 12582912.0f;  // 1.5 * 2^23: a sum with it rounds to an integer, kept in its low bits
  Vec<float> shifted = bounded * 1.44269504f + shift;
  Vec<float> n = shifted - shift;
  Vec<float> r = bounded - n * 0.693359375f;  // ln(2) in two parts, the first with few bits: no rounding
  r = r + n * 2.12194440e-4f;
  Vec<float> p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  Vec<float> scaled = (Vec<float>)((BitsOf32)p + ((BitsOf32)shifted << 23));  // adds n to the exponent
  scaled = x < low ? Vec<float>{} : scaled;
  return x == x ? scaled : x;
#endif
}

// tanh(x) = x P(x^2) / Q(x^2): a minimax fit on |x| <= 9.02, where float tanh becomes 1; at most 5 ulp off.
inline Vec<float> tanh(Vec<float> x) {
  const float limit = 9.02f;
  x = x > limit ? broadcast(limit) : x;
  x = x < -limit ? broadcast(-limit) : x;
  Vec<float> u = x * x;
  Vec<float> p = u * 1.331905785662002e-08f + 2.0583449440891854e-05f;
  p = p * u + 0.0034940328914672136f;
  p = p * u + 0.13379716873168945f;
  p = p * u + 1.0f;
  Vec<float> q = u * 7.761996698718576e-07f + 0.0003283091355115175f;
  q = q * u + 0.025871064513921738f;
  q = q * u + 0.46713027358055115f;
  q = q * u + 1.0f;
  return x * p * reciprocal(q);
}

// log(2^n (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)]: a minimax fit of (log(1 + f) - f + f^2 / 2) / f^3.
inline Vec<float> log_near_one(Vec<float> f, Vec<float> n) {
  Vec<float> p = f * -0.07634492963552475f + 0.12761574983596802f;
  p = p * f - 0.13160182535648346f;
  p = p * f + 0.14201758801937103f;
  p = p * f - 0.16623356938362122f;
  p = p * f + 0.20001226663589478f;
  p = p * f - 0.2500081956386566f;
  p = p * f + 0.3333333134651184f;
  Vec<float> square = f * f;
  Vec<float> rest = n * -2.12194440e-4f + p * f * square - 0.5f * square;  // ln(2) in two parts, as in exp
  return n * 0.693359375f + (f + rest);
}

// The n of x = 2^n m, m in [sqrt(1/2), sqrt(2)), for x positive and not subnormal.
inline IntsOf32 exponent(Vec<float> x) {
  const int32_t half = 0x3F3504F3;  // sqrt(1/2)
  return ((IntsOf32)x - half) >> 23;
}

// At most 2 ulp off, for positive x that is finite and not subnormal.
inline Vec<float> log(Vec<float> x) {
  const IntsOf32 n = exponent(x);
  const Vec<float> m = (Vec<float>)((BitsOf32)x - ((BitsOf32)n << 23));
  return log_near_one(m - 1.0f, __builtin_convertvector(n, Vec<float>));
}

// log(1 + x) as exact where x is tiny, for finite x > -1 with 1 + x above 2^-25.
inline Vec<float> log1p(Vec<float> x) {
  const Vec<float> sum = 1.0f + x;
  const IntsOf32 n = exponent(sum);
  const Vec<float> m = (Vec<float>)((BitsOf32)sum - ((BitsOf32)n << 23));
  return log_near_one(n == 0 ? x : m - 1.0f, __builtin_convertvector(n, Vec<float>));
}

inline Vec<double> exp(Vec<double> x) {
  for (size_t lane = 0; lane < kLanes<double>; ++lane) x[lane] = ::exp(x[lane]);
  return x;
}

inline Vec<double> tanh(Vec<double> x) {
  for (size_t lane = 0; lane < kLanes<double>; ++lane) x[lane] = ::tanh(x[lane]);
  return x;
}

// tanh of sums whose summands repeat: tanh(x + y) = 1 - 2 half_gap, which is 1 / (1 + exp(2x) exp(2y)), so
// that each summand is exponentiated once and a sum costs one reciprocal. A summand beyond 21.5 counts
// as 21.5, so that no product overflows. In double, the checking precision, a summand stays as it is.
inline Vec<float> tanh_summand(Vec<float> x) {
  const float limit = 43;
  Vec<float> twice = x + x;
  twice = twice > limit ? broadcast(limit) : twice;
  return exp(twice < -limit ? broadcast(-limit) : twice);
}

inline Vec<float> half_gap(Vec<float> first, Vec<float> second) { return reciprocal(1.0f + first * second); }

inline Vec<double> tanh_summand(Vec<double> x) { return x; }

inline Vec<double> half_gap(Vec<double> first, Vec<double> second) {
  return 0.5 * (1.0 - tanh(first + second));
}

inline Vec<float> sigmoid(Vec<float> x) { return reciprocal(1.0f + exp(-x)); }

inline Vec<double> sigmoid(Vec<double> x) { return 1.0 / (1.0 + exp(-x)); }

template <class T>
inline T sigmoid_scalar(T x) {
  return sigmoid(broadcast(x))[0];
}

}  // namespace PYCAP_ISA
}  // namespace pycap
