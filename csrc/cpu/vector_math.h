// exp, tanh and sigmoid of whole SIMD registers: few-ulp polynomials for float, the C library lane by lane
// for double, the checking precision. Include only from kernel sources.
#pragma once

#include <math.h>

#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

typedef uint32_t BitsOf32 __attribute__((vector_size(kVectorBytes)));

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2, with the Taylor polynomial of r. Below 2^-126 the result is 0, above
// e^88.02 it stays there; NaN stays NaN.
inline Vec<float> exp(Vec<float> x) {
  const float low = -87.33654f, high = 88.02f;
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
  return x * p / q;
}

inline Vec<double> exp(Vec<double> x) {
  for (size_t lane = 0; lane < kLanes<double>; ++lane) x[lane] = ::exp(x[lane]);
  return x;
}

inline Vec<double> tanh(Vec<double> x) {
  for (size_t lane = 0; lane < kLanes<double>; ++lane) x[lane] = ::tanh(x[lane]);
  return x;
}

template <class V>
inline V sigmoid(V x) {
  return V{} + 1 / (1 + exp(-x));
}

template <class T>
inline T sigmoid_scalar(T x) {
  return sigmoid(broadcast(x))[0];
}

}  // namespace PYCAP_ISA
}  // namespace pycap
