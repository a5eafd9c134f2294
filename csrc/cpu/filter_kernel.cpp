#include "cpu/filter_tile.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;
struct FloatCells {  // results of a filter, in one block
  float* data;

  void put(size_t pixel, size_t lane, Floats value) const { store(data + pixel * kBlock + lane, value); }
};

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
        store(target + at / kBlock * s.target.stride() + c * kBlock + at % kBlock, clip(sums[c][v], 0, 6));
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
  for (size_t block = 0; block < blocks; ++block)
    filter_block(f, block, FloatCells{f.target + block * f.target_stride});
}

void filter_stem(const Stem& s, size_t begin, size_t end) {
  const size_t tiles = (s.cols + kFilterCols - 1) / kFilterCols;
  for (size_t row = begin; row < end; ++row) {
    copy_lines(s, row);
    float* target = s.target.at(row % s.target.slots);
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t col = s.cols * tile / tiles, next = s.cols * (tile + 1) / tiles;
      compute_stem<kFilterCols>(s, next - col, col, target + col * kBlock);
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
