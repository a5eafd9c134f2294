#include "cpu/conv_kernel.h"
#include "cpu/product_tiles.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;

// One tile: rows from `row`, columns from `column`. An element's sum has one order, whatever tile it is in.
// ahead: (depth, 16) weights to fetch meanwhile.
template <size_t Rows, size_t Vectors>
inline __attribute__((always_inline)) void compute_tile(const Multiply& m, size_t row, size_t column,
                                                        const float* ahead) {
  const float* a = m.source + row * kBlock;
  const float* b = m.weight + column / kBlock * m.weight_stride + column % kBlock;
  Floats sums[Rows][Vectors];
#pragma GCC unroll 16
  for (size_t v = 0; v < Vectors; ++v) {
    const Floats bias = m.bias ? load(m.bias + column + v * kWidth) : Floats{};
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r) sums[r][v] = bias;
  }
  for (size_t first = 0; first < m.depth; first += kBlock) {
    const size_t count = m.depth - first < kBlock ? m.depth - first : kBlock;
#pragma GCC unroll 2  // as in gemm.h
    for (size_t d = 0; d < count; ++d) {
      Floats values[Vectors];
      __builtin_prefetch(ahead, 0, 2);
      ahead += kBlock;
#pragma GCC unroll 16
      for (size_t v = 0; v < Vectors; ++v)
        values[v] = load(b + v * kWidth / kBlock * m.weight_stride + v * kWidth % kBlock);
#pragma GCC unroll 16
      for (size_t r = 0; r < Rows; ++r) {
        const Floats scale = broadcast(a[r * kBlock + d]);
#pragma GCC unroll 16
        for (size_t v = 0; v < Vectors; ++v) sums[r][v] += scale * values[v];
      }
      b += kBlock;
    }
    a += m.source_stride;
  }
  finish_tile<Rows, Vectors>(m, row, column, [&](size_t r, size_t v) { return sums[r][v]; });
}

struct FloatTile {
  template <size_t Rows, size_t Vectors>
  static inline __attribute__((always_inline)) void compute(const Multiply& m, size_t row, size_t column,
                                                            size_t tile) {
    constexpr size_t strip = Vectors * kWidth / kBlock;
    // the next strip's weights, a block of them during each of the first tiles
    const size_t block = column / kBlock + strip + (tile < 3 ? tile : 0);
    compute_tile<Rows, Vectors>(m, row, column, m.weight + block * m.weight_stride);
  }
};

}  // namespace

void multiply_rows(const Multiply& m, size_t begin, size_t end) { multiply_strips<FloatTile>(m, begin, end); }

}  // namespace PYCAP_ISA
}  // namespace pycap
