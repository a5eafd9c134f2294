// The caption decoder's weights, folded and packed once for search.
//
// Columns come in panels of 32. Everything that is added into gates or deep output shares one layout, "mix":
//   [embed | gates]      embed: embed_dim columns, padded to panels
//                        gates: for every block of 32 hidden units the panels i, f, g, o
// and the product of a hidden state with what the next step reads of it has the layout "state"
//   [gates | query | gate]      query: attention_dim columns, padded; gate: one column, padded.
// Padding is zero in weights and biases, so padded values stay zero all the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/int8_matrix.h"
#include "cpu/packed_matrix.h"

namespace pycap {

constexpr size_t kPanel = kPanelColumns<float>;

constexpr size_t pad_to_panel(size_t columns) { return count_panels(columns, kPanel) * kPanel; }

// Regions of a batch, (images, regions, feature_dim), contiguous.
struct RegionBatch {
  const float* features;
  size_t images, regions;
};

struct DecoderSizes {
  size_t vocab_size, embed_dim, hidden_dim, attention_dim, feature_dim;

  size_t embed_columns() const { return pad_to_panel(embed_dim); }
  size_t hidden_columns() const { return pad_to_panel(hidden_dim); }
  size_t query_columns() const { return pad_to_panel(attention_dim); }
  size_t mix_columns() const { return embed_columns() + 4 * hidden_columns(); }
  size_t query_begin() const { return 4 * hidden_columns(); }
  size_t gate_begin() const { return query_begin() + query_columns(); }
  size_t state_columns() const { return gate_begin() + kPanel; }
};

// Contiguous float arrays as pycap/ops/decoder_step.py names and shapes them; only read while packing.
struct DecoderArrays {
  const float *embedding, *input, *input_bias, *key, *key_bias;
  const float *query, *score, *gate, *gate_bias, *context, *recurrent;
  const float *initial_hidden, *initial_hidden_bias, *initial_cell, *initial_cell_bias;
  const float *output_hidden, *output_context, *output_bias, *output, *output_vocab_bias;
};

// How the matrices are stored; everything else is float32 in both.
enum class Precision { float32, int8 };

// What kernels see of a packed decoder.
struct DecoderView {
  DecoderSizes sizes;
  Precision precision;
  WeightView state;           // (state_columns, hidden_dim): recurrent, query, gate
  WeightView output_hidden;   // (embed_columns, hidden_dim)
  WeightView context;         // (mix_columns, feature_dim): output_context, context
  WeightView key;             // (query_columns, feature_dim)
  WeightView initial;         // (2 * hidden_columns, feature_dim): initial_hidden, initial_cell
  WeightView output;          // (vocab_size, embed_dim)
  const float* state_bias;    // (state_columns,)
  const float* key_bias;      // (query_columns,)
  const float* initial_bias;  // (2 * hidden_columns,)
  const float* output_bias;   // (vocab_size,)
  const float* score;         // (query_columns,): -2 score, for 1 - 2 / (1 + exp(2x)) in the place of tanh(x)
  const float* words;  // (vocab_size, mix_columns): embedding + output_bias, input @ embedding + input_bias
};

class Decoder {
 public:
  // Throws std::invalid_argument where int8 is asked for and a weight is not finite.
  Decoder(const DecoderSizes& sizes, const DecoderArrays& arrays, Precision precision = Precision::float32);

  const DecoderSizes& sizes() const { return sizes_; }
  DecoderView view() const;

 private:
  void fold_words(const DecoderArrays& arrays);

  DecoderSizes sizes_;
  Precision precision_;
  Weight state_, output_hidden_, context_, key_, initial_, output_;
  std::vector<float> state_bias_, key_bias_, initial_bias_, output_bias_, score_, words_;
};

}  // namespace pycap
