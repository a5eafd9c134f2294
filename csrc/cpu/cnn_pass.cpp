#include "cpu/cnn_pass.h"

#include <algorithm>
#include <utility>

namespace pycap {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr size_t kSplitBlocks = 3;  // blocks of the middle that a task makes at a time
constexpr size_t kRingFloats =
    96 * 1024;  // of a ring, about: with its results it fits a small second-level cache
constexpr size_t kRollFloats = 320 * 1024;  // a middle larger than this, of one task, rolls

void clear_padding(const Ring& ring, size_t blocks, size_t side) {
  for (size_t line = 0; line < blocks * ring.slots; ++line) {
    float* start = ring.data + line * ring.pitch * kBlock;
    std::fill_n(start, ring.left * kBlock, 0.0f);
    std::fill(start + (ring.left + side) * kBlock, start + ring.pitch * kBlock, 0.0f);
  }
}

}  // namespace

CnnPass::CnnPass(const Encoder& encoder, size_t size, Team team)
    : encoder_(encoder), size_(size), team_(team) {
  plan(size);
}

CnnPass::Stage CnnPass::plan_stage(const PackedBlock& block, size_t source_side) const {
  const size_t kernel = block.sizes.kernel, stride = block.sizes.stride;
  Stage stage{&block, source_side, (source_side + stride - 1) / stride, 0, 0, 0, 0, false};
  const size_t span = (stage.side - 1) * stride + kernel;  // TensorFlow's SAME: odd padding goes to the end
  stage.padding = (std::max(span, source_side) - source_side) / 2;
  stage.pitch = std::max(span, source_side);
  const size_t channels = pad_to_block(block.width), tasks = std::min(team_.threads, stage.side);
  stage.rolls =
      block.expand.weight.columns() == 0 || stage.side * stage.side * channels > kRollFloats * tasks;
  if (stage.rolls) {
    const size_t rows = std::max(kernel, kRingFloats / (stage.pitch * channels));
    stage.band = std::min((rows - kernel) / stride + 1, stage.side);
    stage.slots = std::min((stage.band - 1) * stride + kernel, source_side);
  } else {
    stage.band = stage.side;
    stage.slots = source_side;
  }
  return stage;
}

size_t CnnPass::ring_floats(const Stage& stage) const {
  const size_t blocks = count_blocks(stage.block->width);
  return (stage.rolls ? blocks : std::min(blocks, kSplitBlocks)) * stage.slots * stage.pitch * kBlock;
}

void CnnPass::plan(size_t size) {
  size_t side = (size + kStemStride - 1) / kStemStride, picture = 0, filtered = 0, pitch = 0;
  for (const PackedBlock& block : encoder_.blocks) {
    const Stage stage = plan_stage(block, side);
    side = stage.side;
    const size_t band = stage.band * side * pad_to_block(block.width);
    filtered = std::max(filtered, stage.rolls ? band * team_.threads : band);
    filtered_size_ = std::max(filtered_size_, stage.rolls ? band : 0);
    ring_size_ = std::max(ring_size_, ring_floats(stage));
    picture = std::max(picture, side * side * pad_to_block(block.sizes.outputs));
    pitch = std::max(pitch, stage.pitch);
    stages_.push_back(stage);
  }
  picture = std::max(picture, side * side * pad_to_block(encoder_.sizes().region_channels));
  filtered = std::max(filtered, filtered_size_ * team_.threads);
  lines_size_ = 3 * kStemKernel * pad_to_block(size + kStemKernel);
  arena_.plan(source_, picture);
  arena_.plan(target_, picture);
  arena_.plan(filtered_, filtered);
  arena_.plan(rings_, ring_size_ * team_.threads);
  arena_.plan(lines_, lines_size_ * team_.threads);
  arena_.plan(zeros_, pitch * kBlock);
  arena_.commit();
  std::fill_n(zeros_, pitch * kBlock, 0.0f);
}

const float* CnnPass::run(const float* pixels) {
  for (const Stage& stage : stages_) {
    if (stage.rolls)
      team_.cut(stage.side,
                [&](size_t begin, size_t end, size_t task) { roll(stage, pixels, begin, end, task); });
    else
      split(stage);
    std::swap(source_, target_);
  }
  const size_t regions = encoder_.regions();
  const Dense& head = encoder_.head;
  Multiply multiply{};
  multiply.source = source_;
  multiply.source_stride = multiply.target_stride = regions * kBlock;
  multiply.weight = head.weight.data();
  multiply.weight_stride = head.weight.stride();
  multiply.bias = head.bias.data();
  multiply.target = target_;
  multiply.rows = multiply.run = regions;
  multiply.depth = head.weight.rows();
  multiply.high = 6;
  team_.cut(head.weight.blocks(),
            [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(multiply_rows(multiply, begin, end)); });
  return target_;
}

