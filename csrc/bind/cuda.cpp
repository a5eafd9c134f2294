// The module pycap._cuda: checks tensors, takes their views, releases the GIL, launches.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <climits>
#include <initializer_list>
#include <list>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "bind/dlpack.h"
#include "bind/shape.h"
#include "cuda/attend_lstm_step.h"
#include "cuda/device.h"

namespace py = pybind11;

namespace pycap {
namespace {

std::string shape_of(const dlpack::Tensor& tensor) {
  std::ostringstream text;
  for (int32_t axis = 0; axis < tensor.ndim; ++axis) text << (axis ? ", " : "(") << tensor.shape[axis];
  text << (tensor.ndim == 0 ? "()" : tensor.ndim == 1 ? ",)" : ")");
  return text.str();
}

// The tensors of one call: each is checked against the shape, dtype and device the call has settled on.
class Tensors {
 public:
  explicit Tensors(dlpack::DataType dtype, dlpack::Device device) : dtype_(dtype), device_(device) {}

  const dlpack::View& add(const char* name, py::handle object, std::initializer_list<Dim> shape) {
    return add(name, object, shape, dtype_);
  }

  const dlpack::View& add(const char* name, py::handle object, std::initializer_list<Dim> shape,
                          dlpack::DataType dtype) {
    views_.push_back({name, dlpack::View(object)});
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
    return view;
  }

  // Last, so that wrong shapes are told even where there is no GPU.
  void check_device() const {
    if (device_.type != dlpack::kCUDA) {
      const cuda::Devices devices = cuda::find_devices();
      if (devices.count == 0)
        throw std::runtime_error("attend_lstm_step: no CUDA device (" + devices.problem + ")");
      refuse("hidden", "be on a CUDA device", dlpack::name(device_));
    }
    for (const auto& [name, view] : views_) {
      const dlpack::Device other = view->device;
      if (other.type != device_.type || other.index != device_.index) {
        refuse(name, "be on " + dlpack::name(device_) + " like hidden", dlpack::name(other));
      }
    }
  }

 private:
  struct Named {
    const char* name;
    dlpack::View view;
  };

  [[noreturn]] static void refuse(const std::string& name, const std::string& wanted,
                                  const std::string& got) {
    throw std::invalid_argument("attend_lstm_step: " + name + " must " + wanted + ", got " + got);
  }

