// The tensors of one call by name: each is checked against the shape, dtype and device the call has settled
// on.
#pragma once

#include <pybind11/pybind11.h>

#include <initializer_list>
#include <list>
#include <sstream>
#include <stdexcept>
#include <string>

#include "bind/dlpack.h"
#include "bind/shape.h"
#include "cuda/device.h"
#include "cuda/dtype.h"

namespace pycap {

constexpr dlpack::DataType kFloat32{dlpack::kFloat, 32, 1}, kInt64{dlpack::kInt, 64, 1},
    kInt32{dlpack::kInt, 32, 1}, kUInt8{dlpack::kUInt, 8, 1};

// Where the kernels run: the emulation that the tests compile is at home on the CPU.
#ifdef PYCAP_EMULATED
constexpr int32_t kHome = dlpack::kCPU;
#else
constexpr int32_t kHome = dlpack::kCUDA;
#endif

class Tensors {
 public:
  // `lead` names the tensor whose dtype and device all others must have.
  Tensors(const char* operation, const pybind11::dict& given, const char* lead)
      : operation_(operation), given_(given), lead_(lead), first_(find(lead)) {}

  cuda::DType dtype() const {
    if (first_->dtype == kFloat32) return cuda::DType::kFloat32;
    if (first_->dtype == dlpack::DataType{dlpack::kBFloat, 16, 1}) return cuda::DType::kBFloat16;
    if (first_->dtype == dlpack::DataType{dlpack::kFloat, 16, 1}) return cuda::DType::kFloat16;
    refuse(lead_, "be float32, bfloat16 or float16",
           dlpack::name(first_->dtype) + "; the reference takes any dtype");
  }

  int device() const { return first_->device.index; }

  // The tensor's memory, once its shape is right; sizes below 0 fit any.
  void* at(const char* name, std::initializer_list<Dim> shape) { return at(name, shape, first_->dtype); }

  template <class T>
  T* at(const char* name, std::initializer_list<Dim> shape, dlpack::DataType dtype) {
    return static_cast<T*>(at(name, shape, dtype));
  }

  // The same, or null where None was given.
  template <class T>
  T* maybe(const char* name, std::initializer_list<Dim> shape, dlpack::DataType dtype) {
    return given_[name].is_none() ? nullptr : at<T>(name, shape, dtype);
  }

  // One axis of a tensor of `axes` axes, from `least` to `most`.
  int size(const char* name, int axes, int axis, const char* dimension, int64_t most, int64_t least = 1) {
    const dlpack::View view = find(name);
    if (view->ndim != axes) refuse(name, "have " + std::to_string(axes) + " axes", shape_of(*view));
    return in_range(dimension, view->shape[axis], least, most);
  }

  int in_range(const char* name, int64_t value, int64_t least, int64_t most) const {
    if (value >= least && value <= most) return static_cast<int>(value);
    refuse(name, "be in " + std::to_string(least) + ".." + std::to_string(most), std::to_string(value));
  }

  // Whether every tensor of the leading dtype seen so far starts on a 16-byte boundary.
  bool aligned() const { return aligned_; }

  // Last, so that wrong shapes are told even where there is no GPU.
  void check_device() const {
    if (first_->device.type != kHome) {
      const cuda::Devices devices = cuda::find_devices();
      if (devices.count == 0)
        throw std::runtime_error(std::string(operation_) + ": no CUDA device (" + devices.problem + ")");
      refuse(lead_, "be on a CUDA device", dlpack::name(first_->device));
    }
    for (const auto& [name, view] : views_) {
      const dlpack::Device other = view->device;
      if (other.type != first_->device.type || other.index != first_->device.index) {
        refuse(name, "be on " + dlpack::name(first_->device) + " like " + lead_, dlpack::name(other));
      }
    }
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted, const std::string& got) const {
    throw std::invalid_argument(std::string(operation_) + ": " + name + " must " + wanted + ", got " + got);
  }

 private:
  struct Named {
    std::string name;
    dlpack::View view;
  };

  dlpack::View find(const char* name) const {
    if (!given_.contains(name))
      throw std::invalid_argument(std::string(operation_) + ": " + name + " is missing");
    return dlpack::View(given_[name]);
  }

  void* at(const char* name, std::initializer_list<Dim> shape, dlpack::DataType dtype) {
    views_.push_back({name, find(name)});
    const dlpack::View& view = views_.back().view;
    bool fits = view->ndim == static_cast<int32_t>(shape.size());
    int32_t axis = 0;
    for (const Dim& dim : shape) {
      fits = fits && (dim.size < 0 || view->shape[axis] == dim.size);
      ++axis;
    }
    if (!fits) refuse(name, "be " + describe(shape), shape_of(*view));
    if (!(view->dtype == dtype)) refuse(name, "be " + dlpack::name(dtype), dlpack::name(view->dtype));
    if (!view.contiguous())
      refuse(name, "be contiguous", "other strides; pass " + std::string(name) + ".contiguous()");
    aligned_ = aligned_ && (!(dtype == first_->dtype) || reinterpret_cast<uintptr_t>(view.data()) % 16 == 0);
    return view.data();
  }

  static std::string shape_of(const dlpack::Tensor& tensor) {
    std::ostringstream text;
    for (int32_t axis = 0; axis < tensor.ndim; ++axis) text << (axis ? ", " : "(") << tensor.shape[axis];
    text << (tensor.ndim == 0 ? "()" : tensor.ndim == 1 ? ",)" : ")");
    return text.str();
  }

  const char* operation_;
  pybind11::dict given_;
  const char* lead_;
  dlpack::View first_;
  std::list<Named> views_;  // keep what was borrowed alive
  bool aligned_ = true;
};

}  // namespace pycap
