#include "cpu/clip.h"
#include "cpu/conv_kernel.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;

// Rows and registers of a tile: its sums, one row of weights and one broadcast fill the register file.
#if defined(__AVX512F__)
constexpr size_t kRowsOf[] = {0, 16, 12, 9, 6};  // by registers across
#elif defined(__AVX2__)
constexpr size_t kRowsOf[] = {0, 0, 6};
#else
constexpr size_t kRowsOf[] = {0, 0, 4};
#endif

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
  const size_t shift = column / kBlock * m.target_stride + column % kBlock;
  size_t behind = row % m.run;  // rows of the run so far
  float* target = m.target + shift + (row + row / m.run * m.gap) * kBlock;
  const size_t kept = column / kBlock * m.residual_stride + row * kBlock + column % kBlock;
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) {
      const size_t block = v * kWidth / kBlock, lane = v * kWidth % kBlock;
      Floats result = sums[r][v];
      if (m.residual) result += load(m.residual + kept + block * m.residual_stride + r * kBlock + lane);
      store(target + block * m.target_stride + lane, clip(result, m.low, m.high));
    }
    target += kBlock;
    if (++behind == m.run) behind = 0, target += m.gap * kBlock;
  }
}

template <size_t Rows, size_t Vectors>
void compute_rows(const Multiply& m, size_t rows, size_t row, size_t column, const float* ahead) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return compute_rows<Rows - 1, Vectors>(m, rows, row, column, ahead);
  }
  compute_tile<Rows, Vectors>(m, row, column, ahead);
}

// All rows of a strip, in tiles of nearly equal height.
template <size_t Vectors>
void multiply_strip(const Multiply& m, size_t column) {
  constexpr size_t most = kRowsOf[Vectors], kStrip = Vectors * kWidth / kBlock;
  const size_t tiles = (m.rows + most - 1) / most;
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t row = m.rows * tile / tiles, next = m.rows * (tile + 1) / tiles;
    // the next strip's weights, a block of them during each of the first tiles
    const size_t block = column / kBlock + kStrip + (tile < 3 ? tile : 0);
    compute_rows<most, Vectors>(m, next - row, row, column, m.weight + block * m.weight_stride);
  }
}

}  // namespace

void multiply_rows(const Multiply& m, size_t begin, size_t end) {
#if defined(__AVX512F__)
  for (size_t block = begin; block < end;) {  // three or four registers across where possible
    const size_t left = end - block, column = block * kBlock;
    if (left == 1) {
      multiply_strip<1>(m, column), block += 1;
    } else if (left == 2) {
      multiply_strip<2>(m, column), block += 2;
    } else if (left % 3 == 0 || left == 5) {
      multiply_strip<3>(m, column), block += 3;
    } else {
      multiply_strip<4>(m, column), block += 4;
    }
  }
#else
  for (size_t column = begin * kBlock; column < end * kBlock; column += 2 * kWidth)
    multiply_strip<2>(m, column);
#endif
}

}  // namespace PYCAP_ISA
}  // namespace pycap
