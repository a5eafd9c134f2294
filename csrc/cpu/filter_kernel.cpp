#include "cpu/conv_kernel.h"
#include "cpu/simd.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;
constexpr size_t kCols = kWidth == 16 ? 12 : 6;  // results that share one reading of the weights

inline Floats relu6(Floats value) {  // NaN stays NaN
  value = 0.0f > value ? Floats{} : value;
  return 6.0f < value ? broadcast(6.0f) : value;
}

// `Cols` neighbouring results of one register of channels; lines: the picture's rows under the filter.
template <size_t Kernel, size_t Stride, size_t Cols>
inline __attribute__((always_inline)) void filter_tile(const float* const* lines, const float* weight,
                                                       Floats bias, float* target) {
  Floats sums[Cols];
#pragma GCC unroll 16
  for (size_t c = 0; c < Cols; ++c) sums[c] = bias;
  for (size_t y = 0; y < Kernel; ++y) {
    Floats taps[Kernel];
#pragma GCC unroll 16
    for (size_t x = 0; x < Kernel; ++x) taps[x] = load(weight + (y * Kernel + x) * kBlock);
#pragma GCC unroll 32
    for (size_t i = 0; i < (Cols - 1) * Stride + Kernel; ++i) {
      const Floats pixel = load(lines[y] + i * kBlock);
#pragma GCC unroll 16
      for (size_t x = 0; x < Kernel; ++x)
        if (i >= x && (i - x) % Stride == 0 && (i - x) / Stride < Cols)
          sums[(i - x) / Stride] += pixel * taps[x];
    }
  }
#pragma GCC unroll 16
  for (size_t c = 0; c < Cols; ++c) store(target + c * kBlock, relu6(sums[c]));
}

template <size_t Kernel, size_t Stride, size_t Cols>
void filter_cols(const float* const* lines, const float* weight, Floats bias, float* target, size_t cols) {
  if constexpr (Cols > 1) {
    if (cols < Cols) return filter_cols<Kernel, Stride, Cols - 1>(lines, weight, bias, target, cols);
  }
  filter_tile<Kernel, Stride, Cols>(lines, weight, bias, target);
}

template <size_t Kernel, size_t Stride>
void filter_block(const Filter& f, size_t block) {
  const size_t tiles = (f.cols + kCols - 1) / kCols;
  const float* source = f.source.data + block * f.source.stride();
  const float* weight = f.weight + block * Kernel * Kernel * kBlock;
  float* target = f.target + block * f.target_stride;
  for (size_t row = f.row_begin; row < f.row_end; ++row, target += f.cols * kBlock) {
    const float* lines[Kernel];
    for (size_t y = 0; y < Kernel; ++y) {
      const size_t at = row * Stride + y - f.top;  // wraps above the picture
      lines[y] = at < f.source_rows ? source + at % f.source.slots * f.source.pitch * kBlock : f.zeros;
    }
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t col = f.cols * tile / tiles, next = f.cols * (tile + 1) / tiles;
      for (size_t lane = 0; lane < kBlock; lane += kWidth) {
        const float* shifted[Kernel];
        for (size_t y = 0; y < Kernel; ++y) shifted[y] = lines[y] + col * Stride * kBlock + lane;
        filter_cols<Kernel, Stride, kCols>(shifted, weight + lane, load(f.bias + block * kBlock + lane),
                                           target + col * kBlock + lane, next - col);
      }
    }
  }
}

// `Cols` neighbouring results of all 32 channels, some registers at a time.
template <size_t Cols>
void compute_stem(const Stem& s, size_t cols, size_t col, float* target) {
  if constexpr (Cols > 1) {
    if (cols < Cols) return compute_stem<Cols - 1>(s, cols, col, target);
  }
  constexpr size_t across = 2;
  for (size_t channel = 0; channel < kStemChannels; channel += across * kWidth) {
    const float* weight = s.weight + channel / kBlock * kStemTaps * kBlock + channel % kBlock;
    Floats sums[Cols][across];
#pragma GCC unroll 16
    for (size_t c = 0; c < Cols; ++c)
#pragma GCC unroll 16
      for (size_t v = 0; v < across; ++v) sums[c][v] = load(s.bias + channel + v * kWidth);
    for (size_t line = 0; line < 3 * kStemKernel; ++line) {
      const float* pixels = s.lines + line * s.line + col * kStemStride;
#pragma GCC unroll 16
      for (size_t x = 0; x < kStemKernel; ++x) {
        Floats taps[across];
#pragma GCC unroll 16
        for (size_t v = 0; v < across; ++v)
          taps[v] = load(weight + v * kWidth / kBlock * kStemTaps * kBlock + v * kWidth % kBlock);
#pragma GCC unroll 16
        for (size_t c = 0; c < Cols; ++c)
#pragma GCC unroll 16
          for (size_t v = 0; v < across; ++v) sums[c][v] += broadcast(pixels[c * kStemStride + x]) * taps[v];
        weight += kBlock;
      }
    }
#pragma GCC unroll 16
    for (size_t c = 0; c < Cols; ++c)
#pragma GCC unroll 16
      for (size_t v = 0; v < across; ++v) {
        const size_t at = channel + v * kWidth;
        store(target + at / kBlock * s.target.stride() + c * kBlock + at % kBlock, relu6(sums[c][v]));
      }
  }
}

// The rows under the filter of result row `row`, with zeros around the picture.
void copy_lines(const Stem& s, size_t row) {
  for (size_t plane = 0; plane < 3; ++plane)
    for (size_t y = 0; y < kStemKernel; ++y) {
      float* line = s.lines + (plane * kStemKernel + y) * s.line;
      const size_t at = row * kStemStride + y - s.padding;  // wraps above the picture
      const bool inside = at < s.size;
      const float* pixels = s.pixels + (plane * s.size + (inside ? at : 0)) * s.size;
      for (size_t x = 0; x < s.padding; ++x) line[x] = 0;
      for (size_t x = 0; x < s.size; ++x) line[s.padding + x] = inside ? pixels[x] : 0;
      for (size_t x = s.padding + s.size; x < s.line; ++x) line[x] = 0;
    }
}

}  // namespace

void filter_channels(const Filter& f, size_t blocks) {
  for (size_t block = 0; block < blocks; ++block) {
    if (f.kernel == 3)
      f.stride == 1 ? filter_block<3, 1>(f, block) : filter_block<3, 2>(f, block);
    else
      f.stride == 1 ? filter_block<5, 1>(f, block) : filter_block<5, 2>(f, block);
  }
}

void filter_stem(const Stem& s, size_t begin, size_t end) {
  const size_t tiles = (s.cols + kCols - 1) / kCols;
  for (size_t row = begin; row < end; ++row) {
    copy_lines(s, row);
    float* target = s.target.at(row % s.target.slots);
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t col = s.cols * tile / tiles, next = s.cols * (tile + 1) / tiles;
      compute_stem<kCols>(s, next - col, col, target + col * kBlock);
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
