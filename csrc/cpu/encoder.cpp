#include "cpu/encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "cpu/cnn_pass.h"
#include "cpu/conv_kernel.h"
#include "cpu/pool.h"
#include "cpu/region_pass.h"

namespace pycap {
namespace {

BlockedMatrix pack_vector(const float* values, size_t count) {
  BlockedMatrix packed(1, count);
  packed.fill(values, 1, count, 0, 1);
  return packed;
}

// An empty product, to be filled; the bias is padded for both precisions.
Dense make_dense(size_t columns, size_t depth) {
  return {depth, columns, BlockedMatrix(depth, columns), BlockedMatrix(1, pad_to_narrow(columns)), {}};
}

Dense pack_dense(const Affine& arrays, size_t columns, size_t depth) {  // from a torch Linear weight
  Dense packed = make_dense(columns, depth);
  packed.weight.fill(arrays.weight, depth, columns, 1, depth);
  packed.bias.fill(arrays.bias, 1, columns, 0, 1);
  return packed;
}

void make_narrow(Dense& dense, EncoderPrecision precision) {
  dense.narrow = NarrowMatrix(dense.weight, precision);
  dense.weight = BlockedMatrix();
}

Norm pack_norm(const Affine& arrays, size_t columns) {
  return {pack_vector(arrays.weight, columns), pack_vector(arrays.bias, columns)};
}

// cells: (regions, channels), blocked; pooled: (2, channels), their mean and their maximum.
void pool_cells(const float* cells, size_t regions, size_t channels, float* pooled) {
  for (size_t block = 0; block < count_blocks(channels); ++block) {
    float sums[kBlock] = {}, most[kBlock];
    const float* row = cells + block * regions * kBlock;
    std::copy_n(row, kBlock, most);
    for (size_t region = 0; region < regions; ++region, row += kBlock)
      for (size_t c = 0; c < kBlock; ++c) {
        sums[c] += row[c];
        most[c] = std::max(most[c], row[c]);
      }
    const size_t first = block * kBlock;
    for (size_t c = first; c < std::min(first + kBlock, channels); ++c) {
      pooled[c] = sums[c - first] / static_cast<float>(regions);
      pooled[channels + c] = most[c - first];
    }
  }
}

PackedBlock pack_block(const BlockSizes& sizes, const BlockArrays& arrays) {
  PackedBlock packed{sizes, sizes.inputs * sizes.expansion, {}, {}, {}};
  if (arrays.expand.weight) packed.expand = pack_dense(arrays.expand, packed.width, sizes.inputs);
  packed.depthwise = pack_dense(arrays.depthwise, packed.width, sizes.kernel * sizes.kernel);
  packed.project = pack_dense(arrays.project, sizes.outputs, packed.width);
  return packed;
}

PackedLayer pack_layer(const EncoderSizes& sizes, const LayerArrays& arrays) {
  const size_t width = sizes.feature_dim;
  PackedLayer packed;
  packed.norm = pack_norm(arrays.norm, width);
  packed.norm_wide = pack_norm(arrays.norm_wide, width);
  packed.widen = pack_dense(arrays.widen, 2 * width, width);
  packed.narrow = pack_dense(arrays.narrow, width, 2 * width);
  if (sizes.heads == 0) {
    packed.squeeze = pack_dense(arrays.squeeze, sizes.squeeze, width);
    packed.excite = pack_dense(arrays.excite, width, sizes.squeeze);
    packed.merge = pack_dense(arrays.merge, width, width);
    return packed;
  }
  const size_t head = width / sizes.heads, padded = pad_to_block(head);
  packed.query_key_value = make_dense(3 * sizes.heads * padded, width);
  packed.merge = make_dense(width, sizes.heads * padded);
  packed.merge.bias.fill(arrays.merge.bias, 1, width, 0, 1);
  for (size_t part = 0; part < 3; ++part)
    for (size_t h = 0; h < sizes.heads; ++h) {
      const size_t from = part * width + h * head, to = (part * sizes.heads + h) * padded;
      const float scale = part == 0 ? 1 / std::sqrt(static_cast<float>(head)) : 1;
      const Affine& source = arrays.query_key_value;
      packed.query_key_value.weight.fill(source.weight + from * width, width, head, 1, width, 0, to, scale);
      packed.query_key_value.bias.fill(source.bias + from, 1, head, 0, 1, 0, to, scale);
    }
  for (size_t h = 0; h < sizes.heads; ++h)
    packed.merge.weight.fill(arrays.merge.weight + h * head, head, width, 1, width, h * padded);
  return packed;
}

}  // namespace

Encoder::Encoder(const EncoderSizes& sizes, const EncoderArrays& arrays) : sizes_(sizes) {
  if (sizes.precision == EncoderPrecision::bfloat16 && !bfloat_supported())
    throw std::invalid_argument("this CPU or build lacks AMX for bfloat16");
  const size_t width = sizes.feature_dim;
  stem = pack_dense(arrays.stem, kStemChannels, kStemTaps);
  for (size_t b = 0; b < sizes.blocks.size(); ++b)
    blocks.push_back(pack_block(sizes.blocks[b], arrays.blocks[b]));
  head = pack_dense(arrays.head, sizes.region_channels, sizes.blocks.back().outputs);
  project = pack_dense(arrays.project, width, sizes.region_channels);
  norm_in = pack_norm(arrays.norm_in, width);
  norm_out = pack_norm(arrays.norm_out, width);
  positions = BlockedMatrix(regions(), width);
  std::vector<float> sum(width);
  for (size_t region = 0; region < regions(); ++region) {
    for (size_t c = 0; c < width; ++c)
      sum[c] = arrays.rows[region / sizes.grid * width + c] + arrays.cols[region % sizes.grid * width + c];
    positions.fill(sum.data(), 1, width, 0, 1, region);
  }
  for (const LayerArrays& layer : arrays.layers) layers.push_back(pack_layer(sizes, layer));
  if (sizes.precision == EncoderPrecision::float32) return;
  std::vector<Dense*> products{&head, &project};
  for (PackedBlock& block : blocks) {
    if (block.expands()) products.push_back(&block.expand);
    products.push_back(&block.project);
  }
  for (PackedLayer& layer : layers) {
    products.insert(products.end(), {&layer.merge, &layer.widen, &layer.narrow});
    if (sizes.heads > 0) products.push_back(&layer.query_key_value);
  }
  parallel_for(products.size(), [&](size_t i) { make_narrow(*products[i], sizes.precision); });
}

size_t Encoder::find_side(size_t size) const {
  size_t side = (size + kStemStride - 1) / kStemStride;
  for (const PackedBlock& block : blocks) side = (side + block.sizes.stride - 1) / block.sizes.stride;
  return side;
}

void encode_images(const Encoder& encoder, const float* pixels, size_t images, size_t size, size_t threads,
                   float* features, float* attention, float* pooled) {
  threads = threads == 0 ? thread_count() : std::min(threads, thread_count());
  const size_t regions = encoder.regions(), width = encoder.sizes().feature_dim,
               channels = encoder.sizes().region_channels;
  auto encode = [&](CnnPass& cnn, RegionPass& region, size_t image) {
    const float* cells = cnn.run(pixels + image * 3 * size * size);
    region.run(cells, features + image * regions * width,
               attention ? attention + image * regions * regions : nullptr);
    if (pooled) pool_cells(cells, regions, channels, pooled + image * kPools * channels);
  };
  const size_t shared = threads > 1 ? images / threads * threads : 0;  // images that threads take whole
  if (shared > 0) {
    std::atomic<size_t> next{0};
    parallel_for(threads, [&](size_t) {
      CnnPass cnn(encoder, size, {1});
      RegionPass region(encoder, {1});
      for (size_t image; (image = next.fetch_add(1)) < shared;) encode(cnn, region, image);
    });
  }
  if (shared == images) return;
  CnnPass cnn(encoder, size, {threads});
  RegionPass region(encoder, {threads});
  for (size_t image = shared; image < images; ++image) encode(cnn, region, image);
}

}  // namespace pycap
