// The encoder: same features for every thread count and batch, from several callers at once, on odd sizes.
#include "cpu/encoder.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "cpu/conv_kernel.h"
#include "cpu/pool.h"
#include "tests/check.h"

namespace {

using namespace pycap;

// Random weights; every array is exactly as long as it must be.
struct Model {
  EncoderSizes sizes;
  std::vector<std::vector<float>> arrays;
  std::mt19937 random{1};

  const float* draw(size_t count, size_t inputs) {
    arrays.push_back(pycap::draw<float>(random, count, std::sqrt(6.0 / static_cast<double>(inputs))));
    return arrays.back().data();
  }

  Affine affine(size_t outputs, size_t inputs) { return {draw(outputs * inputs, inputs), draw(outputs, 8)}; }

  Encoder pack() {
    const size_t width = sizes.feature_dim;
    EncoderArrays all{};
    all.stem = affine(kStemChannels, kStemTaps);
    for (const BlockSizes& block : sizes.blocks) {
      const size_t middle = block.inputs * block.expansion;
      BlockArrays packed{};
      if (block.expansion > 1) packed.expand = affine(middle, block.inputs);
      packed.depthwise = affine(middle, block.kernel * block.kernel);
      packed.project = affine(block.outputs, middle);
      all.blocks.push_back(packed);
    }
    all.head = affine(sizes.region_channels, sizes.blocks.back().outputs);
    all.project = affine(width, sizes.region_channels);
    all.norm_in = affine(width, 1), all.norm_out = affine(width, 1);
    all.rows = draw(sizes.grid * width, 9), all.cols = draw(sizes.grid * width, 9);
    for (size_t layer = 0; layer < sizes.layers; ++layer) {
      LayerArrays packed{};
      packed.norm = affine(width, 1), packed.norm_wide = affine(width, 1);
      packed.merge = affine(width, width);
      packed.widen = affine(2 * width, width), packed.narrow = affine(width, 2 * width);
      if (sizes.heads > 0) packed.query_key_value = affine(3 * width, width);
      if (sizes.heads == 0)
        packed.squeeze = affine(sizes.squeeze, width), packed.excite = affine(width, sizes.squeeze);
      all.layers.push_back(packed);
    }
    return Encoder(sizes, all);
  }
};

struct Result {
  std::vector<float> features, attention, pooled;

  bool operator==(const Result& other) const {
    return features == other.features && attention == other.attention && pooled == other.pooled;
  }
};

Result encode(const Encoder& encoder, const float* pixels, size_t images, size_t size) {
  const size_t regions = encoder.regions();
  Result result{std::vector<float>(images * regions * encoder.sizes().feature_dim, NAN),
                {},
                std::vector<float>(images * kPools * encoder.sizes().region_channels, NAN)};
  if (encoder.attends()) result.attention.assign(images * regions * regions, NAN);
  encode_images(encoder, pixels, images, size, 0, result.features.data(),
                encoder.attends() ? result.attention.data() : nullptr, result.pooled.data());
  for (float value : result.features) CHECK(std::isfinite(value));
  for (float value : result.pooled) CHECK(value >= 0 && value <= 6);  // as the head clips
  for (float value : result.attention) CHECK(value >= 0 && value <= 1.0001f);
  return result;
}

void check_precision(const EncoderSizes& sizes, size_t images, size_t size) {
  Model model{sizes, {}};
  model.arrays.reserve(200);
  const Encoder encoder = model.pack();
  const std::vector<float> pixels = draw<float>(model.random, images * 3 * size * size);
  set_thread_count(1);
  const Result expected = encode(encoder, pixels.data(), images, size);
  for (size_t threads : {2, 3, 5}) {
    set_thread_count(threads);
    CHECK(encode(encoder, pixels.data(), images, size) == expected);
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] { CHECK(encode(encoder, pixels.data(), images, size) == expected); });
  for (std::thread& caller : callers) caller.join();
  const std::vector<float> first(pixels.begin(), pixels.begin() + 3 * size * size);
  const Result alone = encode(encoder, first.data(), 1, size);
  CHECK(std::equal(alone.features.begin(), alone.features.end(), expected.features.begin()));
}

void check_shape(EncoderSizes sizes, size_t images, size_t size) {
  check_precision(sizes, images, size);
  sizes.precision = EncoderPrecision::int16;
  check_precision(sizes, images, size);
  sizes.precision = EncoderPrecision::bfloat16;
  if (bfloat_supported()) check_precision(sizes, images, size);
}

