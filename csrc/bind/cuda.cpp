// The module pycap._cuda: checks tensors, takes their views, releases the GIL, launches.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <climits>
#include <string>
#include <vector>

#include "bind/tensors.h"
#include "cuda/attend_lstm.h"
#include "cuda/beam_search.h"
#ifdef PYCAP_EMULATED
#include "tests/cuda_emulation.h"
#endif

namespace py = pybind11;

namespace pycap {
namespace {

constexpr int kMaxBatch = INT_MAX / 2, kMaxDim = INT_MAX / 8;

bool multiples_of_16_bytes(cuda::DType dtype, std::initializer_list<int> dims) {
  for (const int dim : dims)
    if (dim * cuda::bytes_of(dtype) % 16 != 0) return false;
  return true;
}

// What forward and backward share: sizes, arguments, and the values that forward leaves.
cuda::AttendLSTMCall attend_lstm_call(Tensors& tensors) {
  cuda::AttendLSTMCall call{};
  call.batch = tensors.size("hidden", 2, 0, "batch", kMaxBatch, 0);
  call.hidden_dim = tensors.size("hidden", 2, 1, "hidden_dim", kMaxDim);
  call.time = tensors.size("inputs", 3, 1, "time", kMaxDim, 0);
  call.images = tensors.size("features", 3, 0, "images", kMaxBatch, 0);
  call.regions = tensors.size("features", 3, 1, "regions", cuda::kMaxRegions);
  call.feature_dim = tensors.size("features", 3, 2, "feature_dim", kMaxDim);
  call.attention_dim = tensors.size("keys", 3, 2, "attention_dim", cuda::kMaxAttention);
  const Dim batch{"batch", call.batch}, time{"time", call.time}, images{"images", call.images};
  const Dim regions{"regions", call.regions}, features{"feature_dim", call.feature_dim};
  const Dim units{"hidden_dim", call.hidden_dim}, gates{"4 * hidden_dim", 4 * call.hidden_dim};
  const Dim attention{"attention_dim", call.attention_dim};

  call.inputs = tensors.at("inputs", {batch, time, gates});
  call.features = tensors.at("features", {images, regions, features});
  call.keys = tensors.at("keys", {images, regions, attention});
  call.hidden = tensors.at("hidden", {batch, units});
  call.cell = tensors.at("cell", {batch, units});
  call.lengths = tensors.maybe<const int64_t>("lengths", {batch}, kInt64);
  call.image_index = tensors.maybe<const int64_t>("image_index", {batch}, kInt64);
  if (call.image_index == nullptr && call.images != call.batch) {
    tensors.refuse(
        "image_index",
        "be given when images=" + std::to_string(call.images) + " is not batch=" + std::to_string(call.batch),
        "None");
  }
  call.query = tensors.at("query", {attention, units});
  call.score = tensors.at("score", {attention});
  call.gate = tensors.at("gate", {units});
  call.gate_bias = tensors.at("gate_bias", {{"one", 1}});
  call.context = tensors.at("context", {gates, features});
  call.recurrent = tensors.at("recurrent", {gates, units});

  call.hiddens = tensors.at("hiddens", {batch, time, units});
  call.contexts = tensors.at("contexts", {batch, time, features});
  call.attention = tensors.at("attention", {batch, time, regions});
  call.gates = tensors.at("gates", {batch, time, gates});
  call.cells = tensors.at<float>("cells", {batch, time, units}, kFloat32);
  call.queries = tensors.at<float>("queries", {batch, time, attention}, kFloat32);
  call.betas = tensors.at<float>("betas", {batch, time}, kFloat32);
  return call;
}

bool loads_are_wide(const Tensors& tensors, const cuda::AttendLSTMCall& call) {
  return tensors.aligned() &&
         multiples_of_16_bytes(tensors.dtype(), {call.feature_dim, call.hidden_dim, call.attention_dim});
}

void attend_lstm_forward(const py::dict& given, uintptr_t stream) {
  Tensors tensors("attend_lstm", given, "hidden");
  const cuda::DType dtype = tensors.dtype();
  cuda::AttendLSTMCall call = attend_lstm_call(tensors);
  call.wide = loads_are_wide(tensors, call);
  tensors.check_device();
  const py::gil_scoped_release unlocked;
  cuda::attend_lstm_forward(call, dtype, tensors.device(), reinterpret_cast<void*>(stream));
}

void attend_lstm_backward(const py::dict& given, uintptr_t stream) {
  Tensors tensors("attend_lstm_backward", given, "hidden");
  const cuda::DType dtype = tensors.dtype();
  cuda::AttendLSTMGradients call{};
  static_cast<cuda::AttendLSTMCall&>(call) = attend_lstm_call(tensors);
  const Dim batch{"batch", call.batch}, time{"time", call.time}, images{"images", call.images};
  const Dim regions{"regions", call.regions}, features{"feature_dim", call.feature_dim};
  const Dim units{"hidden_dim", call.hidden_dim}, gates{"4 * hidden_dim", 4 * call.hidden_dim};
  const Dim attention{"attention_dim", call.attention_dim};
  const Dim chunks{"ceil(regions / 8)", (call.regions + cuda::kRegionsAtOnce - 1) / cuda::kRegionsAtOnce};

  call.grad_hiddens = tensors.at("grad_hiddens", {batch, time, units});
  call.grad_contexts = tensors.at("grad_contexts", {batch, time, features});
  call.grad_attention = tensors.at("grad_attention", {batch, time, regions});
  call.query_columns = tensors.at("query_columns", {units, attention});
  call.context_columns = tensors.at("context_columns", {features, gates});
  call.recurrent_columns = tensors.at("recurrent_columns", {units, gates});
  call.first_rows = tensors.at<const int64_t>("first_rows", {{"images + 1", call.images + 1}}, kInt64);
  call.d_gates = tensors.at("d_gates", {batch, time, gates});
  call.d_queries = tensors.at("d_queries", {batch, time, attention});
  call.d_betas = tensors.at<float>("d_betas", {batch, time}, kFloat32);
  call.d_features = tensors.at("d_features", {images, regions, features});
  call.d_keys = tensors.at("d_keys", {images, regions, attention});
  call.d_scores = tensors.at<float>("d_scores", {images, chunks, attention}, kFloat32);
  call.d_hidden = tensors.at<float>("d_hidden", {batch, units}, kFloat32);
  call.d_cell = tensors.at<float>("d_cell", {batch, units}, kFloat32);
  call.d_contexts = tensors.at<float>("d_contexts", {batch, time, features}, kFloat32);
  call.d_energies = tensors.at<float>("d_energies", {batch, time, regions}, kFloat32);
  call.wide = loads_are_wide(tensors, call);
  tensors.check_device();
  const py::gil_scoped_release unlocked;
  cuda::attend_lstm_backward(call, dtype, tensors.device(), reinterpret_cast<void*>(stream));
}

struct BeamSettings {
  int64_t beam, max_length, n_best, start, end, pad;
  bool persistent;
};

// Sizes and weights of a search; the workspace and the outputs are not asked for yet.
cuda::BeamSearchCall beam_search_call(Tensors& tensors, const BeamSettings& settings) {
  cuda::BeamSearchCall call{};
  call.images = tensors.size("features", 3, 0, "images", kMaxBatch, 0);
  call.regions = tensors.size("features", 3, 1, "regions", cuda::kMaxRegions);
  call.feature_dim = tensors.size("features", 3, 2, "feature_dim", kMaxDim);
  call.vocab_size = tensors.size("embedding", 2, 0, "vocab_size", int64_t{cuda::kMaxLists} * 128, 2);
  call.embed_dim = tensors.size("embedding", 2, 1, "embed_dim", kMaxDim);
  call.attention_dim = tensors.size("query", 2, 0, "attention_dim", cuda::kMaxAttention);
  call.hidden_dim = tensors.size("query", 2, 1, "hidden_dim", kMaxDim);
  call.beam = tensors.in_range("beam", settings.beam, 1, cuda::kMaxBeam);
  call.max_length = tensors.in_range("max_length", settings.max_length, 1, cuda::kMaxLength);
  call.n_best = tensors.in_range("n_best", settings.n_best, 1, call.beam);
  call.start = tensors.in_range("start", settings.start, 0, call.vocab_size - 1);
  call.end = tensors.in_range("end", settings.end, 0, call.vocab_size - 1);
  call.pad = static_cast<int>(settings.pad);
  call.persistent = settings.persistent;
  if (int64_t{call.images} * call.regions > INT_MAX / 2)
    tensors.refuse("images * regions", "be below 2**30", std::to_string(int64_t{call.images} * call.regions));
  if (int64_t{call.images} * call.beam > INT_MAX / 2)
    tensors.refuse("images * beam", "be below 2**30", std::to_string(int64_t{call.images} * call.beam));
  const Dim features{"feature_dim", call.feature_dim}, units{"hidden_dim", call.hidden_dim};
  const Dim gates{"4 * hidden_dim", 4 * call.hidden_dim}, attention{"attention_dim", call.attention_dim};
  const Dim embed{"embed_dim", call.embed_dim}, vocab{"vocab_size", call.vocab_size};
  const Dim twice{"2 * hidden_dim", 2 * call.hidden_dim};

  call.features = tensors.at("features", {{"images", call.images}, {"regions", call.regions}, features});
  call.embedding = tensors.at("embedding", {vocab, embed});
  call.word_gates = tensors.at("word_gates", {vocab, gates});
  call.key = tensors.at("key", {attention, features});
  call.key_bias = tensors.at("key_bias", {attention});
  call.query = tensors.at("query", {attention, units});
  call.score = tensors.at("score", {attention});
  call.gate = tensors.at("gate", {units});
  call.gate_bias = tensors.at("gate_bias", {{"one", 1}});
  call.context = tensors.at("context", {gates, features});
  call.recurrent = tensors.at("recurrent", {gates, units});
  call.initial = tensors.at("initial", {twice, features});
  call.initial_bias = tensors.at("initial_bias", {twice});
  call.output_hidden = tensors.at("output_hidden", {embed, units});
  call.output_context = tensors.at("output_context", {embed, features});
  call.output_bias = tensors.at("output_bias", {embed});
  call.output = tensors.at("output", {vocab, embed});
  call.output_vocab_bias = tensors.at("output_vocab_bias", {vocab});
  call.norms = tensors.at<const float>("norms", {{"max_length + 1", call.max_length + 1}}, kFloat32);
  call.barred = tensors.at<const uint8_t>("barred", {vocab}, kUInt8);
  call.wide = tensors.aligned() &&
              multiples_of_16_bytes(tensors.dtype(),
                                    {call.feature_dim, call.hidden_dim, call.attention_dim, call.embed_dim});
  return call;
}

// Bytes of workspace, and whether one kernel does all steps.
std::pair<size_t, bool> beam_search_plan(const py::dict& given, const BeamSettings& settings) {
  Tensors tensors("beam_search", given, "features");
  const cuda::DType dtype = tensors.dtype();
  cuda::BeamSearchCall call = beam_search_call(tensors, settings);
  tensors.check_device();
  const size_t bytes = cuda::lay_out(call, nullptr, dtype, tensors.device());
  return {bytes, call.blocks > 0};
}

void beam_search(const py::dict& given, const BeamSettings& settings, uintptr_t stream) {
  Tensors tensors("beam_search", given, "features");
  const cuda::DType dtype = tensors.dtype();
  cuda::BeamSearchCall call = beam_search_call(tensors, settings);
  const Dim images{"images", call.images}, n_best{"n_best", call.n_best},
      words{"max_length", call.max_length};
  call.tokens = tensors.at<int64_t>("tokens", {images, n_best, words}, kInt64);
  call.lengths = tensors.at<int64_t>("lengths", {images, n_best}, kInt64);
  call.scores = tensors.at<float>("scores", {images, n_best}, kFloat32);
  call.log_probs = tensors.at<float>("log_probs", {images, n_best}, kFloat32);
  call.attention =
      tensors.at<float>("attention", {images, n_best, words, {"regions", call.regions}}, kFloat32);
  call.not_finite = tensors.at<int32_t>("not_finite", {{"one", 1}}, kInt32);
  tensors.check_device();
  const auto bytes = static_cast<int64_t>(cuda::lay_out(call, nullptr, dtype, tensors.device()));
  cuda::lay_out(call, tensors.at<void>("workspace", {{"bytes", bytes}}, kUInt8), dtype, tensors.device());
  const py::gil_scoped_release unlocked;
  cuda::beam_search(call, dtype, tensors.device(), reinterpret_cast<void*>(stream));
}

void wait_at_barriers(const py::dict& given, int64_t rounds, uintptr_t stream) {
  Tensors tensors("wait_at_barriers", given, "arrived");
  auto* arrived = tensors.at<uint32_t>("arrived", {{"one", 1}}, kInt32);
  const int count = tensors.in_range("rounds", rounds, 1, 1 << 24);
  tensors.check_device();
  const py::gil_scoped_release unlocked;
  cuda::wait_at_barriers(arrived, count, tensors.device(), reinterpret_cast<void*>(stream));
}

std::vector<std::string> architectures() {
  std::istringstream list(PYCAP_CUDA_ARCHITECTURES);
  std::vector<std::string> names;
  for (std::string name; std::getline(list, name, ' ');) names.push_back(name);
  return names;
}

}  // namespace
}  // namespace pycap

