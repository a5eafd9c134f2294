#include "cpu/decoder.h"

#include <algorithm>
#include <stdexcept>

#include "cpu/decode_kernel.h"
#include "cpu/isa.h"
#include "cpu/pool.h"

namespace pycap {
namespace {

// Place the rows of a (4 * hidden_dim, depth) gate matrix (order i, f, g, o) where the mix layout has them.
void fill_gates(PackedMatrix<float>& packed, const float* weight, const DecoderSizes& sizes, size_t depth,
                size_t gates_begin) {
  for (size_t gate = 0; gate < 4; ++gate)
    for (size_t unit = 0; unit < sizes.hidden_dim; unit += kPanel) {
      size_t count = std::min(kPanel, sizes.hidden_dim - unit);
      packed.fill(weight + (gate * sizes.hidden_dim + unit) * depth, count, depth, depth, 1,
                  gates_begin + 4 * unit + gate * kPanel);
    }
}

void copy_gates(float* target, const float* source, size_t hidden_dim) {
  for (size_t gate = 0; gate < 4; ++gate)
    for (size_t unit = 0; unit < hidden_dim; ++unit)
      target[unit / kPanel * 4 * kPanel + gate * kPanel + unit % kPanel] = source[gate * hidden_dim + unit];
}

void check_finite(const std::vector<float>& values) {
  float sum = 0;
  for (float value : values) sum += value * 0;
  if (sum != 0) throw std::invalid_argument("weights must be finite to be stored as int8");
}

}  // namespace

Decoder::Decoder(const DecoderSizes& sizes, const DecoderArrays& arrays, Precision precision)
    : sizes_(sizes),
      precision_(precision),
      state_(sizes.state_columns(), sizes.hidden_dim),
      output_hidden_(sizes.embed_columns(), sizes.hidden_dim),
      context_(sizes.mix_columns(), sizes.feature_dim),
      key_(sizes.query_columns(), sizes.feature_dim),
      initial_(2 * sizes.hidden_columns(), sizes.feature_dim),
      output_(sizes.vocab_size, sizes.embed_dim),
      state_bias_(sizes.state_columns()),
      key_bias_(sizes.query_columns()),
      initial_bias_(2 * sizes.hidden_columns()),
      output_bias_(arrays.output_vocab_bias, arrays.output_vocab_bias + sizes.vocab_size),
      score_(sizes.query_columns()) {
  const size_t hidden = sizes.hidden_dim, attention = sizes.attention_dim, feature = sizes.feature_dim;
  fill_gates(state_.full(), arrays.recurrent, sizes, hidden, 0);
  state_.full().fill(arrays.query, attention, hidden, hidden, 1, sizes.query_begin());
  state_.full().fill(arrays.gate, 1, hidden, hidden, 1, sizes.gate_begin());
  state_bias_[sizes.gate_begin()] = *arrays.gate_bias;
  output_hidden_.full().fill(arrays.output_hidden, sizes.embed_dim, hidden, hidden, 1);
  context_.full().fill(arrays.output_context, sizes.embed_dim, feature, feature, 1);
  fill_gates(context_.full(), arrays.context, sizes, feature, sizes.embed_columns());
  key_.full().fill(arrays.key, attention, feature, feature, 1);
  std::copy_n(arrays.key_bias, attention, key_bias_.data());
  std::transform(arrays.score, arrays.score + attention, score_.data(),
                 [](float value) { return -2 * value; });
  initial_.full().fill(arrays.initial_hidden, hidden, feature, feature, 1);
  initial_.full().fill(arrays.initial_cell, hidden, feature, feature, 1, sizes.hidden_columns());
  std::copy_n(arrays.initial_hidden_bias, hidden, initial_bias_.data());
  std::copy_n(arrays.initial_cell_bias, hidden, initial_bias_.data() + sizes.hidden_columns());
  output_.full().fill(arrays.output, sizes.vocab_size, sizes.embed_dim, sizes.embed_dim, 1);
  fold_words(arrays);
  if (precision == Precision::float32) return;
  for (Weight* weight : {&state_, &output_hidden_, &context_, &key_, &initial_, &output_}) weight->shrink();
  for (const auto* values : {&state_bias_, &key_bias_, &initial_bias_, &output_bias_, &score_, &words_})
    check_finite(*values);  // 8-bit codes of a hidden state cannot say that it is NaN
}

// words[v] = [embedding[v] + output_bias | input @ embedding[v] + input_bias]
void Decoder::fold_words(const DecoderArrays& arrays) {
  const size_t embed = sizes_.embed_dim, columns = sizes_.mix_columns(), begin = sizes_.embed_columns();
  PackedMatrix<float> input(columns, embed);
  fill_gates(input, arrays.input, sizes_, embed, begin);
  std::vector<float> bias(columns);
  std::copy_n(arrays.output_bias, embed, bias.data());
  copy_gates(bias.data() + begin, arrays.input_bias, sizes_.hidden_dim);
  words_.resize(sizes_.vocab_size * columns);
  constexpr size_t rows = 64;  // of a task: keeps one panel of `input` in cache
  parallel_for((sizes_.vocab_size + rows - 1) / rows, [&](size_t task) {
    size_t first = task * rows, count = std::min(rows, sizes_.vocab_size - first);
    float* target = words_.data() + first * columns;
    const float* source = arrays.embedding + first * embed;
    PYCAP_DISPATCH(multiply_panels({source, embed, count}, {input.view(), {}}, bias.data(), target, columns,
                                   0, input.panels()));
    for (size_t row = 0; row < count; ++row)
      for (size_t e = 0; e < embed; ++e) target[row * columns + e] += source[row * embed + e];
  });
}

DecoderView Decoder::view() const {
  return {sizes_,
          precision_,
          state_.view(),
          output_hidden_.view(),
          context_.view(),
          key_.view(),
          initial_.view(),
          output_.view(),
          state_bias_.data(),
          key_bias_.data(),
          initial_bias_.data(),
          output_bias_.data(),
          score_.data(),
          words_.data()};
}

}  // namespace pycap
