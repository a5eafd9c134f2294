#include "cpu/region_kernel.h"

#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;
constexpr float kEpsilon = 1e-5f;  // torch.nn.LayerNorm's
constexpr float kNever = -__builtin_inff();

inline size_t place(size_t column, size_t stride) { return column / kBlock * stride + column % kBlock; }

// erf(x) = x P(x^2) / Q(x^2): a minimax fit on |x| <= 4, where float erf becomes 1.
inline Floats erf(Floats x) {
  const float limit = 4.0f;
  x = x > limit ? broadcast(limit) : x;
  x = x < -limit ? broadcast(-limit) : x;
  const Floats u = x * x;
  Floats p = u * -2.72614225801306e-10f + 2.77068142495902e-08f;
  p = p * u - 2.10102402082508e-06f;
  p = p * u - 5.69250639462346e-05f;
  p = p * u - 7.34990630326855e-04f;
  p = p * u - 2.95459980854025e-03f;
  p = p * u - 1.60960333262415e-02f;
  Floats q = u * -1.45660718464996e-05f - 2.13374055278905e-04f;
  q = q * u - 1.68282697438203e-03f;
  q = q * u - 7.37332916720468e-03f;
  q = q * u - 1.42647390514189e-02f;
  return x * p / q;
}

void normalise_row(const Normalise& n, size_t row) {
  const float* source = n.source + row * kBlock;
  const size_t whole = n.columns / kWidth * kWidth, rest = n.columns - whole;
  const float share = 1.0f / static_cast<float>(n.columns);
  Floats sum{};
  for (size_t c = 0; c < whole; c += kWidth) sum += load(source + place(c, n.source_stride));
  if (rest > 0) sum += load(source + place(whole, n.source_stride), rest);
  const float mean = sum_lanes<float>(sum) * share;
  Floats squares{};
  for (size_t c = 0; c < n.columns; c += kWidth) {
    Floats offset = load(source + place(c, n.source_stride)) - mean;
    for (size_t lane = n.columns - c; lane < kWidth; ++lane) offset[lane] = 0;
    squares += offset * offset;
  }
  const float factor = 1.0f / __builtin_sqrtf(sum_lanes<float>(squares) * share + kEpsilon);
  for (size_t c = 0; c < n.columns; c += kWidth) {
    Floats value = (load(source + place(c, n.source_stride)) - mean) * factor;
    value = value * load(n.scale + c) + load(n.shift + c);
    if (n.addend) value += load(n.addend + place(c, n.addend_stride) + row * kBlock);
    if (n.blocked)
      store(n.target + place(c, n.target_stride) + row * kBlock, value);
    else
      store(n.target + row * n.columns + c, value, n.columns - c);
  }
  if (n.blocked)  // the padding that no register of the loop reached
    for (size_t c = (n.columns + kWidth - 1) / kWidth * kWidth; c < pad_to_block(n.columns); c += kWidth)
      store(n.target + place(c, n.target_stride) + row * kBlock, Floats{});
}

}  // namespace

void normalise_rows(const Normalise& normalise, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) normalise_row(normalise, row);
}

void softmax_rows(float* values, size_t stride, size_t rows, size_t columns) {
  const size_t padded = pad_to_block(columns);
  for (size_t row = 0; row < rows; ++row, values += kBlock) {
    for (size_t c = columns; c < padded; ++c) values[place(c, stride)] = kNever;
    Floats largest = broadcast(kNever), sum{};
    for (size_t c = 0; c < padded; c += kWidth)
      largest = maximum<float>(load(values + place(c, stride)), largest);
    const float top = max_lanes<float>(largest);
    for (size_t c = 0; c < padded; c += kWidth) {
      const Floats value = exp(load(values + place(c, stride)) - top);
      store(values + place(c, stride), value);
      sum += value;
    }
    const float factor = 1.0f / sum_lanes<float>(sum);
    for (size_t c = 0; c < padded; c += kWidth)
      store(values + place(c, stride), load(values + place(c, stride)) * factor);
  }
}

void add_rows(const float* values, size_t stride, size_t rows, size_t columns, float scale, bool first,
              float* target) {
  for (size_t row = 0; row < rows; ++row, values += kBlock, target += columns)
    for (size_t c = 0; c < columns; c += kWidth) {
      const Floats before = first ? Floats{} : load(target + c, columns - c);
      store(target + c, before + scale * load(values + place(c, stride)), columns - c);
    }
}

void transpose_rows(const float* source, size_t stride, size_t rows, size_t columns, float* target) {
  for (size_t block = 0; block < count_blocks(rows); ++block)
    for (size_t c = 0; c < columns; ++c)
      for (size_t r = block * kBlock; r < (block + 1) * kBlock; ++r)
        *target++ = r < rows ? source[place(c, stride) + r * kBlock] : 0.0f;
}

void mean_rows(const float* source, size_t stride, size_t rows, size_t begin, size_t end, float* mean) {
  const float share = 1.0f / static_cast<float>(rows);
  for (size_t c = begin * kBlock; c < end * kBlock; c += kWidth) {
    Floats sum{};
    for (size_t row = 0; row < rows; ++row) sum += load(source + place(c, stride) + row * kBlock);
    store(mean + c, sum * share);
  }
}

void scale_rows(float* values, size_t stride, size_t rows, const float* weights, size_t begin, size_t end) {
  for (size_t c = begin * kBlock; c < end * kBlock; c += kWidth)
    for (size_t row = 0; row < rows; ++row) {
      float* value = values + place(c, stride) + row * kBlock;
      store(value, load(value) * load(weights + c));
    }
}

void gelu_values(float* values, size_t count) {
  for (size_t i = 0; i < count; i += kWidth) {
    const Floats x = load(values + i);
    store(values + i, 0.5f * x * (1.0f + erf(x * 0.70710678f)));
  }
}

void sigmoid_values(float* values, size_t count) {
  for (size_t i = 0; i < count; i += kWidth) store(values + i, sigmoid(load(values + i)));
}

}  // namespace PYCAP_ISA
}  // namespace pycap
