// What this machine can do at most, measured in registers and by reading memory; compiled and called by
// peaks.py. Every function does its work once, in the calling thread, and returns a value that depends on all
// of it.
#include <cstddef>
#include <cstdint>

#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kBytes)));
typedef uint64_t Words __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / 4, kChains = 12;  // more chains than latency x ports of any x86 to date

// Chains are variables of their own: compilers keep an array that an asm statement touches in memory.
#define EACH_CHAIN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define KEEP(value) asm volatile("" : "+v"(value))  // neither moved out of the loop nor merged with others

extern "C" {

// Multiply-adds on registers; returns the floating-point operations done (2 a lane).
double fma_float32(size_t rounds, float* sink) {
  const Vector factor = 0.999f - Vector{}, term = 0.001f - Vector{};
#define DECLARE(i) Vector sum##i = term * static_cast<float>(i);
#define ADD(i)                     \
  sum##i = sum##i * factor + term; \
  KEEP(sum##i);
#define SINK(i) *sink += sum##i[0];
  EACH_CHAIN(DECLARE)
  for (size_t round = 0; round < rounds; ++round) {
    EACH_CHAIN(ADD)
  }
  EACH_CHAIN(SINK)
#undef DECLARE
#undef ADD
#undef SINK
  return 2.0 * kLanes * kChains * static_cast<double>(rounds);
}

// 8-bit dot products (VNNI) on registers; returns the operations done (2 a product), 0 where there are none.
double dot_int8(size_t rounds, float* sink) {
#ifdef __AVX512VNNI__
  const __m512i left = _mm512_set1_epi8(3), right = _mm512_set1_epi8(-5);
#define DECLARE(i) __m512i sum##i = _mm512_set1_epi32(i);
#define ADD(i)                                       \
  sum##i = _mm512_dpbusd_epi32(sum##i, left, right); \
  KEEP(sum##i);
#define SINK(i) *sink += static_cast<float>(_mm512_reduce_add_epi32(sum##i));
  EACH_CHAIN(DECLARE)
  for (size_t round = 0; round < rounds; ++round) {
    EACH_CHAIN(ADD)
  }
  EACH_CHAIN(SINK)
  return 2.0 * 64 * kChains * static_cast<double>(rounds);
#else
  (void)rounds, (void)sink;
  return 0;
#endif
}

// Read `bytes` (a multiple of 1024) at `source`, `rounds` times; returns the bytes read.
double read_memory(const char* source, size_t bytes, size_t rounds, float* sink) {
  Words sums[8] = {};
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t at = 0; at < bytes; at += 8 * kBytes)
#pragma GCC unroll 8
      for (int part = 0; part < 8; ++part)
        sums[part] ^= *reinterpret_cast<const Words*>(source + at + part * kBytes);
    asm volatile("" : "+m"(sums) : : "memory");
  }
  for (int part = 0; part < 8; ++part) *sink += static_cast<float>(sums[part][0] & 1);
  return static_cast<double>(bytes) * static_cast<double>(rounds);
}

}  // extern "C"
