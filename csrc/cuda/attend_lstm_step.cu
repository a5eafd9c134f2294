// Launches of one decoder step: picks the storage type and the width of its loads, checks every launch.
#include <cuda_runtime.h>

#include <sstream>
#include <stdexcept>

#include "attend_lstm_step.cuh"
#include "device.h"

namespace pycap::cuda {
namespace {

struct Launcher {
  const AttendLSTMStep& step;
  cudaStream_t stream;

  void operator()(void (*kernel)(AttendLSTMStep), const char* name, const Geometry& geometry) const {
    const dim3 grid(geometry.row_blocks, geometry.column_blocks);
    kernel<<<grid, geometry.threads, geometry.shared_bytes, stream>>>(step);
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return;
    std::ostringstream message;
    message << "attend_lstm_step: launching " << name << " failed: " << cudaGetErrorString(error)
            << " (batch=" << step.batch << ", images=" << step.images << ", regions=" << step.regions
            << ", feature_dim=" << step.feature_dim << ", hidden_dim=" << step.hidden_dim
            << ", attention_dim=" << step.attention_dim << ")";
    throw std::runtime_error(message.str());
  }
};

}  // namespace

void attend_lstm_step(const AttendLSTMStep& step, DType dtype, int device, void* stream) {
  if (step.batch == 0) return;
  const DeviceGuard guard(device);
  const Launcher launcher{step, static_cast<cudaStream_t>(stream)};
  switch (dtype) {
    case DType::kFloat32:
      return launch_widest<float>(step, launcher);
    case DType::kBFloat16:
      return launch_widest<__nv_bfloat16>(step, launcher);
    case DType::kFloat16:
      return launch_widest<__half>(step, launcher);
  }
}

}  // namespace pycap::cuda