PYBIND11_MODULE(PYCAP_MODULE, module) {
  using pycap::BeamSettings;
  module.doc() = "CUDA kernels of pycap; pycap.ops is the interface to use.";
  module.def(
      "device_count", [] { return pycap::cuda::find_devices().count; },
      "GPUs that can be used, 0 without any.");
  module.def(
      "device_problem", [] { return pycap::cuda::find_devices().problem; }, "Why there is no GPU, or ''.");
  module.def("architectures", &pycap::architectures,
             "Compute capabilities that the kernels were compiled for.");
  module.def("attend_lstm_forward", &pycap::attend_lstm_forward, py::arg("tensors"), py::arg("stream"),
             "All steps of sequences on `stream`; results are written in place.");
  module.def("attend_lstm_backward", &pycap::attend_lstm_backward, py::arg("tensors"), py::arg("stream"),
             "The gradients that flow through time, on `stream`; results are written in place.");
#ifdef PYCAP_EMULATED
  module.def(
      "set_order",
      [](int order) { pycap::emulation::chosen_order() = static_cast<pycap::emulation::Order>(order); },
      "The order in which threads run: 0 forward, 1 backward, 2 shuffled.");
#endif
  py::class_<BeamSettings>(module, "BeamSettings")
      .def(py::init([](int64_t beam, int64_t max_length, int64_t n_best, int64_t start, int64_t end,
                       int64_t pad, bool persistent) {
             return BeamSettings{beam, max_length, n_best, start, end, pad, persistent};
           }),
           py::kw_only(), py::arg("beam"), py::arg("max_length"), py::arg("n_best"), py::arg("start"),
           py::arg("end"), py::arg("pad"), py::arg("persistent") = true);
  module.def("beam_search_plan", &pycap::beam_search_plan, py::arg("tensors"), py::arg("settings"),
             "Bytes of working memory that a search with these settings needs, and whether one kernel does "
             "all steps.");
  module.def("wait_at_barriers", &pycap::wait_at_barriers, py::arg("tensors"), py::arg("rounds"),
             py::arg("stream"),
             "One kernel on `stream` that waits at grid barriers: what a phase of the persistent search "
             "costs at least.");
  module.def("beam_search", &pycap::beam_search, py::arg("tensors"), py::arg("settings"), py::arg("stream"),
             "A whole beam search on `stream`; results are written in place.");
}
