#include "cpu/region_pass.h"

#include <algorithm>

#include "cpu/conv_kernel.h"

namespace pycap {
namespace {

constexpr float kInfinity = __builtin_inff();

}  // namespace

RegionPass::RegionPass(const Encoder& encoder, Crew crew)
    : encoder_(encoder), crew_(crew), regions_(encoder.regions()) {
  const EncoderSizes& sizes = encoder.sizes();
  const size_t width = pad_to_block(sizes.feature_dim);
  size_t widest = width;
  for (const PackedLayer& layer : encoder.layers)
    widest = std::max({widest, layer.widen.blocks() * kBlock, layer.query_key_value.blocks() * kBlock});
  arena_.plan(features_, regions_ * width);
  arena_.plan(normed_, regions_ * width);
  arena_.plan(wide_, regions_ * widest);
  if (sizes.precision != EncoderPrecision::float32) {
    arena_.plan(scale_, regions_);
    const size_t deepest = std::max(
        {sizes.region_channels, widest, sizes.heads * pad_to_block(sizes.heads ? encoder.head_dim() : 0)});
    arena_.plan(narrow_, regions_ * pad_to_narrow(deepest) + kNarrowSlack);
  }
  if (encoder.attends()) {
    arena_.plan(mixed_, regions_ * sizes.heads * pad_to_block(encoder.head_dim()));
    arena_.plan(keys_, sizes.heads * encoder.head_dim() * pad_to_block(regions_));
    arena_.plan(scores_, regions_ * pad_to_block(regions_));
  } else {
    arena_.plan(vectors_, 2 * width + pad_to_block(sizes.squeeze));
  }
  arena_.commit();
}

void RegionPass::run(const float* cells, float* features, float* attention) {
  multiply(encoder_.project, cells, nullptr, normed_, regions_, -kInfinity, false);
  normalise(encoder_.norm_in, normed_, encoder_.positions.data(), features_, true);
  for (const PackedLayer& layer : encoder_.layers) {
    if (encoder_.attends())
      attend_regions(layer, &layer == &encoder_.layers.back() ? attention : nullptr);
    else
      attend_channels(layer);
    add_position_wise(layer);
  }
  normalise(encoder_.norm_out, features_, nullptr, features, false);
}

void RegionPass::attend_regions(const PackedLayer& layer, float* attention) {
  const size_t heads = encoder_.sizes().heads, depth = encoder_.head_dim(), blocks = count_blocks(depth);
  const size_t stride = regions_ * kBlock, key_size = depth * pad_to_block(regions_);
  normalise(layer.norm, features_, nullptr, normed_, true);
  multiply(layer.query_key_value, normed_, nullptr, wide_, regions_, -kInfinity, false);
  const float* query = wide_;
  const float* key = query + heads * blocks * stride;
  const float* value = key + heads * blocks * stride;
  crew_.cut(heads, [&](size_t begin, size_t end, size_t) {
    for (size_t head = begin; head < end; ++head)
      PYCAP_DISPATCH(
          transpose_rows(key + head * blocks * stride, stride, regions_, depth, keys_ + head * key_size));
  });
  crew_.cut(regions_, [&](size_t begin, size_t end, size_t) {
    const size_t rows = end - begin;
    float* scores = scores_ + begin * pad_to_block(regions_);  // this task's, with a stride of its own
    for (size_t head = 0; head < heads; ++head) {
      Multiply compare{}, blend{};
      compare.source = query + head * blocks * stride + begin * kBlock;
      compare.source_stride = stride;
      compare.weight = keys_ + head * key_size;
      compare.weight_stride = depth * kBlock;
      compare.target = scores;
      compare.target_stride = rows * kBlock;
      compare.rows = compare.run = rows;
      compare.depth = depth;
      compare.low = -kInfinity, compare.high = kInfinity;
      PYCAP_DISPATCH(multiply_rows(compare, 0, count_blocks(regions_)));
      PYCAP_DISPATCH(softmax_rows(scores, rows * kBlock, rows, regions_));
      if (attention)
        PYCAP_DISPATCH(add_rows(scores, rows * kBlock, rows, regions_, 1.0f / static_cast<float>(heads),
                                head == 0, attention + begin * regions_));
      blend.source = scores;
      blend.source_stride = rows * kBlock;
      blend.weight = value + head * blocks * stride;
      blend.weight_stride = stride;
      blend.target = mixed_ + head * blocks * stride + begin * kBlock;
      blend.target_stride = stride;
      blend.rows = blend.run = rows;
      blend.depth = regions_;
      blend.low = -kInfinity, blend.high = kInfinity;
      PYCAP_DISPATCH(multiply_rows(blend, 0, blocks));
    }
  });
  multiply(layer.merge, mixed_, features_, features_, regions_, -kInfinity, false);
}

void RegionPass::attend_channels(const PackedLayer& layer) {
  const size_t stride = regions_ * kBlock, blocks = count_blocks(encoder_.sizes().feature_dim);
  float *mean = vectors_, *weights = mean + blocks * kBlock, *narrow = weights + blocks * kBlock;
  normalise(layer.norm, features_, nullptr, normed_, true);
  crew_.cut(blocks, [&](size_t begin, size_t end, size_t) {
    PYCAP_DISPATCH(mean_rows(normed_, stride, regions_, begin, end, mean));
  });
  multiply(layer.squeeze, mean, nullptr, narrow, 1, 0, false);
  multiply(layer.excite, narrow, nullptr, weights, 1, -kInfinity, false);
  PYCAP_DISPATCH(sigmoid_values(weights, blocks * kBlock));
  crew_.cut(blocks, [&](size_t begin, size_t end, size_t) {
    PYCAP_DISPATCH(scale_rows(normed_, stride, regions_, weights, begin, end));
  });
  multiply(layer.merge, normed_, features_, features_, regions_, -kInfinity, false);
}

void RegionPass::add_position_wise(const PackedLayer& layer) {
  normalise(layer.norm_wide, features_, nullptr, normed_, true);
  multiply(layer.widen, normed_, nullptr, wide_, regions_, -kInfinity, true);
  multiply(layer.narrow, wide_, features_, features_, regions_, -kInfinity, false);
}

void RegionPass::normalise(const Norm& norm, const float* source, const float* addend, float* target,
                           bool blocked) {
  const size_t stride = regions_ * kBlock;
  const Normalise normalise{source,
                            stride,
                            norm.scale.data(),
                            norm.shift.data(),
                            addend,
                            stride,
                            target,
                            stride,
                            norm.scale.columns(),
                            blocked};
  crew_.cut(regions_,
            [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(normalise_rows(normalise, begin, end)); });
}

void RegionPass::multiply(const Dense& dense, const float* source, const float* residual, float* target,
                          size_t rows, float low, bool gelu) {
  const EncoderPrecision precision = encoder_.sizes().precision;
  const bool in_narrow = !dense.narrow.tiles.empty();
  Multiply multiply{};
  MultiplyNarrow narrow{};
  multiply.source_stride = rows * kBlock, narrow.source_stride = rows * kNarrowBlock;
  if (in_narrow) {
    const NarrowRows all{source, rows * kBlock, dense.depth, narrow_, narrow.source_stride, scale_};
    crew_.cut(rows, [&](size_t begin, size_t end, size_t) { narrow_rows(precision, all, begin, end); });
  }
  set_weights(multiply, dense, 0), set_weights(narrow, dense, 0);
  multiply.source = source, narrow.source = narrow_;
  narrow.source_scale = scale_;
  multiply.residual = narrow.residual = residual;
  multiply.target = narrow.target = target;
  multiply.residual_stride = narrow.residual_stride = rows * kBlock;
  multiply.target_stride = narrow.target_stride = rows * kBlock;
  multiply.rows = multiply.run = narrow.rows = narrow.run = rows;
  multiply.low = narrow.low = low, multiply.high = narrow.high = kInfinity;
  crew_.cut(dense.blocks(), [&](size_t begin, size_t end, size_t) {
    if (in_narrow)
      multiply_narrow(precision, narrow, begin, end);
    else
      PYCAP_DISPATCH(multiply_rows(multiply, begin, end));
    if (gelu) PYCAP_DISPATCH(gelu_values(target + begin * rows * kBlock, (end - begin) * rows * kBlock));
  });
}

}  // namespace pycap
