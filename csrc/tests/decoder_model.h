// A decoder of random weights for the test programs.
#pragma once

#include <vector>

#include "cpu/decoder.h"
#include "tests/check.h"

namespace pycap {

struct Model {
  DecoderSizes sizes;
  std::vector<std::vector<float>> arrays;

  const float* draw(std::mt19937& random, size_t count) {
    arrays.push_back(pycap::draw<float>(random, count, 0.7));
    return arrays.back().data();
  }

  Decoder pack(std::mt19937& random, Precision precision = Precision::float32) {
    const size_t vocab = sizes.vocab_size, embed = sizes.embed_dim, hidden = sizes.hidden_dim;
    const size_t attention = sizes.attention_dim, feature = sizes.feature_dim;
    DecoderArrays all{};
    auto set = [&](const float*& target, size_t count) { target = draw(random, count); };
    set(all.embedding, vocab * embed), set(all.input, 4 * hidden * embed), set(all.input_bias, 4 * hidden);
    set(all.key, attention * feature), set(all.key_bias, attention), set(all.query, attention * hidden);
    set(all.score, attention), set(all.gate, hidden), set(all.gate_bias, 1);
    set(all.context, 4 * hidden * feature), set(all.recurrent, 4 * hidden * hidden);
    set(all.initial_hidden, hidden * feature), set(all.initial_hidden_bias, hidden);
    set(all.initial_cell, hidden * feature), set(all.initial_cell_bias, hidden);
    set(all.output_hidden, embed * hidden), set(all.output_context, embed * feature);
    set(all.output_bias, embed), set(all.output, vocab * embed), set(all.output_vocab_bias, vocab);
    return Decoder(sizes, all, precision);
  }
};

}  // namespace pycap
