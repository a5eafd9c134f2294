// VNNI's sums of products of small integers, 32 bits a lane, in AVX-512 or in AVX2; include only from
// kernels.
#pragma once

#include "cpu/simd.h"

#if defined(__AVX512VNNI__)
#define PYCAP_VNNI ""
#elif defined(__AVXVNNI__)
#define PYCAP_VNNI "%{vex%} "  // else the assembler takes AVX-512's encoding
#endif

#if defined(PYCAP_VNNI)
namespace pycap {
namespace PYCAP_ISA {

// Not by intrinsics: around them GCC 12 copies every sum twice a turn.

// Add four products of unsigned and signed bytes to every lane.
inline Vec<int32_t> add_quads(Vec<int32_t> sums, Vec<int32_t> left, Vec<int32_t> right) {
  asm(PYCAP_VNNI "vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(left), "v"(right));
  return sums;
}

// Add two products of int16_t to every lane.
inline Vec<int32_t> add_pairs(Vec<int32_t> sums, Vec<int32_t> left, Vec<int32_t> right) {
  asm(PYCAP_VNNI "vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(left), "v"(right));
  return sums;
}

}  // namespace PYCAP_ISA
}  // namespace pycap
#endif
