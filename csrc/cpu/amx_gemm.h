// The same product by AMX, whose registers are tiles of 16 rows x 64 bytes; include only from kernels.
//
// A tile of weights is what 16 depth quads hold for 16 columns, as int8_matrix.h packs them. An instruction
// takes 16 cycles, fewer where rows are few, and its result is ready after 52: four tiles of sums keep the
// unit busy.
#pragma once

#if defined(__AMX_INT8__)
#include <immintrin.h>

#include "cpu/int8_product.h"

namespace pycap {
namespace PYCAP_ISA {

constexpr size_t kTileDepth = 64, kTileColumns = 16, kTileSide = 16;

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(size_t tile, size_t row_count) {
    row_bytes[tile] = kTileDepth;
    rows[tile] = static_cast<uint8_t>(row_count);
  }
};

// Sums of one tile, rows [row, row + count), columns from `column`.
inline void store_tile(const Int8Product& product, const Int8View& weight, const int32_t* sums, size_t row,
                       size_t count, size_t column) {
  for (size_t r = 0; r < count; ++r)
    store_row<kTileColumns>(product, weight, sums + r * kTileColumns, row + r, column);
}

// Up to 16 rows, one panel or two: tiles 0-3 are sums, 4 codes, 5-7 weights. Two keep enough sums on their
// way.
template <size_t Panels>
inline void multiply_few(const Int8Product& product, const Int8View& weight, size_t row, size_t rows,
                         size_t panel) {
  constexpr size_t step = 2 * kTileColumns * kQuad, half = kTileColumns * kQuad;
  const uint8_t* codes = product.codes + row * product.stride;
  const int8_t* first = weight.data + panel * weight.depth * kPanelColumns<float>;
  const int8_t* second = first + weight.depth * kPanelColumns<float>;
  _tile_zero(0);
  _tile_zero(1);
  if (Panels > 1) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (size_t d = 0; d < weight.depth; d += kTileDepth) {
    const size_t place = d / kQuad * step;
    _tile_loadd(4, codes + d, product.stride);
    _tile_loadd(5, first + place, step);
    _tile_dpbusd(0, 4, 5);
    _tile_loadd(6, first + place + half, step);
    _tile_dpbusd(1, 4, 6);
    if (Panels == 1) continue;
    _tile_loadd(7, second + place, step);
    _tile_dpbusd(2, 4, 7);
    _tile_loadd(5, second + place + half, step);
    _tile_dpbusd(3, 4, 5);
  }
  alignas(64) int32_t sums[2 * Panels][kTileSide * kTileColumns];
  constexpr size_t stride = kTileColumns * sizeof(int32_t);
  _tile_stored(0, sums[0], stride);
  _tile_stored(1, sums[1], stride);
  if (Panels > 1) {
    _tile_stored(2, sums[2], stride);
    _tile_stored(3, sums[3], stride);
  }
  for (size_t tile = 0; tile < 2 * Panels; ++tile)
    store_tile(product, weight, sums[tile], row, rows, panel * kPanelColumns<float> + tile * kTileColumns);
}

// Fetch what the next panel has for kTileDepth steps into the second level.
inline __attribute__((always_inline)) void fetch_next(const int8_t* stored) {
  constexpr size_t bytes = kTileDepth * kPanelColumns<float>, line = 64;
#pragma GCC unroll 32
  for (size_t i = 0; i < bytes; i += line) _mm_prefetch(stored + i, _MM_HINT_T1);
}

// From 17 to 32 rows, one panel: tiles 0-3 are sums, 4 and 5 codes, 6 and 7 weights.
inline void multiply_tall(const Int8Product& product, const Int8View& weight, size_t row, size_t rows,
                          size_t panel) {
  constexpr size_t step = 2 * kTileColumns * kQuad, half = kTileColumns * kQuad;
  const uint8_t *upper = product.codes + row * product.stride, *lower = upper + kTileSide * product.stride;
  const size_t panel_bytes = weight.depth * kPanelColumns<float>;
  const int8_t* stored = weight.data + panel * panel_bytes;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t d = 0; d < weight.depth; d += kTileDepth) {
    const size_t place = d / kQuad * step;
    _tile_loadd(4, upper + d, product.stride);
    _tile_loadd(6, stored + place, step);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, stored + place + half, step);
    _tile_dpbusd(1, 4, 7);
    if (row == 0) fetch_next(stored + place + panel_bytes);
    _tile_loadd(5, lower + d, product.stride);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  alignas(64) int32_t sums[4][kTileSide * kTileColumns];
  constexpr size_t stride = kTileColumns * sizeof(int32_t);
  _tile_stored(0, sums[0], stride);
  _tile_stored(1, sums[1], stride);
  _tile_stored(2, sums[2], stride);
  _tile_stored(3, sums[3], stride);
  for (size_t tile = 0; tile < 2; ++tile) {
    const size_t column = panel * kPanelColumns<float> + tile * kTileColumns;
    store_tile(product, weight, sums[tile], row, kTileSide, column);
    store_tile(product, weight, sums[2 + tile], row + kTileSide, rows - kTileSide, column);
  }
}

// The product for panels [panel_begin, panel_end); the weight's depth is a multiple of kTileDepth.
inline void amx_gemm_panels(const Int8Product& product, const Int8View& weight, size_t panel_begin,
                            size_t panel_end) {
  constexpr size_t most = 2 * kTileSide;
  for (size_t row = 0, rows; row < product.rows; row += rows) {
    rows = product.rows - row < most ? product.rows - row : most;
    TileConfig config;
    size_t panel = panel_begin;
    if (rows <= kTileSide) {
      for (size_t tile = 0; tile < 5; ++tile) config.set(tile, rows);
      for (size_t tile = 5; tile < 8; ++tile) config.set(tile, kTileSide);
      _tile_loadconfig(&config);
      for (; panel + 2 <= panel_end; panel += 2) multiply_few<2>(product, weight, row, rows, panel);
      if (panel < panel_end) multiply_few<1>(product, weight, row, rows, panel);
    } else {
      for (size_t tile : {0, 1, 4, 6, 7}) config.set(tile, kTileSide);
      for (size_t tile : {2, 3, 5}) config.set(tile, rows - kTileSide);
      _tile_loadconfig(&config);
      for (; panel < panel_end; ++panel) multiply_tall(product, weight, row, rows, panel);
    }
  }
  _tile_release();
}

}  // namespace PYCAP_ISA
}  // namespace pycap
#endif