// Rows [row_begin, row_end) of the result; the rows of the middle at the cut are made by both neighbours.
void CnnPass::roll(const Stage& stage, const float* pixels, size_t row_begin, size_t row_end, size_t task) {
  const BlockSizes& sizes = stage.block->sizes;
  const size_t blocks = count_blocks(stage.block->width);
  const Ring ring{rings_ + task * ring_size_, stage.slots, stage.pitch, stage.padding};
  float* filtered = filtered_ + task * filtered_size_;
  clear_padding(ring, blocks, stage.source_side);
  size_t made = row_begin * sizes.stride - std::min(row_begin * sizes.stride, stage.padding);
  for (size_t row = row_begin; row < row_end; row += stage.band) {
    const size_t last = std::min(row + stage.band, row_end), rows = last - row;
    const size_t needed =
        std::min(stage.source_side, (last - 1) * sizes.stride + sizes.kernel - stage.padding);
    while (made < needed) {
      const size_t slot = made % ring.slots, count = std::min(needed - made, ring.slots - slot);
      make_rows(stage, ring, pixels, task, made, count);
      made += count;
    }
    const size_t stride = rows * stage.side * kBlock;
    filter(stage, ring, 0, blocks, row, last, filtered, stride);
    project(stage, filtered, stride, row * stage.side, last * stage.side);
  }
}

// Threads share the channels of the middle, then the pixels of the result.
void CnnPass::split(const Stage& stage) {
  const size_t stride = stage.side * stage.side * kBlock;
  team_.cut(count_blocks(stage.block->width), [&](size_t begin, size_t end, size_t task) {
    const Ring ring{rings_ + task * ring_size_, stage.slots, stage.pitch, stage.padding};
    clear_padding(ring, std::min(kSplitBlocks, end - begin), stage.source_side);
    for (size_t block = begin; block < end; block += kSplitBlocks) {
      const size_t blocks = std::min(kSplitBlocks, end - block);
      expand(stage, ring, block, blocks, 0, stage.source_side);
      filter(stage, ring, block, blocks, 0, stage.side, filtered_ + block * stride, stride);
    }
  });
  team_.cut(stage.side * stage.side, [&](size_t begin, size_t end, size_t) {
    project(stage, filtered_ + begin * kBlock, stride, begin, end);
  });
}

// All channels of the middle's rows [row, row + rows), which are neighbours in the ring.
void CnnPass::make_rows(const Stage& stage, const Ring& ring, const float* pixels, size_t task, size_t row,
                        size_t rows) {
  const size_t blocks = count_blocks(stage.block->width);
  if (stage.block->expand.weight.columns() > 0) return expand(stage, ring, 0, blocks, row, rows);
  const Dense& weights = encoder_.stem;  // the first block filters what the stem makes
  const size_t span = (stage.source_side - 1) * kStemStride + kStemKernel;
  const size_t padding = (std::max(span, size_) - size_) / 2;
  const Stem stem{pixels,
                  size_,
                  padding,
                  lines_ + task * lines_size_,
                  pad_to_block(size_ + kStemKernel),
                  weights.weight.data(),
                  weights.bias.data(),
                  ring,
                  stage.source_side};
  PYCAP_DISPATCH(filter_stem(stem, row, row + rows));
}

void CnnPass::expand(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks, size_t row,
                     size_t rows) {
  const Dense& weights = stage.block->expand;
  Multiply multiply{};
  multiply.source = source_ + row * stage.source_side * kBlock;
  multiply.source_stride = stage.source_side * stage.source_side * kBlock;
  multiply.weight = weights.weight.data() + block_begin * weights.weight.stride();
  multiply.weight_stride = weights.weight.stride();
  multiply.bias = weights.bias.data() + block_begin * kBlock;
  multiply.target = ring.at(row % ring.slots);
  multiply.target_stride = ring.stride();
  multiply.rows = rows * stage.source_side;
  multiply.depth = weights.weight.rows();
  multiply.run = stage.source_side;
  multiply.gap = stage.pitch - stage.source_side;
  multiply.high = 6;
  PYCAP_DISPATCH(multiply_rows(multiply, 0, blocks));
}

// Rows [row_begin, row_end) of some channels, whose middle is at the ring's start.
void CnnPass::filter(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks,
                     size_t row_begin, size_t row_end, float* target, size_t target_stride) {
  const PackedBlock& block = *stage.block;
  Filter filter{};
  filter.source = ring;
  filter.source_rows = stage.source_side;
  filter.zeros = zeros_;
  filter.weight = block.depthwise.weight.data() + block_begin * block.depthwise.weight.stride();
  filter.bias = block.depthwise.bias.data() + block_begin * kBlock;
  filter.kernel = block.sizes.kernel;
  filter.stride = block.sizes.stride;
  filter.top = stage.padding;
  filter.target = target;
  filter.target_stride = target_stride;
  filter.row_begin = row_begin;
  filter.row_end = row_end;
  filter.cols = stage.side;
  PYCAP_DISPATCH(filter_channels(filter, blocks));
}

// Pixels [begin, end) of the block's result; source: the filtered middle from pixel `begin` on.
void CnnPass::project(const Stage& stage, const float* source, size_t source_stride, size_t begin,
                      size_t end) {
  const PackedBlock& block = *stage.block;
  const size_t stride = stage.side * stage.side * kBlock;
  Multiply multiply{};
  multiply.source = source;
  multiply.source_stride = source_stride;
  multiply.weight = block.project.weight.data();
  multiply.weight_stride = block.project.weight.stride();
  multiply.bias = block.project.bias.data();
  multiply.residual = block.residual() ? source_ + begin * kBlock : nullptr;
  multiply.residual_stride = stride;
  multiply.target = target_ + begin * kBlock;
  multiply.target_stride = stride;
  multiply.rows = end - begin;
  multiply.depth = block.width;
  multiply.run = multiply.rows;
  multiply.low = -kInfinity;
  multiply.high = kInfinity;
  PYCAP_DISPATCH(multiply_rows(multiply, 0, block.project.weight.blocks()));
}

}  // namespace pycap
