// Attention + LSTM over whole sequences on the GPU, forward and backward (rules: pycap/ops/recurrence.py).
// This header has no CUDA in it: the binding and the host emulation read it with any C++ compiler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/dtype.h"

namespace pycap::cuda {

constexpr int kMaxRegions = 4096;    // a row's attention weights stay in shared memory
constexpr int kMaxAttention = 4096;  // so does its query
constexpr int kRegionsAtOnce = 8;    // whose gradients a block sums up

// Every tensor is contiguous and on one device; those without a type are of the call's dtype. batch rows look
// at images through image_index (null: row b at image b); a row whose index is outside the images is NaN.
// Steps at or past a row's length (null: time) are zero.
struct AttendLSTMCall {
  int batch, images, time, regions, feature_dim, hidden_dim, attention_dim;
  bool wide;  // all rows of all matrices start on 16-byte boundaries

  const void* inputs;      // (batch, time, 4 * hidden_dim)   word part of the gates i, f, g, o, bias included
  const void* features;    // (images, regions, feature_dim)
  const void* keys;        // (images, regions, attention_dim)
  const void* hidden;      // (batch, hidden_dim)
  const void* cell;        // (batch, hidden_dim)
  const int64_t* lengths;  // (batch,) or null
  const int64_t* image_index;  // (batch,) or null

  const void* query;      // (attention_dim, hidden_dim)
  const void* score;      // (attention_dim,)
  const void* gate;       // (hidden_dim,)
  const void* gate_bias;  // (1,)
  const void* context;    // (4 * hidden_dim, feature_dim)
  const void* recurrent;  // (4 * hidden_dim, hidden_dim)

  void* hiddens;    // (batch, time, hidden_dim)
  void* contexts;   // (batch, time, feature_dim)
  void* attention;  // (batch, time, regions)
  void* gates;      // (batch, time, 4 * hidden_dim) after their activations
  float* cells;     // (batch, time, hidden_dim)
  float* queries;   // (batch, time, attention_dim)
  float* betas;     // (batch, time)
};

struct AttendLSTMGradients : AttendLSTMCall {
  const void* grad_hiddens;       // (batch, time, hidden_dim)
  const void* grad_contexts;      // (batch, time, feature_dim)
  const void* grad_attention;     // (batch, time, regions)
  const void* query_columns;      // (hidden_dim, attention_dim): query transposed
  const void* context_columns;    // (feature_dim, 4 * hidden_dim)
  const void* recurrent_columns;  // (hidden_dim, 4 * hidden_dim)
  const int64_t* first_rows;      // (images + 1,) rows of an image are first_rows[i] .. first_rows[i + 1] - 1

  void*
      d_gates;  // (batch, time, 4 * hidden_dim) before their activations, which is the gradient of the inputs
  void* d_queries;    // (batch, time, attention_dim)
  float* d_betas;     // (batch, time) before the sigmoid
  void* d_features;   // (images, regions, feature_dim)
  void* d_keys;       // (images, regions, attention_dim)
  float* d_scores;    // (images, ceil(regions / kRegionsAtOnce), attention_dim), to be summed
  float* d_hidden;    // (batch, hidden_dim)
  float* d_cell;      // (batch, hidden_dim)
  float* d_contexts;  // workspace (batch, time, feature_dim)
  float* d_energies;  // workspace (batch, time, regions)
};

// Put all steps on `stream` of `device` and return without waiting; throw std::runtime_error naming the
// kernel and the shapes when a launch is refused.
void attend_lstm_forward(const AttendLSTMCall& call, DType dtype, int device, void* stream);
void attend_lstm_backward(const AttendLSTMGradients& call, DType dtype, int device, void* stream);

}  // namespace pycap::cuda
