// One decoder step on the GPU: additive attention, scalar gate, LSTM cell (Xu et al. 2015, eq. 4-9 and 13).
// This header has no CUDA in it: the binding and the host emulation read it with any C++ compiler.
#pragma once

#include <cstdint>

namespace pycap::cuda {

enum class DType { kFloat32, kBFloat16, kFloat16 };

constexpr int kMaxRegions = 8192;  // a row's attention weights stay in shared memory

// Every tensor is contiguous, on one device and of one dtype, but for image_index and the workspace.
struct AttendLSTMStep {
  int batch, images, regions, feature_dim, hidden_dim, attention_dim;

  const void* inputs;    // (batch, 4 * hidden_dim)   word part of the gates i, f, g, o, bias included
  const void* features;  // (images, regions, feature_dim)
  const void* keys;      // (images, regions, attention_dim)
  const void* hidden;    // (batch, hidden_dim)
  const void* cell;      // (batch, hidden_dim)
  const int64_t*
      image_index;  // (batch,) int64, or null: row b looks at image b. Outside the images: the row is NaN

  const void* query;      // (attention_dim, hidden_dim)
  const void* score;      // (attention_dim,)
  const void* gate;       // (hidden_dim,)
  const void* gate_bias;  // (1,)
  const void* context;    // (4 * hidden_dim, feature_dim)
  const void* recurrent;  // (4 * hidden_dim, hidden_dim)

  void* next_hidden;   // (batch, hidden_dim)
  void* next_cell;     // (batch, hidden_dim)
  void* next_context;  // (batch, feature_dim)
  void* attention;     // (batch, regions)

  float* queries;  // workspace (batch, attention_dim): query @ hidden
  float*
      gates;  // workspace (batch, hidden_dim, 4): gates without the context, the four of a unit side by side
};

// Puts the step's kernels on `stream` of `device` and returns without waiting; the caller's current device is
// kept. Throws std::runtime_error naming the kernel and the shapes when a launch is refused.
void attend_lstm_step(const AttendLSTMStep& step, DType dtype, int device, void* stream);

}  // namespace pycap::cuda
