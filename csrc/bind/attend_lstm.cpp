#include "cpu/attend_lstm.h"

#include <pybind11/pybind11.h>

#include "bind/arrays.h"

namespace py = pybind11;

namespace pycap {
namespace {

AttendShape read_shape(const Arrays& arrays) {
  return {arrays.size("hiddens", 0),  arrays.size("hiddens", 1),  arrays.size("features", 0),
          arrays.size("features", 1), arrays.size("features", 2), arrays.size("hiddens", 2),
          arrays.size("keys", 2)};
}

// The shape as named dimensions, for checks and their messages.
struct Dims {
  explicit Dims(const AttendShape& s)
      : batch{"batch", signed_size(s.batch)},
        time{"time", signed_size(s.time)},
        images{"images", signed_size(s.images)},
        regions{"regions", signed_size(s.regions)},
        feature_dim{"feature_dim", signed_size(s.feature_dim)},
        hidden_dim{"hidden_dim", signed_size(s.hidden_dim)},
        attention_dim{"attention_dim", signed_size(s.attention_dim)},
        gates{"4 * hidden_dim", signed_size(s.gates())} {}
  static py::ssize_t signed_size(size_t size) { return static_cast<py::ssize_t>(size); }
  Dim batch, time, images, regions, feature_dim, hidden_dim, attention_dim, gates;
};

template <class T>
AttendForward<T> read_shared(const Arrays& arrays) {  // all but the inputs, which backward does not need
  AttendForward<T> op{};
  op.shape = read_shape(arrays);
  const Dims d(op.shape);
  op.features = arrays.read<T>("features", {d.images, d.regions, d.feature_dim});
  op.keys = arrays.read<T>("keys", {d.images, d.regions, d.attention_dim});
  op.hidden = arrays.read<T>("hidden", {d.batch, d.hidden_dim});
  op.cell = arrays.read<T>("cell", {d.batch, d.hidden_dim});
  op.query = arrays.read<T>("query", {d.attention_dim, d.hidden_dim});
  op.score = arrays.read<T>("score", {d.attention_dim});
  op.gate = arrays.read<T>("gate", {d.hidden_dim});
  op.gate_bias = arrays.read<T>("gate_bias", {{"1", 1}});
  op.context = arrays.read<T>("context", {d.gates, d.feature_dim});
  op.recurrent = arrays.read<T>("recurrent", {d.gates, d.hidden_dim});
  op.lengths = arrays.read<int64_t>("lengths", {d.batch});
  op.image_index = arrays.read<int64_t>("image_index", {d.batch});
  op.hiddens = arrays.write<T>("hiddens", {d.batch, d.time, d.hidden_dim});
  op.contexts = arrays.write<T>("contexts", {d.batch, d.time, d.feature_dim});
  op.attention = arrays.write<T>("attention", {d.batch, d.time, d.regions});
  op.gates = arrays.write<T>("gates", {d.batch, d.time, d.gates});
  op.cells = arrays.write<T>("cells", {d.batch, d.time, d.hidden_dim});
  op.queries = arrays.write<T>("queries", {d.batch, d.time, d.attention_dim});
  op.betas = arrays.write<T>("betas", {d.batch, d.time});
  return op;
}

template <class T>
void forward(const Arrays& arrays) {
  AttendForward<T> op = read_shared<T>(arrays);
  const Dims d(op.shape);
  op.inputs = arrays.read<T>("inputs", {d.batch, d.time, d.gates});
  py::gil_scoped_release unlocked;
  attend_lstm_forward(op);
}

template <class T>
void backward(const Arrays& arrays) {
  AttendBackward<T> op{};
  op.forward = read_shared<T>(arrays);
  const Dims d(op.forward.shape);
  op.grad_hiddens = arrays.read<T>("grad_hiddens", {d.batch, d.time, d.hidden_dim});
  op.grad_contexts = arrays.read<T>("grad_contexts", {d.batch, d.time, d.feature_dim});
  op.grad_attention = arrays.read<T>("grad_attention", {d.batch, d.time, d.regions});
  op.d_gates = arrays.write<T>("d_gates", {d.batch, d.time, d.gates});
  op.d_queries = arrays.write<T>("d_queries", {d.batch, d.time, d.attention_dim});
  op.d_betas = arrays.write<T>("d_betas", {d.batch, d.time});
  op.d_features = arrays.write<T>("d_features", {d.images, d.regions, d.feature_dim});
  op.d_keys = arrays.write<T>("d_keys", {d.images, d.regions, d.attention_dim});
  op.d_scores = arrays.write<T>("d_scores", {d.images, d.attention_dim});
  op.d_hidden = arrays.write<T>("d_hidden", {d.batch, d.hidden_dim});
  op.d_cell = arrays.write<T>("d_cell", {d.batch, d.hidden_dim});
  op.d_query = arrays.write<T>("d_query", {d.attention_dim, d.hidden_dim});
  op.d_gate = arrays.write<T>("d_gate", {d.hidden_dim});
  op.d_context = arrays.write<T>("d_context", {d.gates, d.feature_dim});
  op.d_recurrent = arrays.write<T>("d_recurrent", {d.gates, d.hidden_dim});
  py::gil_scoped_release unlocked;
  attend_lstm_backward(op);
}

template <void run_float(const Arrays&), void run_double(const Arrays&)>
void dispatch(py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  if (arrays.get("features").dtype().equal(py::dtype::of<double>())) return run_double(arrays);
  run_float(arrays);
}

}  // namespace

void bind_attend_lstm(py::module_& module) {
  module.def("attend_lstm_forward", &dispatch<forward<float>, forward<double>>,
             "Fill hiddens, contexts, attention and what backward needs; arguments as in cpu/attend_lstm.h.");
  module.def("attend_lstm_backward", &dispatch<backward<float>, backward<double>>,
             "Fill the gradients d_*; arguments as in cpu/attend_lstm.h.");
}

}  // namespace pycap
