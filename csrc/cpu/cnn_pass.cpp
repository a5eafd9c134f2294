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

CnnPass::CnnPass(const Encoder& encoder, size_t size, Crew crew)
    : encoder_(encoder), size_(size), crew_(crew), precision_(encoder.sizes().precision) {
  plan();
}

CnnPass::Stage CnnPass::plan_stage(const PackedBlock& block, size_t source_side) const {
  const size_t kernel = block.sizes.kernel, stride = block.sizes.stride;
  Stage stage{&block, source_side, (source_side + stride - 1) / stride, 0, 0, 0, 0, false, false, false};
  const size_t span = (stage.side - 1) * stride + kernel;  // TensorFlow's SAME: odd padding goes to the end
  stage.padding = (std::max(span, source_side) - source_side) / 2;
  stage.pitch = std::max(span, source_side);
  const size_t channels = pad_to_block(block.width), tasks = std::min(crew_.threads, stage.side);
  const size_t made = std::min(channels, kSplitBlocks * kBlock) * source_side * stage.pitch;
  const size_t filtered = channels * stage.side * stage.side / tasks;
  stage.rolls = !block.expands() || std::max(made, filtered) > kRollFloats;  // else they stay in cache
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

void CnnPass::plan() {
  const EncoderSizes& sizes = encoder_.sizes();
  size_t side = (size_ + kStemStride - 1) / kStemStride, pixels = 0, picture = 0, filtered = 0, pitch = 0;
  for (const PackedBlock& block : encoder_.blocks) {
    Stage stage = plan_stage(block, side);
    if (!stages_.empty() && block.residual()) stages_.back().keeps_floats = true;
    side = stage.side;
    const size_t left = sizes.blocks.size() - stages_.size() - 1;
    stage.zooms = sizes.window < 1 && left > 0 && left == sizes.tuned_blocks;
    stage.keeps_floats = stage.zooms;
    if (stage.zooms) window_ = Window(side, sizes.window);
    const size_t blocks = count_blocks(block.width), band = stage.band * side * pad_to_narrow(block.width);
    (stage.rolls ? band_size_ : filtered) = std::max(stage.rolls ? band_size_ : filtered, band);
    ring_size_ = std::max(ring_size_, (stage.rolls ? blocks : std::min(blocks, kSplitBlocks)) * stage.slots *
                                          stage.pitch * kBlock);
    picture = std::max(picture, side * side * pad_to_narrow(block.sizes.outputs));
    pixels = std::max(pixels, side * side);
    pitch = std::max(pitch, stage.pitch);
    stages_.push_back(stage);
  }
  zooms_regions_ = sizes.window < 1 && sizes.tuned_blocks == 0;
  if (zooms_regions_) window_ = Window(side, sizes.window);
  picture = std::max(picture, side * side * pad_to_block(sizes.region_channels));
  filtered = std::max(filtered, band_size_ * crew_.threads);
  lines_size_ = 3 * kStemKernel * pad_to_block(size_ + kStemKernel);
  arena_.plan(source_.data, picture);
  arena_.plan(target_.data, picture);
  if (precision_ != EncoderPrecision::float32) {
    arena_.plan(source_.narrow, picture + kNarrowSlack);
    arena_.plan(target_.narrow, picture + kNarrowSlack);
    arena_.plan(filtered_.narrow, filtered + kNarrowSlack);
    if (precision_ == EncoderPrecision::int16) {
      arena_.plan(source_.scale, pixels);
      arena_.plan(target_.scale, pixels);
    }
  } else {
    arena_.plan(filtered_.data, filtered);
  }
  arena_.plan(rings_, ring_size_ * crew_.threads);
  arena_.plan(lines_, lines_size_ * crew_.threads);
  arena_.plan(zeros_, pitch * kBlock);
  arena_.commit();
  std::fill_n(zeros_, pitch * kBlock, 0.0f);
}

const float* CnnPass::run(const float* pixels) {
  for (const Stage& stage : stages_) {
    target_.pixels = filtered_.pixels = stage.side * stage.side;
    if (stage.rolls)
      crew_.cut(stage.side,
                [&](size_t begin, size_t end, size_t task) { roll(stage, pixels, begin, end, task); });
    else
      split(stage);
    const size_t channels = stage.block->sizes.outputs;
    if (stage.zooms) zoom_target(stage.side, channels);
    const bool bfloat = precision_ == EncoderPrecision::bfloat16;
    if (precision_ == EncoderPrecision::int16 || (bfloat && stage.zooms)) narrow_target(channels);
    std::swap(source_, target_);
  }
  target_.pixels = source_.pixels;
  find_regions();
  if (zooms_regions_) zoom_target(stages_.back().side, encoder_.sizes().region_channels);
  return target_.data;
}

// Rows [row_begin, row_end) of the result; the rows of the middle at the cut are made by both neighbours.
void CnnPass::roll(const Stage& stage, const float* pixels, size_t row_begin, size_t row_end, size_t task) {
  const BlockSizes& sizes = stage.block->sizes;
  const size_t blocks = count_blocks(stage.block->width);
  const Ring ring{rings_ + task * ring_size_, stage.slots, stage.pitch, stage.padding};
  clear_padding(ring, blocks, stage.source_side);
  size_t made = row_begin * sizes.stride - std::min(row_begin * sizes.stride, stage.padding);
  for (size_t row = row_begin; row < row_end; row += stage.band) {
    const size_t last = std::min(row + stage.band, row_end);
    const size_t needed =
        std::min(stage.source_side, (last - 1) * sizes.stride + sizes.kernel - stage.padding);
    while (made < needed) {
      const size_t slot = made % ring.slots, count = std::min(needed - made, ring.slots - slot);
      make_rows(stage, ring, pixels, task, made, count);
      made += count;
    }
    Picture filtered{nullptr, nullptr, nullptr, (last - row) * stage.side};
    (filtered_.narrow ? void(filtered.narrow = filtered_.narrow + task * band_size_)
                      : void(filtered.data = filtered_.data + task * band_size_));
    filter(stage, ring, 0, blocks, row, last, filtered);
    project(stage, filtered, 0, row * stage.side, last * stage.side);
  }
}

// Threads share the channels of the middle, then the pixels of the result.
void CnnPass::split(const Stage& stage) {
  crew_.cut(count_blocks(stage.block->width), [&](size_t begin, size_t end, size_t task) {
    const Ring ring{rings_ + task * ring_size_, stage.slots, stage.pitch, stage.padding};
    clear_padding(ring, std::min(kSplitBlocks, end - begin), stage.source_side);
    for (size_t block = begin; block < end; block += kSplitBlocks) {
      const size_t blocks = std::min(kSplitBlocks, end - block);
      expand(stage, ring, block, blocks, 0, stage.source_side);
      filter(stage, ring, block, blocks, 0, stage.side, filtered_);
    }
  });
  crew_.cut(stage.side * stage.side,
            [&](size_t begin, size_t end, size_t) { project(stage, filtered_, begin, begin, end); });
}

// All channels of the middle's rows [row, row + rows), which are neighbours in the ring.
void CnnPass::make_rows(const Stage& stage, const Ring& ring, const float* pixels, size_t task, size_t row,
                        size_t rows) {
  const size_t blocks = count_blocks(stage.block->width);
  if (stage.block->expands()) return expand(stage, ring, 0, blocks, row, rows);
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
  const size_t pixel = row * stage.source_side, gap = stage.pitch - stage.source_side;
  if (source_.narrow) {
    MultiplyNarrow multiply{};
    multiply.source = source_.narrow + pixel * kNarrowBlock;
    multiply.source_stride = source_.narrow_stride();
    if (source_.scale) multiply.source_scale = source_.scale + pixel;
    set_weights(multiply, weights, block_begin);
    multiply.target = ring.at(row % ring.slots);
    multiply.target_stride = ring.stride();
    multiply.rows = rows * stage.source_side;
    multiply.run = stage.source_side, multiply.gap = gap;
    multiply.high = 6;
    return multiply_narrow(precision_, multiply, 0, blocks);
  }
  Multiply multiply{};
  multiply.source = source_.data + pixel * kBlock;
  multiply.source_stride = source_.stride();
  set_weights(multiply, weights, block_begin);
  multiply.target = ring.at(row % ring.slots);
  multiply.target_stride = ring.stride();
  multiply.rows = rows * stage.source_side;
  multiply.run = stage.source_side, multiply.gap = gap;
  multiply.high = 6;
  PYCAP_DISPATCH(multiply_rows(multiply, 0, blocks));
}

// Rows [row_begin, row_end) of some channels, whose middle is at the ring's start.
void CnnPass::filter(const Stage& stage, const Ring& ring, size_t block_begin, size_t blocks,
                     size_t row_begin, size_t row_end, const Picture& filtered) {
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
  filter.row_begin = row_begin;
  filter.row_end = row_end;
  filter.cols = stage.side;
  if (filtered.narrow)
    return filter_narrow(
        precision_, {filter, filtered.narrow, filtered.narrow_stride(), block_begin, block.width}, blocks);
  filter.target = filtered.data + block_begin * filtered.stride();
  filter.target_stride = filtered.stride();
  PYCAP_DISPATCH(filter_channels(filter, blocks));
}

// Pixels [begin, end) of the block's result, from those of the filtered middle that begin at `first`.
void CnnPass::project(const Stage& stage, const Picture& filtered, size_t first, size_t begin, size_t end) {
  const PackedBlock& block = *stage.block;
  const float* residual = block.residual() ? source_.data + begin * kBlock : nullptr;
  if (filtered.narrow) {
    const bool bfloat = precision_ == EncoderPrecision::bfloat16;  // else narrow_target() follows
    MultiplyNarrow multiply{};
    multiply.source = filtered.narrow + first * kNarrowBlock;
    multiply.source_stride = filtered.narrow_stride();
    set_weights(multiply, block.project, 0);
    multiply.residual = residual;
    multiply.residual_stride = source_.stride();
    multiply.target = stage.keeps_floats || !bfloat ? target_.data + begin * kBlock : nullptr;
    multiply.target_stride = target_.stride();
    multiply.narrow = bfloat ? target_.narrow + begin * kNarrowBlock : nullptr;
    multiply.narrow_stride = target_.narrow_stride();
    multiply.rows = multiply.run = end - begin;
    multiply.low = -kInfinity, multiply.high = kInfinity;
    const size_t columns = bfloat ? pad_to_narrow(block.sizes.outputs) : pad_to_block(block.sizes.outputs);
    return multiply_narrow(precision_, multiply, 0, columns / kBlock);
  }
  Multiply multiply{};
  multiply.source = filtered.data + first * kBlock;
  multiply.source_stride = filtered.stride();
  set_weights(multiply, block.project, 0);
  multiply.residual = residual;
  multiply.residual_stride = source_.stride();
  multiply.target = target_.data + begin * kBlock;
  multiply.target_stride = target_.stride();
  multiply.rows = multiply.run = end - begin;
  multiply.low = -kInfinity, multiply.high = kInfinity;
  PYCAP_DISPATCH(multiply_rows(multiply, 0, block.project.blocks()));
}

// The window of the target in its place.
void CnnPass::zoom_target(size_t side, size_t channels) {
  source_.pixels = target_.pixels;
  crew_.cut(side, [&](size_t begin, size_t end, size_t) {
    window_.zoom(target_.data, source_.data, count_blocks(channels), begin, end);
  });
  std::swap(source_, target_);
}

// The result of a block in 16 bits, pixel by pixel.
void CnnPass::narrow_target(size_t columns) {
  const NarrowRows rows{target_.data,   target_.stride(),        columns,
                        target_.narrow, target_.narrow_stride(), target_.scale};
  crew_.cut(target_.pixels,
            [&](size_t begin, size_t end, size_t) { narrow_rows(precision_, rows, begin, end); });
}

void CnnPass::find_regions() {
  const Dense& head = encoder_.head;
  Multiply multiply{};
  MultiplyNarrow narrow{};
  set_weights(multiply, head, 0), set_weights(narrow, head, 0);
  multiply.source = source_.data, narrow.source = source_.narrow;
  multiply.source_stride = source_.stride(), narrow.source_stride = source_.narrow_stride();
  narrow.source_scale = source_.scale;
  multiply.target = narrow.target = target_.data;
  multiply.target_stride = narrow.target_stride = target_.stride();
  multiply.rows = multiply.run = narrow.rows = narrow.run = source_.pixels;
  multiply.high = narrow.high = 6;
  crew_.cut(head.blocks(), [&](size_t begin, size_t end, size_t) {
    if (source_.narrow) return multiply_narrow(precision_, narrow, begin, end);
    PYCAP_DISPATCH(multiply_rows(multiply, begin, end));
  });
}

}  // namespace pycap
