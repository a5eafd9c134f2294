// The same product by AMX, whose registers are tiles of 16 rows x 64 bytes; include only from kernels.
//
// A tile of weights is what 16 depth quads hold for 16 columns, as int8_matrix.h packs them. An instruction
// takes 16 cycles and its result is ready after 52: six tiles of sums keep the unit busy with one row of
// tiles of codes, four with two.
#pragma once

#if defined(__AMX_INT8__)
#include <immintrin.h>

#include "cpu/int8_product.h"

namespace pycap {
namespace PYCAP_ISA {

constexpr size_t kTileDepth = 64, kTileColumns = 16, kTileSide = 16;
constexpr size_t kWidePanels = 3;  // that six tiles of sums cover

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

// Fetch what a panel has for the next kTileDepth steps, right behind what it has for these.
inline __attribute__((always_inline)) void fetch_next(const int8_t* stored) {
  constexpr size_t bytes = kTileDepth * kPanelColumns<float>, line = 64;
#pragma GCC unroll 32
  for (size_t i = 0; i < bytes; i += line) _mm_prefetch(stored + bytes + i, _MM_HINT_T0);
}

// Up to 16 rows, three panels at once: tiles 0-5 are sums, 6 codes, 7 weights.
inline void multiply_wide(const Int8Product& product, const Int8View& weight, size_t row, size_t rows,
                          size_t panel) {
  const size_t panel_bytes = weight.depth * kPanelColumns<float>, step = 2 * kTileColumns * kQuad;
  const uint8_t* codes = product.codes + row * product.stride;
  const int8_t* first = weight.data + panel * panel_bytes;
  const int8_t *second = first + panel_bytes, *third = second + panel_bytes;
  constexpr size_t half = kTileColumns * kQuad;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (size_t d = 0; d < weight.depth; d += kTileDepth) {
    const size_t place = d / kQuad * step;
    _tile_loadd(6, codes + d, product.stride);
    fetch_next(first + place);
    _tile_loadd(7, first + place, step);
    _tile_dpbusd(0, 6, 7);
    _tile_loadd(7, first + place + half, step);
    _tile_dpbusd(1, 6, 7);
    fetch_next(second + place);
    _tile_loadd(7, second + place, step);
    _tile_dpbusd(2, 6, 7);
    _tile_loadd(7, second + place + half, step);
    _tile_dpbusd(3, 6, 7);
    fetch_next(third + place);
    _tile_loadd(7, third + place, step);
    _tile_dpbusd(4, 6, 7);
    _tile_loadd(7, third + place + half, step);
    _tile_dpbusd(5, 6, 7);
  }
  alignas(64) int32_t sums[6][kTileSide * kTileColumns];
  constexpr size_t stride = kTileColumns * sizeof(int32_t);
  _tile_stored(0, sums[0], stride);
  _tile_stored(1, sums[1], stride);
  _tile_stored(2, sums[2], stride);
  _tile_stored(3, sums[3], stride);
  _tile_stored(4, sums[4], stride);
  _tile_stored(5, sums[5], stride);
  for (size_t tile = 0; tile < 6; ++tile)
    store_tile(product, weight, sums[tile], row, rows, panel * kPanelColumns<float> + tile * kTileColumns);
}

// Up to 32 rows, one panel: tiles 0-3 are sums, 4 and 5 codes, 6 and 7 weights.
inline void multiply_tall(const Int8Product& product, const Int8View& weight, size_t row, size_t rows,
                          size_t panel) {
  constexpr size_t step = 2 * kTileColumns * kQuad, half = kTileColumns * kQuad;
  const uint8_t *upper = product.codes + row * product.stride, *lower = upper + kTileSide * product.stride;
  const int8_t* stored = weight.data + panel * weight.depth * kPanelColumns<float>;
  const bool both = rows > kTileSide;
  _tile_zero(0);
  _tile_zero(1);
  if (both) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (size_t d = 0; d < weight.depth; d += kTileDepth) {
    const size_t place = d / kQuad * step;
    _tile_loadd(4, upper + d, product.stride);
    _tile_loadd(6, stored + place, step);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, stored + place + half, step);
    _tile_dpbusd(1, 4, 7);
    if (!both) continue;
    _tile_loadd(5, lower + d, product.stride);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  alignas(64) int32_t sums[4][kTileSide * kTileColumns];
  constexpr size_t stride = kTileColumns * sizeof(int32_t);
  _tile_stored(0, sums[0], stride);
  _tile_stored(1, sums[1], stride);
  if (both) {
    _tile_stored(2, sums[2], stride);
    _tile_stored(3, sums[3], stride);
  }
  const size_t column = panel * kPanelColumns<float>, above = rows < kTileSide ? rows : kTileSide;
  for (size_t tile = 0; tile < 2; ++tile) {
    store_tile(product, weight, sums[tile], row, above, column + tile * kTileColumns);
    if (both)
      store_tile(product, weight, sums[2 + tile], row + kTileSide, rows - kTileSide,
                 column + tile * kTileColumns);
  }
}

// The product for panels [panel_begin, panel_end); the weight's depth is a multiple of kTileDepth.
inline void amx_gemm_panels(const Int8Product& product, const Int8View& weight, size_t panel_begin,
                            size_t panel_end) {
  constexpr size_t most = 2 * kTileSide;
  for (size_t row = 0, rows; row < product.rows; row += rows) {
    rows = product.rows - row < most ? product.rows - row : most;
    const size_t above = rows < kTileSide ? rows : kTileSide, below = rows - above;
    size_t panel = panel_begin;
    if (below == 0) {
      TileConfig config;
      for (size_t tile = 0; tile < 7; ++tile) config.set(tile, above);
      config.set(7, kTileSide);
      _tile_loadconfig(&config);
      for (; panel + kWidePanels <= panel_end; panel += kWidePanels)
        multiply_wide(product, weight, row, rows, panel);
    }
    TileConfig config;
    for (size_t tile : {0, 1, 4}) config.set(tile, above);
    for (size_t tile : {2, 3, 5}) config.set(tile, below ? below : 1);
    for (size_t tile : {6, 7}) config.set(tile, kTileSide);
    _tile_loadconfig(&config);
    for (; panel < panel_end; ++panel) multiply_tall(product, weight, row, rows, panel);
  }
  _tile_release();
}

}  // namespace PYCAP_ISA
}  // namespace pycap
#endif
