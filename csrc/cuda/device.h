// The GPUs this process sees, asked without ever failing on a machine that has none.
#pragma once

#include <cstddef>
#include <string>

namespace pycap::cuda {

struct Devices {
  int count;            // 0 without a GPU or without a usable driver
  std::string problem;  // why there are none, empty otherwise
};

Devices find_devices();

// What a kernel that stays on the GPU may take.
struct Limits {
  int processors;       // multiprocessors
  size_t shared_bytes;  // of one block, when it asks
  bool cooperative;     // whether blocks can be started together, to wait for each other
};

// Throws std::runtime_error when there is no such device.
Limits limits_of(int device);

// Makes `device` current for the guard's life. Throws std::runtime_error when there is no such device.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_;
  bool changed_;
};

}  // namespace pycap::cuda
