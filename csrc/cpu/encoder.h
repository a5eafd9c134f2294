// The image encoder's weights, packed once: EfficientNet-Lite (stem, blocks, head) and the region encoder.
//
// pycap/cnn.py and pycap/encoder.py say in PyTorch what it computes; cnn_pass.h and region_pass.h compute it.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/blocked.h"
#include "cpu/narrow.h"

namespace pycap {

struct BlockSizes {
  size_t inputs, outputs, kernel, stride, expansion;
};

struct EncoderSizes {
  std::vector<BlockSizes> blocks;
  size_t region_channels, feature_dim, grid, layers;
  size_t heads;    // of every self-attention layer; 0: channel attention
  size_t squeeze;  // width of channel attention's narrow layer
  EncoderPrecision precision;
  double window = 1;        // side of the middle that is looked at, as a share of the map's
  size_t tuned_blocks = 0;  // that look at the window, with the head; 0: it is cut from the head's result
};

struct Affine {  // a layer's weight and bias, contiguous, as torch shapes them
  const float *weight, *bias;
};

struct BlockArrays {
  Affine expand, depthwise, project;  // expand: null where there is none
};

struct LayerArrays {
  Affine norm, merge, norm_wide, widen, narrow;
  Affine query_key_value;  // self-attention
  Affine squeeze, excite;  // channel attention
};

// Only read while packing.
struct EncoderArrays {
  Affine stem, head, project, norm_in, norm_out;
  const float *rows, *cols;  // positions, (grid, feature_dim)
  std::vector<BlockArrays> blocks;
  std::vector<LayerArrays> layers;
};

// A product's weight (depth, columns) in the encoder's precision, and its bias (columns,), padded to 32.
struct Dense {
  size_t depth = 0, columns = 0;
  BlockedMatrix weight, bias;
  NarrowMatrix narrow;  // instead of weight

  size_t blocks() const { return count_blocks(columns); }
};

// Columns from block `begin` on.
inline void set_weights(Multiply& multiply, const Dense& dense, size_t begin) {
  multiply.weight = dense.weight.data() + begin * dense.weight.stride();
  multiply.weight_stride = dense.weight.stride();
  multiply.bias = dense.bias.data() + begin * kBlock;
  multiply.depth = dense.depth;
}

inline void set_weights(MultiplyNarrow& multiply, const Dense& dense, size_t begin) {
  multiply.weight = dense.narrow.tiles.data() + begin * dense.narrow.depth_tiles;
  multiply.weight_scale = dense.narrow.scale.data() + begin * kBlock;
  multiply.depth_tiles = dense.narrow.depth_tiles;
  multiply.depth = dense.depth;
  multiply.bias = dense.bias.data() + begin * kBlock;
}

struct Norm {
  BlockedMatrix scale, shift;  // (columns,)
};

struct PackedBlock {
  BlockSizes sizes;
  size_t width;  // channels of the middle
  Dense expand, project;
  Dense depthwise;  // (kernel * kernel, width), always float

  bool expands() const { return expand.columns > 0; }
  bool residual() const { return sizes.stride == 1 && sizes.inputs == sizes.outputs; }
};

struct PackedLayer {
  Norm norm, norm_wide;
  Dense merge, widen, narrow;
  Dense query_key_value;  // heads padded to blocks, queries divided by sqrt(head_dim)
  Dense squeeze, excite;
};

class Encoder {
 public:
  Encoder(const EncoderSizes& sizes,
          const EncoderArrays& arrays);  // throws where bfloat16 is not supported

  const EncoderSizes& sizes() const { return sizes_; }
  size_t regions() const { return sizes_.grid * sizes_.grid; }
  size_t head_dim() const { return sizes_.feature_dim / sizes_.heads; }
  size_t find_side(size_t size) const;  // rows of the last map of a picture, which must be `grid`
  bool attends() const { return sizes_.heads > 0 && sizes_.layers > 0; }

  Dense stem, head, project;
  std::vector<PackedBlock> blocks;
  Norm norm_in, norm_out;
  BlockedMatrix positions;  // (regions, feature_dim)
  std::vector<PackedLayer> layers;

 private:
  EncoderSizes sizes_;
};

constexpr size_t kPools = 2;  // of what the CNN sees, over regions: mean and maximum

// Pixels (images, 3, size, size) to features (images, regions, feature_dim), with at most `threads` threads
// (0: the pool's). attention, (images, regions, regions), gets the last layer's, mean over its heads; pooled,
// (images, kPools, region_channels), those of kPools; null: not wanted.
void encode_images(const Encoder& encoder, const float* pixels, size_t images, size_t size, size_t threads,
                   float* features, float* attention, float* pooled);

}  // namespace pycap
