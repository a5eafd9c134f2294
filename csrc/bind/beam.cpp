#include <pybind11/pybind11.h>

#include <string>

#include "bind/arrays.h"
#include "cpu/beam_search.h"
#include "cpu/decoder.h"
#include "cpu/isa.h"
#include "cpu/sample.h"
#include "cpu/sample_kernel.h"

namespace py = pybind11;

namespace pycap {
namespace {

Dim dimension(const char* name, size_t size) { return {name, static_cast<py::ssize_t>(size)}; }

Decoder pack_decoder(const std::string& precision, py::kwargs keywords) {
  if (precision != "float32" && precision != "int8")
    throw py::value_error("precision must be float32 or int8, got " + precision);
  const Arrays arrays(std::move(keywords));
  const DecoderSizes sizes{arrays.size("embedding", 0), arrays.size("embedding", 1), arrays.size("gate", 0),
                           arrays.size("score", 0), arrays.size("key", 1)};
  const Dim vocab = dimension("vocab_size", sizes.vocab_size);
  const Dim embed = dimension("embed_dim", sizes.embed_dim);
  const Dim hidden = dimension("hidden_dim", sizes.hidden_dim);
  const Dim gates = dimension("4 * hidden_dim", 4 * sizes.hidden_dim);
  const Dim attention = dimension("attention_dim", sizes.attention_dim);
  const Dim feature = dimension("feature_dim", sizes.feature_dim);
  auto read = [&](const char* name, std::initializer_list<Dim> shape) {
    return arrays.read<float>(name, shape);
  };
  DecoderArrays weights{};
  weights.embedding = read("embedding", {vocab, embed});
  weights.input = read("input", {gates, embed});
  weights.input_bias = read("input_bias", {gates});
  weights.key = read("key", {attention, feature});
  weights.key_bias = read("key_bias", {attention});
  weights.query = read("query", {attention, hidden});
  weights.score = read("score", {attention});
  weights.gate = read("gate", {hidden});
  weights.gate_bias = read("gate_bias", {{"1", 1}});
  weights.context = read("context", {gates, feature});
  weights.recurrent = read("recurrent", {gates, hidden});
  weights.initial_hidden = read("initial_hidden", {hidden, feature});
  weights.initial_hidden_bias = read("initial_hidden_bias", {hidden});
  weights.initial_cell = read("initial_cell", {hidden, feature});
  weights.initial_cell_bias = read("initial_cell_bias", {hidden});
  weights.output_hidden = read("output_hidden", {embed, hidden});
  weights.output_context = read("output_context", {embed, feature});
  weights.output_bias = read("output_bias", {embed});
  weights.output = read("output", {vocab, embed});
  weights.output_vocab_bias = read("output_vocab_bias", {vocab});
  py::gil_scoped_release unlocked;
  return Decoder(sizes, weights, precision == "int8" ? Precision::int8 : Precision::float32);
}

// What every call is about, shapes checked. Checks here are a last line of defence: pycap/ops says what is
// wrong and what to do.
RegionBatch read_batch(const Arrays& arrays, const Decoder& decoder) {
  RegionBatch batch{nullptr, arrays.size("features", 0), arrays.size("features", 1)};
  if (batch.regions == 0) throw py::value_error("features must have at least one region");
  batch.features =
      arrays.read<float>("features", {dimension("images", batch.images), dimension("regions", batch.regions),
                                      dimension("feature_dim", decoder.sizes().feature_dim)});
  return batch;
}

const uint8_t* read_barred(const Arrays& arrays, const Decoder& decoder) {
  return arrays.read<uint8_t>("barred", {dimension("vocab_size", decoder.sizes().vocab_size)});
}

bool is_token(int32_t token, const Decoder& decoder) {
  return token >= 0 && static_cast<size_t>(token) < decoder.sizes().vocab_size;
}

bool search(const Decoder& decoder, size_t beam, double length_penalty, int32_t start, int32_t end,
            int32_t pad, size_t threads, py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  const SearchSettings settings{
      beam, arrays.size("tokens", 2), arrays.size("tokens", 1), length_penalty, start, end, pad};
  const bool sizes = settings.max_length > 0 && settings.n_best > 0 && settings.n_best <= settings.beam;
  if (!sizes || !(settings.length_penalty >= 0) || !is_token(start, decoder) || !is_token(end, decoder))
    throw py::value_error("beam, max_length, n_best, length_penalty, start or end is out of range");
  const RegionBatch batch = read_batch(arrays, decoder);
  const Dim images = dimension("images", batch.images), regions = dimension("regions", batch.regions);
  const Dim n_best = dimension("n_best", settings.n_best),
            time = dimension("max_length", settings.max_length);
  const uint8_t* barred = read_barred(arrays, decoder);
  SearchOutput output{};
  output.tokens = arrays.write<int64_t>("tokens", {images, n_best, time});
  output.lengths = arrays.write<int64_t>("lengths", {images, n_best});
  output.scores = arrays.write<float>("scores", {images, n_best});
  output.log_probs = arrays.write<float>("log_probs", {images, n_best});
  output.attention = arrays.write<float>("attention", {images, n_best, time, regions});
  py::gil_scoped_release unlocked;
  return search_beams(decoder, batch, settings, barred, threads, output);
}

bool sample(const Decoder& decoder, uint64_t seed, double temperature, int32_t start, int32_t end,
            int32_t pad, size_t threads, py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  const SampleSettings settings{arrays.size("tokens", 1),
                                arrays.size("tokens", 2),
                                seed,
                                static_cast<float>(temperature),
                                start,
                                end,
                                pad};
  const bool sharp = settings.temperature >= 1e-30f && settings.temperature <= 1e30f;
  const bool tokens = is_token(start, decoder) && is_token(end, decoder);
  if (settings.samples == 0 || settings.max_length == 0 || !sharp || !tokens)
    throw py::value_error("samples, max_length, temperature, start or end is out of range");
  const RegionBatch batch = read_batch(arrays, decoder);
  const Dim images = dimension("images", batch.images), samples = dimension("samples", settings.samples),
            time = dimension("max_length", settings.max_length);
  const uint8_t* barred = read_barred(arrays, decoder);
  SampleOutput output{};
  output.tokens = arrays.write<int64_t>("tokens", {images, samples, time});
  output.lengths = arrays.write<int64_t>("lengths", {images, samples});
  output.log_probs = arrays.write<float>("log_probs", {images, samples});
  output.ended = arrays.write<bool>("ended", {images, samples});
  py::gil_scoped_release unlocked;
  return sample_captions(decoder, batch, settings, barred, threads, output);
}

void fill_gumbel(py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  const size_t size = arrays.size("bits", 0);
  const Dim count = dimension("count", size);
  const uint32_t* bits = arrays.read<uint32_t>("bits", {count});
  float* noise = arrays.write<float>("noise", {count});
  PYCAP_DISPATCH(gumbel_noise(bits, noise, size));
}

}  // namespace

void bind_beam(py::module_& module) {
  py::class_<Decoder>(module, "Decoder",
                      "A caption decoder's weights, packed for search; pycap/ops/beam.py drives it.")
      .def(py::init(&pack_decoder), py::kw_only(), py::arg("precision") = "float32")
      .def("search", &search, py::kw_only(), py::arg("beam"), py::arg("length_penalty"), py::arg("start"),
           py::arg("end"), py::arg("pad"), py::arg("threads"),
           "Fill the arrays tokens, lengths, scores, log_probs and attention; False: probabilities are not "
           "finite.")
      .def("sample", &sample, py::kw_only(), py::arg("seed"), py::arg("temperature"), py::arg("start"),
           py::arg("end"), py::arg("pad"), py::arg("threads"),
           "Fill the arrays tokens, lengths, log_probs and ended; False: probabilities are not finite.");
  module.def("gumbel_noise", &fill_gumbel, "Fill noise (float32) from bits (uint32): what sampling adds.");
}

}  // namespace pycap