  dlpack::DataType dtype_;
  dlpack::Device device_;
  std::list<Named> views_;  // a list, so that references to views stay valid
};

cuda::DType storage_type(dlpack::DataType type) {
  if (type == dlpack::DataType{dlpack::kFloat, 32, 1}) return cuda::DType::kFloat32;
  if (type == dlpack::DataType{dlpack::kBFloat, 16, 1}) return cuda::DType::kBFloat16;
  if (type == dlpack::DataType{dlpack::kFloat, 16, 1}) return cuda::DType::kFloat16;
  throw std::invalid_argument("attend_lstm_step: hidden must be float32, bfloat16 or float16, got " +
                              dlpack::name(type) + "; the reference takes any dtype");
}

int dimension(const char* name, int64_t size, int64_t least, int64_t most) {
  if (size >= least && size <= most) return static_cast<int>(size);
  throw std::invalid_argument("attend_lstm_step: " + std::string(name) + " must be in " +
                              std::to_string(least) + ".." + std::to_string(most) + ", got " +
                              std::to_string(size));
}

void attend_lstm_step(py::handle inputs, py::handle features, py::handle keys, py::handle hidden,
                      py::handle cell, const py::tuple& weights, py::handle image_index,
                      const py::tuple& outputs, py::handle workspace, uintptr_t stream) {
  if (weights.size() != 6) throw std::invalid_argument("attend_lstm_step: weights must hold 6 tensors");
  if (outputs.size() != 4) throw std::invalid_argument("attend_lstm_step: outputs must hold 4 tensors");
  const dlpack::View state(hidden);
  const cuda::DType dtype = storage_type(state->dtype);
  Tensors tensors(state->dtype, state->device);
  cuda::AttendLSTMStep step{};

  const auto& hidden_view = tensors.add("hidden", hidden, {{"batch", -1}, {"hidden_dim", -1}});
  const int64_t batch = hidden_view->shape[0], hidden_dim = hidden_view->shape[1];
  const auto& features_view =
      tensors.add("features", features, {{"images", -1}, {"regions", -1}, {"feature_dim", -1}});
  const int64_t images = features_view->shape[0], regions = features_view->shape[1];
  const int64_t feature_dim = features_view->shape[2];
  const auto& keys_view =
      tensors.add("keys", keys, {{"images", images}, {"regions", regions}, {"attention_dim", -1}});
  const int64_t attention_dim = keys_view->shape[2];

  step.batch = dimension("batch", batch, 0, INT_MAX);
  step.images = dimension("images", images, 0, INT_MAX);
  step.regions = dimension("regions", regions, 1, cuda::kMaxRegions);
  step.feature_dim = dimension("feature_dim", feature_dim, 1, INT_MAX / 4);
  step.hidden_dim = dimension("hidden_dim", hidden_dim, 1, INT_MAX / 8);
  step.attention_dim = dimension("attention_dim", attention_dim, 1, INT_MAX / 8);
  const Dim rows{"batch", batch}, units{"hidden_dim", hidden_dim}, gates{"4 * hidden_dim", 4 * hidden_dim};

  step.hidden = hidden_view.data();
  step.features = features_view.data();
  step.keys = keys_view.data();
  step.inputs = tensors.add("inputs", inputs, {rows, gates}).data();
  step.cell = tensors.add("cell", cell, {rows, units}).data();
  step.query = tensors.add("weights.query", weights[0], {{"attention_dim", attention_dim}, units}).data();
  step.score = tensors.add("weights.score", weights[1], {{"attention_dim", attention_dim}}).data();
  step.gate = tensors.add("weights.gate", weights[2], {units}).data();
  step.gate_bias = tensors.add("weights.gate_bias", weights[3], {{"one", 1}}).data();
  step.context = tensors.add("weights.context", weights[4], {gates, {"feature_dim", feature_dim}}).data();
  step.recurrent = tensors.add("weights.recurrent", weights[5], {gates, units}).data();
  if (!image_index.is_none()) {
    const dlpack::DataType int64{dlpack::kInt, 64, 1};
    step.image_index =
        static_cast<const int64_t*>(tensors.add("image_index", image_index, {rows}, int64).data());
  } else if (images != batch) {
    throw std::invalid_argument(
        "attend_lstm_step: image_index must be given when images=" + std::to_string(images) +
        " is not batch=" + std::to_string(batch) + ", got None");
  }
  step.next_hidden = tensors.add("next hidden", outputs[0], {rows, units}).data();
  step.next_cell = tensors.add("next cell", outputs[1], {rows, units}).data();
  step.next_context = tensors.add("context", outputs[2], {rows, {"feature_dim", feature_dim}}).data();
  step.attention = tensors.add("attention", outputs[3], {rows, {"regions", regions}}).data();
  const Dim floats{"batch * (4 * hidden_dim + attention_dim)", batch * (4 * hidden_dim + attention_dim)};
  step.gates =
      static_cast<float*>(tensors.add("workspace", workspace, {floats}, {dlpack::kFloat, 32, 1}).data());
  step.queries = step.gates + batch * 4 * hidden_dim;
  tensors.check_device();

  const py::gil_scoped_release unlocked;
  cuda::attend_lstm_step(step, dtype, state->device.index, reinterpret_cast<void*>(stream));
}

std::vector<std::string> architectures() {
  std::istringstream list(PYCAP_CUDA_ARCHITECTURES);
  std::vector<std::string> names;
  for (std::string name; std::getline(list, name, ' ');) names.push_back(name);
  return names;
}

}  // namespace
}  // namespace pycap

PYBIND11_MODULE(_cuda, module) {
  module.doc() = "CUDA kernels of pycap; pycap.ops is the interface to use.";
  module.def(
      "device_count", [] { return pycap::cuda::find_devices().count; },
      "GPUs that can be used, 0 without any.");
  module.def(
      "device_problem", [] { return pycap::cuda::find_devices().problem; }, "Why there is no GPU, or ''.");
  module.def("architectures", &pycap::architectures,
             "Compute capabilities that the kernels were compiled for.");
  module.def(
      "attend_lstm_step", &pycap::attend_lstm_step, py::arg("inputs"), py::arg("features"), py::arg("keys"),
      py::arg("hidden"), py::arg("cell"), py::arg("weights"), py::arg("image_index").none(true),
      py::arg("outputs"), py::arg("workspace"), py::arg("stream"),
      "One decoder step on `stream`; outputs are (hidden, cell, context, attention), written in place.");
}