// target = clip(source @ weight + bias + residual) in integers, all codes as large as they get or at random.
void check_integers(size_t rows, size_t depth, size_t columns, bool extreme) {
  std::mt19937 random(3);
  BlockedMatrix weight(depth, columns), bias(1, pad_to_narrow(columns));
  std::vector<float> weights = draw<float>(random, depth * columns), biases = draw<float>(random, columns);
  if (extreme) std::fill(weights.begin(), weights.end(), 0.37f);
  weight.fill(weights.data(), depth, columns, columns, 1);
  bias.fill(biases.data(), 1, columns, 0, 1);
  const NarrowMatrix packed(weight, EncoderPrecision::int16);
  const size_t stride = rows * kBlock, narrow_stride = rows * kNarrowBlock;
  const std::vector<float> values = draw<float>(random, rows * depth);
  BlockedMatrix source(rows, depth), residual(rows, columns), target(rows + 10, columns);
  source.fill(values.data(), rows, depth, depth, 1);
  if (extreme) std::fill_n(source.data(), source.blocks() * stride, 5.0f);
  const std::vector<float> added = draw<float>(random, rows * columns);
  residual.fill(added.data(), rows, columns, columns, 1);
  std::vector<Narrow> codes(pad_to_narrow(depth) * rows + kNarrowSlack);
  std::vector<float> scale(rows);
  narrow_rows(EncoderPrecision::int16,
              {source.data(), stride, depth, codes.data(), narrow_stride, scale.data()}, 0, rows);
  MultiplyNarrow multiply{};
  multiply.source = codes.data(), multiply.source_stride = narrow_stride,
  multiply.source_scale = scale.data();
  multiply.weight = packed.tiles.data(), multiply.weight_scale = packed.scale.data();
  multiply.depth_tiles = packed.depth_tiles, multiply.depth = depth;
  multiply.bias = bias.data();
  multiply.residual = residual.data(), multiply.residual_stride = stride;
  multiply.target = target.data(), multiply.target_stride = target.stride();
  multiply.rows = rows, multiply.run = rows / 2 + 1, multiply.gap = 3;
  multiply.low = -1e6f, multiply.high = 1e6f;
  multiply_narrow(EncoderPrecision::int16, multiply, 0, weight.blocks());
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column) {
      double expected = biases[column] + added[row * columns + column], size = 1;
      for (size_t d = 0; d < depth; ++d) {
        const double product = (extreme ? 5.0 : values[row * depth + d]) * weights[d * columns + column];
        expected += product, size += std::fabs(product);
      }
      const size_t place = row + row / multiply.run * multiply.gap;
      const float found = target.data()[column / kBlock * target.stride() + place * kBlock + column % kBlock];
      CHECK(std::fabs(found - expected) <= 2e-4 * size);
    }
}

}  // namespace

int main() {
  for (bool extreme : {false, true})  // depths of less and more than one exact sum, odd ones, many rows
    for (size_t depth : {1, 16, 127, 128, 129, 300, 720})
      check_integers(37, depth, depth % 2 ? 20 : 96, extreme);
  const std::vector<BlockSizes> blocks{{32, 16, 3, 1, 1},   {16, 24, 3, 2, 6}, {24, 24, 3, 1, 6},
                                       {24, 40, 5, 2, 6},   {40, 40, 5, 1, 6}, {40, 20, 3, 2, 6},
                                       {20, 7, 5, 2, 1 + 5}};
  check_shape({blocks, 50, 36, 3, 2, 3, 0, EncoderPrecision::float32}, 3, 75);   // heads of 12 columns
  check_shape({blocks, 33, 17, 2, 1, 0, 4, EncoderPrecision::float32}, 2, 64);   // attention over channels
  check_shape({blocks, 16, 1, 1, 1, 1, 0, EncoderPrecision::float32}, 4, 1);     // one pixel, one region
  check_shape({blocks, 16, 32, 5, 0, 0, 0, EncoderPrecision::float32}, 1, 150);  // no layer
  check_shape({blocks, 30, 20, 3, 1, 2, 0, EncoderPrecision::float32, 0.8, 2}, 3, 75);  // a window
  check_shape({blocks, 30, 20, 3, 1, 2, 0, EncoderPrecision::float32, 0.8, 0}, 3, 75);  // of the regions
  check_shape({{blocks.begin(), blocks.begin() + 2}, 16, 16, 38, 0, 0, 0, EncoderPrecision::float32}, 1,
              150);  // rows come in bands
  std::puts("encoder: ok");
}
