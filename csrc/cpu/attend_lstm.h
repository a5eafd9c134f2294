// attend_lstm on the CPU: additive attention, scalar gate and LSTM over whole sequences, forward and
// backward. The equations are in pycap/ops/attend_lstm.py, whose reference is the specification.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"
#include "cpu/packed_matrix.h"

namespace pycap {

struct AttendShape {
  size_t batch, time, images, regions, feature_dim, hidden_dim, attention_dim;
  size_t gates() const { return 4 * hidden_dim; }
  size_t state_columns() const { return gates() + attention_dim + 1; }  // all that is linear in the state
};

// All arrays are contiguous; steps at or past a row's length are skipped and written as zero.
template <class T>
struct AttendForward {
  AttendShape shape;
  const T* inputs;             // (batch, time, 4 * hidden_dim); not read by backward
  const T* features;           // (images, regions, feature_dim)
  const T* keys;               // (images, regions, attention_dim)
  const T* hidden;             // (batch, hidden_dim)
  const T* cell;               // (batch, hidden_dim)
  const T* query;              // (attention_dim, hidden_dim)
  const T* score;              // (attention_dim,)
  const T* gate;               // (hidden_dim,)
  const T* gate_bias;          // (1,)
  const T* context;            // (4 * hidden_dim, feature_dim)
  const T* recurrent;          // (4 * hidden_dim, hidden_dim)
  const int64_t* lengths;      // (batch,)
  const int64_t* image_index;  // (batch,)
  T* hiddens;                  // (batch, time, hidden_dim)
  T* contexts;                 // (batch, time, feature_dim)
  T* attention;                // (batch, time, regions)
  T* gates;                    // (batch, time, 4 * hidden_dim), after their activations; saved for backward
  T* cells;                    // (batch, time, hidden_dim), saved
  T* queries;                  // (batch, time, attention_dim), saved
  T* betas;                    // (batch, time), saved
};

// Gradients of what forward computed; `forward` holds its inputs and its outputs. image_index is
// non-decreasing.
template <class T>
struct AttendBackward {
  AttendForward<T> forward;
  const T* grad_hiddens;    // (batch, time, hidden_dim)
  const T* grad_contexts;   // (batch, time, feature_dim)
  const T* grad_attention;  // (batch, time, regions)
  T* d_gates;               // (batch, time, 4 * hidden_dim), before their activations; also those of inputs
  T* d_queries;             // (batch, time, attention_dim)
  T* d_betas;               // (batch, time), before the sigmoid
  T* d_features;            // (images, regions, feature_dim)
  T* d_keys;                // (images, regions, attention_dim)
  T* d_scores;              // (images, attention_dim), to be summed over images
  T* d_hidden;              // (batch, hidden_dim)
  T* d_cell;                // (batch, hidden_dim)
  T* d_query;               // (attention_dim, hidden_dim)
  T* d_gate;                // (hidden_dim,)
  T* d_context;             // (4 * hidden_dim, feature_dim)
  T* d_recurrent;           // (4 * hidden_dim, hidden_dim)
};

// Throw std::invalid_argument when lengths or image_index point outside of the arrays.
template <class T>
void attend_lstm_forward(const AttendForward<T>& op);
template <class T>
void attend_lstm_backward(const AttendBackward<T>& op);

// What the kernels below get differs in one array: `keys` holds the summands of their tanh (vector_math.h).
// Consecutive rows [row_begin, row_end), and images for backward, that one thread computes from start to end.
struct AttendChunk {
  size_t row_begin, row_end, image_begin, image_end;
  size_t* active;  // (row_end - row_begin) scratch: rows that compute the current step
};

#define PYCAP_DECLARE(isa)                                                                          \
  namespace isa {                                                                                   \
  template <class T>                                                                                \
  void run_attend_forward(const AttendForward<T>& op, PackedView<T> state, PackedView<T> context,   \
                          AttendChunk chunk, T* scratch);                                           \
  template <class T>                                                                                \
  void prepare_tanh(const T* values, size_t count, T* summands); /* those of vector_math.h */       \
  template <class T>                                                                                \
  void run_attend_backward(const AttendBackward<T>& op, PackedView<T> state, PackedView<T> context, \
                           AttendChunk chunk, T* scratch);                                          \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
