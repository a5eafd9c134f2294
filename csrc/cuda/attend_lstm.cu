#include "cuda/attend_lstm_backward.cuh"
#include "cuda/launcher.cuh"

namespace pycap::cuda {
namespace {

std::string shapes(const AttendLSTMCall& call) {
  std::ostringstream text;
  text << "batch=" << call.batch << ", time=" << call.time << ", images=" << call.images
       << ", regions=" << call.regions << ", feature_dim=" << call.feature_dim
       << ", hidden_dim=" << call.hidden_dim << ", attention_dim=" << call.attention_dim;
  return text.str();
}

}  // namespace

void attend_lstm_forward(const AttendLSTMCall& call, DType dtype, int device, void* stream) {
  if (call.batch == 0 || call.time == 0) return;
  const DeviceGuard guard(device);
  const Launcher launch("attend_lstm", shapes(call), stream);
  with_type(dtype, [&](auto type) { launch_forward<decltype(type)>(call, launch); });
}

void attend_lstm_backward(const AttendLSTMGradients& call, DType dtype, int device, void* stream) {
  if (call.batch == 0 || call.time == 0) return;
  const DeviceGuard guard(device);
  const Launcher launch("attend_lstm_backward", shapes(call), stream);
  with_type(dtype, [&](auto type) { launch_backward<decltype(type)>(call, launch); });
}

}  // namespace pycap::cuda
