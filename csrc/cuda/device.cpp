#include "device.h"

#include <cuda_runtime_api.h>

#include <stdexcept>

namespace pycap::cuda {
namespace {

void check(cudaError_t error, const char* call, int device) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + " failed for CUDA device " + std::to_string(device) + ": " +
                           cudaGetErrorString(error));
}

}  // namespace

Devices find_devices() {
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
    return {0, "no NVIDIA driver is installed"};
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return {count, ""};
  cudaGetLastError();  // the error is reported here, not by the next launch
  return {0, error == cudaSuccess ? "the driver lists no device" : cudaGetErrorString(error)};
}

Limits limits_of(int device) {
  auto value_of = [&](cudaDeviceAttr attribute) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute", device);
    return value;
  };
  return {value_of(cudaDevAttrMultiProcessorCount),
          static_cast<size_t>(value_of(cudaDevAttrMaxSharedMemoryPerBlockOptin)),
          value_of(cudaDevAttrCooperativeLaunch) != 0};
}

DeviceGuard::DeviceGuard(int device) : previous_(device), changed_(false) {
  check(cudaGetDevice(&previous_), "cudaGetDevice", device);
  if (previous_ != device) {
    check(cudaSetDevice(device), "cudaSetDevice", device);
    changed_ = true;
  }
}

DeviceGuard::~DeviceGuard() {
  if (changed_) cudaSetDevice(previous_);
}

}  // namespace pycap::cuda
