// Small-batch matrix product with a packed weight: c = a @ weight^T, one thread; include only from kernels.
//
// A tile of `Rows x Vectors` accumulators stays in registers over the whole depth, so an element's sum has
// one order, whatever rows share its tile: results do not depend on the batch a row is computed in.
#pragma once

#include "cpu/packed_matrix.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

#if defined(__AVX512F__)
constexpr size_t kTileRows =
    9;  // more rows would fit the 32 vector registers, but not their addresses the 16 others
#elif defined(__AVX2__)
constexpr size_t kTileRows = 6;  // 6 x 2 + 2 + 1, of 16 registers
#else
constexpr size_t kTileRows = 4;
#endif
constexpr size_t kTileVectors = 2;
constexpr size_t kPanelVectors = kPanelBytes / kVectorBytes;
constexpr size_t kPrefetchDepth = 32;  // rows of a panel ahead: 15 % of a decode whose weights come from L3

// c[rows, columns] (+)= a[rows, depth] @ weight^T (+ bias)
template <class T>
struct Product {
  const T* a;
  size_t lda;
  size_t rows;
  T* c;
  size_t ldc;
  bool accumulate;
  const T* bias;  // (columns,) or null
};

// One tile: rows from `row`, vectors from `vector` (both counted over the whole product). While it computes,
// it fetches its own panel a little ahead (Near) or, where tiles share a panel, `later`: its part of the next
// one.
template <class T, bool Near, size_t Rows, size_t Vectors>
inline __attribute__((always_inline)) void compute_tile(const Product<T>& product,
                                                        const PackedView<T>& weight, size_t row,
                                                        size_t vector, const T* later, size_t later_step) {
  const size_t panel_stride = weight.depth * kPanelColumns<T>;
  const T* b = weight.data + vector / kPanelVectors * panel_stride + vector % kPanelVectors * kLanes<T>;
  const T* a = product.a + row * product.lda;
  Vec<T> sums[Rows][Vectors];
#pragma GCC unroll 16
  for (size_t v = 0; v < Vectors; ++v) {
    const size_t column = (vector + v) * kLanes<T>, count = weight.columns - column;
    const bool used = column < weight.columns;
    const Vec<T> bias = product.bias && used ? load(product.bias + column, count) : Vec<T>{};
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r)
      sums[r][v] = product.accumulate && used
                       ? bias + load(product.c + (row + r) * product.ldc + column, count)
                       : bias;
  }
#pragma GCC unroll 2  // scalar instructions take turns of the multipliers' ports: half as many
  for (size_t d = 0; d < weight.depth; ++d) {
    if (Near) {
      __builtin_prefetch(b + kPrefetchDepth * kPanelColumns<T>);
      __builtin_prefetch(b + kPrefetchDepth * kPanelColumns<T> + kPanelColumns<T> / 2);
    } else {
      __builtin_prefetch(later, 0, 2);  // into the second level
      later += later_step;
    }
    Vec<T> values[Vectors];
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v)
      values[v] = load(b + v / kPanelVectors * panel_stride + v % kPanelVectors * kLanes<T>);
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r) {
      Vec<T> scale = broadcast(a[r * product.lda + d]);
#pragma GCC unroll 16
      for (size_t v = 0; v < Vectors; ++v) sums[r][v] += scale * values[v];
    }
    b += kPanelColumns<T>;
  }
#pragma GCC unroll 16
  for (size_t v = 0; v < Vectors; ++v) {
    const size_t column = (vector + v) * kLanes<T>;
    if (column >= weight.columns) break;
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r)
      store(product.c + (row + r) * product.ldc + column, sums[r][v], weight.columns - column);
  }
}

template <class T, bool Near, size_t Rows, size_t Vectors>
void compute_rows(const Product<T>& product, const PackedView<T>& weight, size_t rows, size_t row,
                  size_t vector, const T* later = nullptr, size_t later_step = 0) {
  if constexpr (Rows > 1) {
    if (rows < Rows)
      return compute_rows<T, Near, Rows - 1, Vectors>(product, weight, rows, row, vector, later, later_step);
  }
  compute_tile<T, Near, Rows, Vectors>(product, weight, row, vector, later, later_step);
}

// The product for panels [panel_begin, panel_end): lets threads share the columns of a small batch.
template <class T>
void gemm_panels(const Product<T>& product, const PackedView<T>& weight, size_t panel_begin,
                 size_t panel_end) {
  if (product.rows == 0) return;
  size_t vector = panel_begin * kPanelVectors;
  const size_t end = panel_end * kPanelVectors;
  if (product.rows <= 2)  // too few rows to hide latency: take more columns at once
    for (; vector + 8 <= end; vector += 8)
      compute_rows<T, true, 2, 8>(product, weight, product.rows, 0, vector);
  const size_t tiles = (product.rows + kTileRows - 1) / kTileRows;
  for (; vector < end; vector += kTileVectors)
    for (size_t tile = 0; tile < tiles; ++tile) {  // tiles of nearly equal height
      size_t row = product.rows * tile / tiles, next = product.rows * (tile + 1) / tiles;
      if (tiles == 1) {
        compute_rows<T, true, kTileRows, kTileVectors>(product, weight, next - row, row, vector);
        continue;
      }
      const size_t panel = weight.depth * kPanelColumns<T>;
      const T* later = weight.data + (vector / kPanelVectors + 1) * panel + panel / tiles * tile;
      compute_rows<T, false, kTileRows, kTileVectors>(product, weight, next - row, row, vector, later,
                                                      kPanelColumns<T> / tiles);
    }
}

template <class T>
void gemm(const T* a, size_t lda, size_t rows, const PackedView<T>& weight, T* c, size_t ldc, bool accumulate,
          const T* bias = nullptr) {
  gemm_panels<T>({a, lda, rows, c, ldc, accumulate, bias}, weight, 0,
                 count_panels(weight.columns, kPanelColumns<T>));
}

}  // namespace PYCAP_ISA
}  // namespace pycap
