// Matrix product of quantised rows with a weight in 8 bits (int8_matrix.h), one thread; include only from
// kernels.
//
// Sums of a tile of `Rows x kDotVectors` stay in registers over the whole depth, as integers: exact, in any
// order.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/amx_gemm.h"
#include "cpu/int8_product.h"
#include "cpu/vnni.h"

namespace pycap {
namespace PYCAP_ISA {

// A register of sums, kDotColumns columns wide, and how four depth steps of a row are added to it.
#if defined(PYCAP_VNNI)
constexpr size_t kDotColumns = kLanes<int32_t>, kDotVectors = 2, kWideVectors = 4;
constexpr size_t kDotRows = kDotColumns == 16 ? 9 : 6, kWideRows = kDotColumns == 16 ? 6 : 3;
typedef Vec<int32_t> Sums;

inline Sums dot(Sums sums, const uint8_t* codes, const int8_t* stored) {
  int32_t quad;
  __builtin_memcpy(&quad, codes, sizeof(quad));
  return add_quads(sums, broadcast(quad), (Sums)load(stored));
}

inline void store_sums(Sums sums, int32_t* target) { store(target, sums); }
#elif defined(__AVX512BW__)
constexpr size_t kDotColumns = 8, kDotVectors = 2, kDotRows = 9, kWideVectors = 4, kWideRows = 5;
typedef __m512i Sums;  // two neighbours belong to one column

inline Sums dot(Sums sums, const uint8_t* codes, const int8_t* stored) {
  int32_t quad;
  __builtin_memcpy(&quad, codes, sizeof(quad));
  const __m512i values = _mm512_cvtepu8_epi16(_mm256_set1_epi32(quad));
  const __m512i weights = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored)));
  return _mm512_add_epi32(sums, _mm512_madd_epi16(values, weights));
}

inline void store_sums(Sums sums, int32_t* target) {
  int32_t pairs[2 * kDotColumns];
  _mm512_storeu_si512(pairs, sums);
  for (size_t i = 0; i < kDotColumns; ++i) target[i] = pairs[2 * i] + pairs[2 * i + 1];
}
#elif defined(__AVX2__)
constexpr size_t kDotColumns = 4, kDotVectors = 2, kDotRows = 5, kWideVectors = 4, kWideRows = 2;
typedef __m256i Sums;  // two neighbours belong to one column

inline Sums dot(Sums sums, const uint8_t* codes, const int8_t* stored) {
  int32_t quad;
  __builtin_memcpy(&quad, codes, sizeof(quad));
  const __m256i values = _mm256_cvtepu8_epi16(_mm_set1_epi32(quad));
  const __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stored)));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(values, weights));
}

inline void store_sums(Sums sums, int32_t* target) {
  int32_t pairs[2 * kDotColumns];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs), sums);
  for (size_t i = 0; i < kDotColumns; ++i) target[i] = pairs[2 * i] + pairs[2 * i + 1];
}
#else
constexpr size_t kDotColumns = 4, kDotVectors = 1, kDotRows = 4, kWideVectors = 1, kWideRows = 1;
struct Sums {
  int32_t values[kDotColumns];
};

inline Sums dot(Sums sums, const uint8_t* codes, const int8_t* stored) {
  for (size_t column = 0; column < kDotColumns; ++column)
    for (size_t d = 0; d < kQuad; ++d) sums.values[column] += codes[d] * stored[column * kQuad + d];
  return sums;
}

inline void store_sums(const Sums& sums, int32_t* target) {
  __builtin_memcpy(target, sums.values, sizeof(sums.values));
}
#endif

// One tile: rows from `row`, columns from `column` (both counted over the whole product).
template <size_t Rows, size_t Vectors>
inline __attribute__((always_inline)) void compute_int8_tile(const Int8Product& product,
                                                             const Int8View& weight, size_t row,
                                                             size_t column) {
  constexpr size_t width = kPanelColumns<float>;
  const int8_t* stored = weight.data + column / width * weight.depth * width + column % width * kQuad;
  const uint8_t* codes = product.codes + row * product.stride;
  Sums sums[Rows][Vectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) sums[r][v] = Sums{};
  for (size_t d = 0; d < weight.depth; d += kQuad) {
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 16
      for (size_t v = 0; v < Vectors; ++v) {
        const size_t ahead = v * kDotColumns;  // columns, into the next panel where the tile is that wide
        sums[r][v] = dot(sums[r][v], codes + r * product.stride + d,
                         stored + ahead / width * weight.depth * width + ahead % width * kQuad);
      }
    stored += width * kQuad;
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r) {  // unrolled, or the compiler keeps copies of all sums
    int32_t totals[kDotColumns * Vectors];
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) store_sums(sums[r][v], totals + v * kDotColumns);
    store_row<kDotColumns * Vectors>(product, weight, totals, row + r, column);
  }
}

template <size_t Rows, size_t Vectors>
void compute_int8_rows(const Int8Product& product, const Int8View& weight, size_t rows, size_t row,
                       size_t column) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return compute_int8_rows<Rows - 1, Vectors>(product, weight, rows, row, column);
  }
  compute_int8_tile<Rows, Vectors>(product, weight, row, column);
}

// The product for panels [panel_begin, panel_end).
inline void int8_gemm_panels(const Int8Product& product, const Int8View& weight, size_t panel_begin,
                             size_t panel_end) {
  if (product.rows == 0) return;
#if defined(__AMX_INT8__)
  if (weight.depth % kTileDepth == 0) return amx_gemm_panels(product, weight, panel_begin, panel_end);
#endif
  constexpr size_t width = kPanelColumns<float>;
  size_t column = panel_begin * width;
  const size_t end = panel_end * width;
  if (product.rows <= kWideRows)  // too few sums to hide latency: take more columns at once
    for (; column + kDotColumns * kWideVectors <= end; column += kDotColumns * kWideVectors)
      compute_int8_rows<kWideRows, kWideVectors>(product, weight, product.rows, 0, column);
  const size_t tiles = (product.rows + kDotRows - 1) / kDotRows;
  for (; column < end; column += kDotColumns * kDotVectors)
    for (size_t tile = 0; tile < tiles; ++tile) {  // tiles of nearly equal height
      const size_t row = product.rows * tile / tiles, next = product.rows * (tile + 1) / tiles;
      compute_int8_rows<kDotRows, kDotVectors>(product, weight, next - row, row, column);
    }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
