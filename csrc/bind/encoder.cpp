#include "cpu/encoder.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bind/arrays.h"
#include "cpu/conv_kernel.h"

namespace py = pybind11;

namespace pycap {
namespace {

Dim dimension(const char* name, size_t size) { return {name, static_cast<py::ssize_t>(size)}; }

// Weight and bias of the layer `name`, whose keywords are "name.weight" and "name.bias".
Affine read_affine(const Arrays& arrays, const std::string& name, std::initializer_list<Dim> weight,
                   Dim bias) {
  return {arrays.read<float>((name + ".weight").c_str(), weight),
          arrays.read<float>((name + ".bias").c_str(), {bias})};
}

BlockArrays read_block(const Arrays& arrays, const std::string& name, const BlockSizes& sizes) {
  const Dim inputs = dimension("inputs", sizes.inputs), outputs = dimension("outputs", sizes.outputs);
  const Dim width = dimension("width", sizes.inputs * sizes.expansion),
            kernel = dimension("kernel", sizes.kernel);
  const Dim one{"1", 1};
  BlockArrays block{};
  if (sizes.expansion > 1)
    block.expand = read_affine(arrays, name + "expand", {width, inputs, one, one}, width);
  block.depthwise = read_affine(arrays, name + "depthwise", {width, one, kernel, kernel}, width);
  block.project = read_affine(arrays, name + "project", {outputs, width, one, one}, outputs);
  return block;
}

LayerArrays read_layer(const Arrays& arrays, const std::string& name, const EncoderSizes& sizes) {
  const Dim feature = dimension("feature_dim", sizes.feature_dim),
            wide = dimension("2 * feature_dim", 2 * sizes.feature_dim);
  const Dim three = dimension("3 * feature_dim", 3 * sizes.feature_dim),
            narrow = dimension("squeeze", sizes.squeeze);
  LayerArrays layer{};
  layer.norm = read_affine(arrays, name + "norm", {feature}, feature);
  layer.merge = read_affine(arrays, name + "merge", {feature, feature}, feature);
  layer.norm_wide = read_affine(arrays, name + "norm_wide", {feature}, feature);
  layer.widen = read_affine(arrays, name + "widen", {wide, feature}, wide);
  layer.narrow = read_affine(arrays, name + "narrow", {feature, wide}, feature);
  if (sizes.heads > 0) {
    layer.query_key_value = read_affine(arrays, name + "query_key_value", {three, feature}, three);
  } else {
    layer.squeeze = read_affine(arrays, name + "squeeze", {narrow, feature}, narrow);
    layer.excite = read_affine(arrays, name + "excite", {feature, narrow}, feature);
  }
  return layer;
}

EncoderPrecision read_precision(const std::string& name) {
  if (name == "float32") return EncoderPrecision::float32;
  if (name == "bfloat16") return EncoderPrecision::bfloat16;
  if (name == "int16") return EncoderPrecision::int16;
  throw py::value_error("precision must be float32, bfloat16 or int16, got " + name);
}

Encoder pack_encoder(const std::vector<std::vector<size_t>>& blocks, size_t layers, size_t heads,
                     const std::string& precision, double window, size_t tuned_blocks, py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  EncoderSizes sizes{{},
                     arrays.size("head.weight", 0),
                     arrays.size("project.weight", 0),
                     arrays.size("rows", 0),
                     layers,
                     heads,
                     heads > 0 || layers == 0 ? 0 : arrays.size("layers.0.squeeze.weight", 0),
                     read_precision(precision),
                     window,
                     tuned_blocks};
  EncoderArrays weights{};
  const Dim feature = dimension("feature_dim", sizes.feature_dim), grid = dimension("grid", sizes.grid);
  const Dim stem = dimension("stem", kStemChannels),
            channels = dimension("region_channels", sizes.region_channels);
  if (!(window > 0 && window <= 1) || tuned_blocks >= blocks.size())
    throw py::value_error("window must be above 0 and at most 1, and a block be left that is not tuned");
  if (blocks.empty() || (heads > 0 && sizes.feature_dim % heads > 0))
    throw py::value_error("blocks must not be empty, and feature_dim be a multiple of heads");
  for (size_t b = 0; b < blocks.size(); ++b) {
    if (blocks[b].size() != 5)
      throw py::value_error("a block has inputs, outputs, kernel, stride and expansion");
    const BlockSizes block{blocks[b][0], blocks[b][1], blocks[b][2], blocks[b][3], blocks[b][4]};
    const bool follows = block.inputs == (b == 0 ? kStemChannels : sizes.blocks.back().outputs);
    const bool filter = (block.kernel == 3 || block.kernel == 5) && (block.stride == 1 || block.stride == 2);
    if (!follows || !filter || (b == 0) != (block.expansion == 1) || block.expansion == 0)
      throw py::value_error("block " + std::to_string(b) + " is none of EfficientNet-Lite's");
    sizes.blocks.push_back(block);
    weights.blocks.push_back(read_block(arrays, "blocks." + std::to_string(b) + ".", block));
  }
  const Dim last = dimension("inputs", sizes.blocks.back().outputs), one{"1", 1}, side{"3", 3};
  weights.stem = read_affine(arrays, "stem", {stem, side, side, side}, stem);
  weights.head = read_affine(arrays, "head", {channels, last, one, one}, channels);
  weights.project = read_affine(arrays, "project", {feature, channels}, feature);
  weights.norm_in = read_affine(arrays, "norm_in", {feature}, feature);
  weights.norm_out = read_affine(arrays, "norm_out", {feature}, feature);
  weights.rows = arrays.read<float>("rows", {grid, feature});
  weights.cols = arrays.read<float>("cols", {grid, feature});
  for (size_t layer = 0; layer < layers; ++layer)
    weights.layers.push_back(read_layer(arrays, "layers." + std::to_string(layer) + ".", sizes));
  py::gil_scoped_release unlocked;
  return Encoder(sizes, weights);
}

void encode(const Encoder& encoder, size_t threads, bool with_attention, bool with_pooled,
            py::kwargs keywords) {
  const Arrays arrays(std::move(keywords));
  const size_t size = arrays.size("pixels", 2);
  if (encoder.find_side(size) != encoder.sizes().grid) throw py::value_error("pixels do not fit the grid");
  const Dim images = dimension("images", arrays.size("pixels", 0)), side = dimension("size", size);
  const Dim regions = dimension("regions", encoder.regions());
  const float* pixels = arrays.read<float>("pixels", {images, {"3", 3}, side, side});
  float* features = arrays.write<float>(
      "features", {images, regions, dimension("feature_dim", encoder.sizes().feature_dim)});
  if (with_attention && !encoder.attends())
    throw py::value_error("this encoder has no attention over regions");
  float* attention = with_attention ? arrays.write<float>("attention", {images, regions, regions}) : nullptr;
  const Dim pools = {"2", kPools}, channels = dimension("region_channels", encoder.sizes().region_channels);
  float* pooled = with_pooled ? arrays.write<float>("pooled", {images, pools, channels}) : nullptr;
  py::gil_scoped_release unlocked;
  encode_images(encoder, pixels, static_cast<size_t>(images.size), size, threads, features, attention,
                pooled);
}

}  // namespace

void bind_encoder(py::module_& module) {
  module.def("bfloat16_supported", &bfloat_supported, "True where Encoder takes precision='bfloat16'.");
  py::class_<Encoder>(module, "Encoder", "An image encoder's weights, packed; pycap/ops/encode.py drives it.")
      .def(py::init(&pack_encoder), py::kw_only(), py::arg("blocks"), py::arg("layers"), py::arg("heads"),
           py::arg("precision"), py::arg("window"), py::arg("tuned_blocks"))
      .def("encode", &encode, py::kw_only(), py::arg("threads"), py::arg("with_attention"),
           py::arg("with_pooled"),
           "Fill the arrays features, and attention and pooled where wanted, from pixels.");
}

}  // namespace pycap
