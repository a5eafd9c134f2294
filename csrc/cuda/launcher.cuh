// Starts kernels on a stream and checks every launch; compiled without nvcc, runs them in the emulation.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "cuda/common.cuh"
#include "cuda/device.h"
#include "cuda/dtype.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif

namespace pycap::cuda {

// Calls run(value of the storage type).
template <class Run>
auto with_type(DType dtype, Run&& run) {
  if (dtype == DType::kBFloat16) return run(__nv_bfloat16{});
  if (dtype == DType::kFloat16) return run(__half{});
  return run(float{});
}

class Launcher {
 public:
  Launcher(const char* operation, std::string shapes, void* stream)
      : operation_(operation), shapes_(std::move(shapes)), stream_(stream) {}

#ifdef __CUDACC__
  template <class... Parameters, class... Arguments>
  void operator()(const Geometry& geometry, const char* name, void (*kernel)(Parameters...),
                  const Arguments&... arguments) const {
    allow_shared(kernel, geometry, name);
    const dim3 grid(geometry.grid_x, geometry.grid_y);
    kernel<<<grid, kThreads, geometry.shared_bytes, static_cast<cudaStream_t>(stream_)>>>(arguments...);
    check(cudaGetLastError(), name);
  }

  // Starts blocks that wait for each other: all at once or not at all.
  template <class... Parameters, class... Arguments>
  void together(const Geometry& geometry, const char* name, void (*kernel)(Parameters...),
                const Arguments&... arguments) const {
    allow_shared(kernel, geometry, name);
    void* parameters[] = {const_cast<Arguments*>(&arguments)...};
    const dim3 grid(geometry.grid_x, geometry.grid_y);
    check(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), grid, dim3(kThreads), parameters,
                                      geometry.shared_bytes, static_cast<cudaStream_t>(stream_)),
          name);
  }

 private:
  void check(cudaError_t error, const char* name) const {
    if (error == cudaSuccess) return;
    throw std::runtime_error(std::string(operation_) + ": launching " + name +
                             " failed: " + cudaGetErrorString(error) + " (" + shapes_ + ")");
  }

  template <class Kernel>
  void allow_shared(Kernel kernel, const Geometry& geometry, const char* name) const {
    if (geometry.shared_bytes <= kSharedWithoutAsking) return;
    const auto bytes = static_cast<int>(geometry.shared_bytes);
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), name);
  }
#else
  template <class Kernel, class... Arguments>
  void operator()(const Geometry& geometry, const char*, Kernel kernel, const Arguments&... arguments) const {
    emulation::launch({geometry.grid_x, geometry.grid_y, kThreads, geometry.shared_bytes},
                      emulation::chosen_order(), [&] { kernel(arguments...); });
  }

  template <class Kernel, class... Arguments>
  void together(const Geometry& geometry, const char*, Kernel kernel, const Arguments&... arguments) const {
    emulation::launch({geometry.grid_x, geometry.grid_y, kThreads, geometry.shared_bytes, true},
                      emulation::chosen_order(), [&] { kernel(arguments...); });
  }

 private:
#endif
  const char* operation_;
  std::string shapes_;
  void* stream_;
};

}  // namespace pycap::cuda
