// Tensors of another library seen without a copy, through the DLPack protocol
// (https://dmlc.github.io/dlpack). The structs are the binary layout that DLPack 1.x fixes; only what a
// borrowing reader needs is named.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

namespace pycap::dlpack {

enum DeviceType : int32_t { kCPU = 1, kCUDA = 2 };
enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBFloat = 4 };

struct Device {
  int32_t type;
  int32_t index;
};

struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
  bool operator==(const DataType& other) const {
    return code == other.code && bits == other.bits && lanes == other.lanes;
  }
};

struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null means contiguous in older versions
  uint64_t byte_offset;
};

// What a capsule named "dltensor" points to.
struct ManagedTensor {
  Tensor tensor;
  void* manager;
  void (*deleter)(ManagedTensor*);
};

// What a capsule named "dlpack_exchange_api" on the tensor's type points to, since DLPack 1.2 (torch 2.9).
struct Exchange {
  uint32_t major, minor;
  Exchange* previous;
  void* allocate;
  void* to_managed;
  void* from_managed;
  int (*borrow)(void* object, Tensor* tensor);  // 0, or -1 with a Python error set; may be null
  int (*current_stream)(int32_t device_type, int32_t device_index, void** stream);
};

// A tensor borrowed from `object`, valid while the view and the object live. No stream is synchronised.
class View {
 public:
  explicit View(pybind11::handle object) {
    if (borrow_fast(object)) return;
    capsule_ = object.attr("__dlpack__")(pybind11::arg("stream") = -1);
    auto* managed = static_cast<ManagedTensor*>(PyCapsule_GetPointer(capsule_.ptr(), "dltensor"));
    if (managed == nullptr) throw pybind11::error_already_set();
    tensor_ = managed->tensor;  // the capsule, not consumed, gives the memory back when the view goes
  }

  const Tensor& operator*() const { return tensor_; }
  const Tensor* operator->() const { return &tensor_; }

  void* data() const { return static_cast<char*>(tensor_.data) + tensor_.byte_offset; }

  bool contiguous() const {
    if (tensor_.strides == nullptr) return true;
    int64_t expected = 1;
    for (int32_t axis = tensor_.ndim; axis-- > 0;) {
      if (tensor_.shape[axis] == 0) return true;
      if (tensor_.shape[axis] != 1 && tensor_.strides[axis] != expected) return false;
      expected *= tensor_.shape[axis];
    }
    return true;
  }

 private:
  // Tens of nanoseconds a tensor, against a microsecond for a call of `__dlpack__`.
  bool borrow_fast(pybind11::handle object) {
    static PyObject* const name = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
    PyObject* found = PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())), name);
    const auto capsule = pybind11::reinterpret_steal<pybind11::object>(found);
    if (!capsule || !PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api")) {
      PyErr_Clear();
      return false;
    }
    const auto* exchange = static_cast<Exchange*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (exchange->major != 1 || exchange->borrow == nullptr) return false;
    if (exchange->borrow(object.ptr(), &tensor_) != 0) throw pybind11::error_already_set();
    return true;
  }

  Tensor tensor_{};
  pybind11::object capsule_;
};

inline std::string name(DataType type) {
  const std::string bits = std::to_string(type.bits);
  switch (type.code) {
    case kInt:
      return "int" + bits;
    case kUInt:
      return "uint" + bits;
    case kFloat:
      return "float" + bits;
    case kBFloat:
      return "bfloat" + bits;
    default:
      return "type code " + std::to_string(type.code) + " of " + bits + " bits";
  }
}

inline std::string name(Device device) {
  if (device.type == kCPU) return "cpu";
  return (device.type == kCUDA ? "cuda:" : "device type " + std::to_string(device.type) + ":") +
         std::to_string(device.index);
}

}  // namespace pycap::dlpack
