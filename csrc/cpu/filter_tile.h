// Depthwise convolution, register by register; include only from kernel sources. What takes the results
// decides where and in which precision they are kept: cells.put(pixel, lane, value) for pixels counted from
// row_begin on.
#pragma once

#include "cpu/clip.h"
#include "cpu/conv_kernel.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {

constexpr size_t kFilterCols = kLanes<float> == 16 ? 12 : 6;  // results that share one reading of the weights

// `Cols` neighbouring results of one register of channels; lines: the picture's rows under the filter.
template <size_t Kernel, size_t Stride, size_t Cols, class Cells>
inline __attribute__((always_inline)) void filter_tile(const float* const* lines, const float* weight,
                                                       Vec<float> bias, const Cells& cells, size_t pixel,
                                                       size_t lane) {
  Vec<float> sums[Cols];
#pragma GCC unroll 16
  for (size_t c = 0; c < Cols; ++c) sums[c] = bias;
  for (size_t y = 0; y < Kernel; ++y) {
    Vec<float> taps[Kernel];
#pragma GCC unroll 16
    for (size_t x = 0; x < Kernel; ++x) taps[x] = load(weight + (y * Kernel + x) * kBlock);
#pragma GCC unroll 32
    for (size_t i = 0; i < (Cols - 1) * Stride + Kernel; ++i) {
      const Vec<float> value = load(lines[y] + i * kBlock);
#pragma GCC unroll 16
      for (size_t x = 0; x < Kernel; ++x)
        if (i >= x && (i - x) % Stride == 0 && (i - x) / Stride < Cols)
          sums[(i - x) / Stride] += value * taps[x];
    }
  }
#pragma GCC unroll 16
  for (size_t c = 0; c < Cols; ++c) cells.put(pixel + c, lane, clip(sums[c], 0, 6));
}

template <size_t Kernel, size_t Stride, size_t Cols, class Cells>
void filter_cols(const float* const* lines, const float* weight, Vec<float> bias, const Cells& cells,
                 size_t pixel, size_t lane, size_t cols) {
  if constexpr (Cols > 1) {
    if (cols < Cols)
      return filter_cols<Kernel, Stride, Cols - 1>(lines, weight, bias, cells, pixel, lane, cols);
  }
  filter_tile<Kernel, Stride, Cols>(lines, weight, bias, cells, pixel, lane);
}

template <size_t Kernel, size_t Stride, class Cells>
void filter_rows(const Filter& f, size_t block, const Cells& cells) {
  const size_t tiles = (f.cols + kFilterCols - 1) / kFilterCols;
  const float* source = f.source.data + block * f.source.stride();
  const float* weight = f.weight + block * Kernel * Kernel * kBlock;
  size_t pixel = 0;
  for (size_t row = f.row_begin; row < f.row_end; ++row, pixel += f.cols) {
    const float* lines[Kernel];
    for (size_t y = 0; y < Kernel; ++y) {
      const size_t at = row * Stride + y - f.top;  // wraps above the picture
      lines[y] = at < f.source_rows ? source + at % f.source.slots * f.source.pitch * kBlock : f.zeros;
    }
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t col = f.cols * tile / tiles, next = f.cols * (tile + 1) / tiles;
      for (size_t lane = 0; lane < kBlock; lane += kLanes<float>) {
        const float* shifted[Kernel];
        for (size_t y = 0; y < Kernel; ++y) shifted[y] = lines[y] + col * Stride * kBlock + lane;
        filter_cols<Kernel, Stride, kFilterCols>(shifted, weight + lane, load(f.bias + block * kBlock + lane),
                                                 cells, pixel + col, lane, next - col);
      }
    }
  }
}

template <class Cells>
void filter_block(const Filter& f, size_t block, const Cells& cells) {
  if (f.kernel == 3)
    f.stride == 1 ? filter_rows<3, 1>(f, block, cells) : filter_rows<3, 2>(f, block, cells);
  else
    f.stride == 1 ? filter_rows<5, 1>(f, block, cells) : filter_rows<5, 2>(f, block, cells);
}

}  // namespace PYCAP_ISA
}  // namespace pycap
