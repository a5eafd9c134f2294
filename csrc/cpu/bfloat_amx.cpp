// Compiled for CPUs with AMX alone; like a kernel source it must not use the standard library's inline code.
#if defined(PYCAP_BFLOAT)
#include <immintrin.h>

#include "cpu/clip.h"
#include "cpu/narrow_filter.h"

namespace pycap {
namespace bfloat {
namespace {

typedef Vec<float> Floats;
constexpr size_t kTileRows = 16;

inline void store_bfloats(Narrow* target, Floats value) {
  const __m256bh narrow = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
  __builtin_memcpy(target, &narrow, sizeof(narrow));
}

struct TileConfig {
  alignas(64) uint8_t bytes[64] = {1};  // palette

  TileConfig() {
    for (size_t tile = 0; tile < 8; ++tile) bytes[16 + 2 * tile] = 64, bytes[48 + tile] = kTileRows;
    _tile_loadconfig(bytes);
  }
  ~TileConfig() { _tile_release(); }
};

// What becomes of `rows` rows of a tile of sums.
template <bool ToNarrow, bool ToTarget>
inline void finish_tile(const MultiplyNarrow& m, const float* sums, size_t row, size_t rows, size_t block) {
  Narrow* narrow =
      m.narrow + (ToNarrow ? block / 2 * m.narrow_stride + row * kNarrowBlock + block % 2 * kBlock : 0);
  float* target = m.target + (ToTarget ? block * m.target_stride + (row + row / m.run * m.gap) * kBlock : 0);
  const float* residual = m.residual + (m.residual ? block * m.residual_stride + row * kBlock : 0);
  size_t left = ToTarget ? m.run - row % m.run : rows;  // of the run
  while (rows > 0) {
    const size_t count = left < rows ? left : rows;
    for (size_t r = 0; r < count; ++r) {
      Floats result = load(sums + r * kBlock);
      if (m.residual) result += load(residual + r * kBlock);
      result = clip(result, m.low, m.high);
      if (ToNarrow) store_bfloats(narrow + r * kNarrowBlock, result);
      if (ToTarget) store(target + r * kBlock, result);
    }
    sums += count * kBlock, rows -= count, left = m.run;
    if (ToNarrow) narrow += count * kNarrowBlock;
    if (ToTarget) target += (count + m.gap) * kBlock;
    if (m.residual) residual += count * kBlock;
  }
}

inline void finish(const MultiplyNarrow& m, const float* sums, size_t row, size_t rows, size_t block) {
  if (!m.narrow)
    finish_tile<false, true>(m, sums, row, rows, block);
  else
    m.target ? finish_tile<true, true>(m, sums, row, rows, block)
             : finish_tile<true, false>(m, sums, row, rows, block);
}

// Up to 32 rows from `row` and Cols blocks of 16 columns.
template <size_t Rows, size_t Cols>
inline void compute_tiles(const MultiplyNarrow& m, size_t row, size_t block) {
  const Narrow* a = m.source + row * kNarrowBlock;
  const NarrowTile* b = m.weight + block * m.depth_tiles;
  const float* bias = m.bias + block * kBlock;
  _tile_loadd(0, bias, 0);  // all rows from one
  if constexpr (Rows > 1) _tile_loadd(1, bias, 0);
  if constexpr (Cols > 1) _tile_loadd(2, bias + kBlock, 0);
  if constexpr (Rows > 1 && Cols > 1) _tile_loadd(3, bias + kBlock, 0);
  for (size_t d = 0; d < m.depth_tiles; ++d, ++b, a += m.source_stride) {
    _tile_loadd(6, b, 64);
    if constexpr (Cols > 1) _tile_loadd(7, b + m.depth_tiles, 64);
    _tile_loadd(4, a, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (Cols > 1) _tile_dpbf16ps(2, 4, 7);
    if constexpr (Rows > 1) {
      _tile_loadd(5, a + kTileRows * kNarrowBlock, 64);
      _tile_dpbf16ps(1, 5, 6);
      if constexpr (Cols > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
  alignas(64) float sums[4][kTileRows * kBlock];
  const size_t left = m.rows - row, first = left < kTileRows ? left : kTileRows;
  const size_t second = left - first < kTileRows ? left - first : kTileRows;
  _tile_stored(0, sums[0], 64);
  if constexpr (Rows > 1) _tile_stored(1, sums[1], 64);
  if constexpr (Cols > 1) _tile_stored(2, sums[2], 64);
  if constexpr (Rows > 1 && Cols > 1) _tile_stored(3, sums[3], 64);
  for (size_t c = 0; c < Cols; ++c) {
    finish(m, sums[2 * c], row, first, block + c);
    if constexpr (Rows > 1) finish(m, sums[2 * c + 1], row + kTileRows, second, block + c);
  }
}

template <size_t Cols>
void multiply_blocks(const MultiplyNarrow& m, size_t block) {
  size_t row = 0;
  for (; row + kTileRows < m.rows; row += 2 * kTileRows) compute_tiles<2, Cols>(m, row, block);
  if (row < m.rows) compute_tiles<1, Cols>(m, row, block);
}

struct BfloatCells {  // results of a filter, in one block
  Narrow* data;

  void put(size_t pixel, size_t, Floats value) const { store_bfloats(data + pixel * kNarrowBlock, value); }
};

}  // namespace

void multiply_narrow(const MultiplyNarrow& multiply, size_t begin, size_t end) {
  const TileConfig config;
  size_t block = begin;
  for (; block + 1 < end; block += 2) multiply_blocks<2>(multiply, block);
  if (block < end) multiply_blocks<1>(multiply, block);
}

void filter_narrow(const FilterNarrow& filter, size_t blocks) {
  filter_to_narrow<BfloatCells>(filter, blocks);
}

void narrow_rows(const NarrowRows& rows, size_t begin, size_t end) {
  const size_t blocks = count_blocks(rows.columns);
  for (size_t block = 0; block < pad_to_narrow(rows.columns) / kBlock; ++block)
    for (size_t row = begin; row < end; ++row)
      store_bfloats(rows.narrow + block / 2 * rows.narrow_stride + row * kNarrowBlock + block % 2 * kBlock,
                    block < blocks ? load(rows.source + block * rows.stride + row * kBlock) : Floats{});
}

}  // namespace bfloat
}  // namespace pycap
#endif
