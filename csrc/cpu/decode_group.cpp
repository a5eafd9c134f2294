#include "cpu/decode_group.h"

#include <cmath>
#include <limits>

#include "cpu/isa.h"

namespace pycap {
namespace {

// Folding multiplies every region by the context weights once, else every source of every step does, of which
// there are about 0.6 a row. It also spares reading these weights, which is what a single image waits for.
// Measured at 49 regions, beam 5, 14 steps (AMX): batch 1 takes 31 % less time with int8, batch 64 5 % more.
bool folding_pays(const DecodeCall& call) { return call.batch.regions <= call.sentences * call.max_length; }

constexpr size_t kPairs = 2;        // panels that a product takes at once where rows are few
constexpr size_t kWakingParts = 4;  // of a call's first work: threads that are still waking up miss only some

}  // namespace

DecodeGroup::DecodeGroup(DecodeCall& call, size_t slots, Team& team)
    : decoder_(call.decoder.view()),
      team_(team),
      tiles_((decoder_.sizes.vocab_size + kTileWords - 1) / kTileWords),
      slots_(slots),
      call_(call),
      features_(slots),
      feature_rows_(slots) {
  const DecoderSizes& sizes = decoder_.sizes;
  const size_t rows = slots * call.sentences, parents = rows + slots, regions = call.batch.regions;
  rows_.reserve(rows);
  sources_.reserve(rows);
  runs_.reserve(slots);
  fresh_.reserve(slots);
  view_.decoder = decoder_;
  view_.regions = regions;
  view_.region_stride = pad_to_panel(regions);
  view_.features = features_.data();
  arena_.plan(keys_, slots * regions * sizes.query_columns());
  view_.fold = folding_pays(call);
  if (view_.fold && decoder_.precision == Precision::float32)
    arena_.plan(folded_, slots * regions * sizes.mix_columns());
  arena_.plan(initial_, slots * 2 * sizes.hidden_columns());
  arena_.plan(mean_, slots * sizes.feature_dim);
  arena_.plan(cell_, parents * sizes.hidden_columns());
  arena_.plan(view_.next_cell, parents * sizes.hidden_columns());
  arena_.plan(view_.hidden, parents * sizes.hidden_columns());
  arena_.plan(view_.source_hidden, rows * sizes.hidden_columns());
  arena_.plan(view_.state, rows * sizes.state_columns());
  arena_.plan(view_.attention, rows * view_.region_stride);
  arena_.plan(view_.gated, rows * view_.region_stride);
  arena_.plan(view_.blended, rows * sizes.feature_dim);
  arena_.plan(view_.context, rows * sizes.mix_columns());
  arena_.plan(view_.mixed, rows * sizes.embed_columns());
  arena_.plan(view_.logits, team.threads() * rows * kTileWords);
  view_.tile_stride = pad_to_panel(tiles_);
  arena_.plan(view_.tile_maximum, rows * view_.tile_stride);
  arena_.plan(view_.tile_sum, rows * view_.tile_stride);
  if (decoder_.precision == Precision::float32) return;
  const size_t depth = pad_to_quad(sizes.feature_dim);
  arena_.plan(feature_codes_, slots * regions * depth);
  arena_.plan(feature_scales_, slots * regions);
  arena_.plan(mean_codes_, slots * depth);
  arena_.plan(mean_scales_, slots);
  arena_.plan(view_.hidden_codes, parents * sizes.hidden_columns());
  arena_.plan(hidden_scales_, parents);
  arena_.plan(view_.source_codes, rows * sizes.hidden_columns());
  arena_.plan(view_.source_scales, rows);
  arena_.plan(view_.mixed_codes, rows * sizes.embed_columns());
  arena_.plan(view_.blended_codes, rows * depth);
  arena_.plan(view_.blended_scales, rows);
  if (!view_.fold) return;
  const size_t folded_columns = slots * sizes.mix_columns(), folded_depth = pad_to_quad(regions);
  arena_.plan(folded_, team.threads() * regions * kPanel);  // a panel at a time
  arena_.plan(folded_codes_, folded_columns * folded_depth);
  arena_.plan(folded_scales_, folded_columns);
  arena_.plan(view_.gated_codes, rows * folded_depth);
  arena_.plan(view_.gated_scales, rows);
}

void DecodeGroup::commit() {
  arena_.commit();
  const size_t tiles = slots_.size() * call_.sentences * view_.tile_stride;
  std::fill_n(view_.tile_maximum, tiles, -std::numeric_limits<float>::infinity());
  std::fill_n(view_.tile_sum, tiles, 0.0f);
  view_.keys = keys_;
  view_.folded = folded_;
  if (folded_codes_)
    view_.folded_codes = {folded_codes_, folded_scales_, nullptr,
                          slots_.size() * decoder_.sizes.mix_columns(), pad_to_quad(view_.regions)};
}

// Fill free slots with the next images and list the rows of the next step.
bool DecodeGroup::admit() {
  fresh_.clear();
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (slot.busy) continue;
    const size_t image = call_.next_image.fetch_add(1);
    if (image >= call_.batch.images) break;
    slot.image = image;
    slot.busy = true;
    slot.fresh = true;
    begin(s);
    features_[s] = call_.batch.features + image * call_.batch.regions * decoder_.sizes.feature_dim;
    slot.first_row = state_rows_ + fresh_.size();
    fresh_.push_back(s);
  }
  if (!fresh_.empty()) prepare();
  list_rows();
  return !rows_.empty();
}

// The left side of a product: these rows, whose codes are made now where the weights are in 8 bits.
ProductRows DecodeGroup::quantise(const float* values, size_t stride, size_t columns, size_t count,
                                  uint8_t* codes, float* scales) {
  const ProductRows rows{values, stride, count, codes, pad_to_quad(columns), scales};
  if (decoder_.precision == Precision::int8)
    team_.cut(count, [&](size_t begin, size_t end, size_t) {
      PYCAP_DISPATCH(quantise_rows(values, stride, columns, codes, scales, begin, end));
    });
  return rows;
}

void DecodeGroup::prepare() {
  const DecoderSizes& sizes = decoder_.sizes;
  const size_t regions = call_.batch.regions, feature = sizes.feature_dim, hidden = sizes.hidden_columns();
  const size_t depth = pad_to_quad(feature), fresh = fresh_.size();
  for (size_t s : fresh_)
    feature_rows_[s] = quantise(features_[s], feature, feature, regions, feature_codes_ + s * regions * depth,
                                feature_scales_ + s * regions);
  const size_t key_panels = sizes.query_columns() / kPanel, mix_panels = sizes.mix_columns() / kPanel;
  const size_t feature_panels = key_panels + (view_.fold ? mix_panels : 0);
  auto multiply_features = [&](size_t begin, size_t end, size_t member) {
    for (size_t panel = begin; panel < end; ++panel)
      for (size_t s : fresh_) {  // inside: a panel stays in cache for all images
        if (panel < key_panels) {
          float* keys = keys_ + s * regions * sizes.query_columns();
          PYCAP_DISPATCH(multiply_panels(feature_rows_[s], decoder_.key, decoder_.key_bias, keys,
                                         sizes.query_columns(), panel, panel + 1));
          PYCAP_DISPATCH(exponentiate(keys, sizes.query_columns(), regions, panel, panel + 1));
        } else {
          const size_t mix = panel - key_panels;
          if (folded_codes_) {
            float* folded = folded_ + member * regions * kPanel;
            const size_t column = s * sizes.mix_columns() + mix * kPanel;
            PYCAP_DISPATCH(fold_codes(feature_rows_[s], decoder_.context, mix, folded,
                                      folded_codes_ + column * pad_to_quad(regions),
                                      folded_scales_ + column));
          } else {
            float* folded = folded_ + s * regions * sizes.mix_columns();
            PYCAP_DISPATCH(fold_panels(feature_rows_[s], decoder_.context, folded, mix, mix + 1));
          }
        }
      }
  };
  for (size_t part = 0; part < kWakingParts; ++part) {
    const size_t first = feature_panels * part / kWakingParts;
    const size_t count = feature_panels * (part + 1) / kWakingParts - first;
    team_.cut(count, [&](size_t begin, size_t end, size_t member) {
      multiply_features(first + begin, first + end, member);
    });
  }
  for (size_t i = 0; i < fresh; ++i)
    PYCAP_DISPATCH(average_rows(features_[fresh_[i]], regions, feature, mean_ + i * feature));
  const ProductRows mean = quantise(mean_, feature, feature, fresh, mean_codes_, mean_scales_);
  team_.cut(2 * hidden / kPanel, [&](size_t begin, size_t end, size_t) {
    PYCAP_DISPATCH(
        multiply_panels(mean, decoder_.initial, decoder_.initial_bias, initial_, 2 * hidden, begin, end));
  });
  PYCAP_DISPATCH(squash(initial_, fresh * 2 * hidden));
  for (size_t i = 0; i < fresh; ++i) {
    std::copy_n(initial_ + 2 * i * hidden, hidden, view_.hidden + (state_rows_ + i) * hidden);
    std::copy_n(initial_ + (2 * i + 1) * hidden, hidden, cell_ + (state_rows_ + i) * hidden);
  }
  quantise(view_.hidden + state_rows_ * hidden, hidden, hidden, fresh,
           view_.hidden_codes + state_rows_ * hidden, hidden_scales_ + state_rows_);
}

void DecodeGroup::list_rows() {
  rows_.clear();
  sources_.clear();
  runs_.clear();
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (!slot.busy) continue;
    const uint32_t parents = static_cast<uint32_t>(slot.first_row);
    slot.first_row = rows_.size();
    runs_.push_back({static_cast<uint32_t>(sources_.size()), 0, static_cast<uint32_t>(s)});
    if (slot.fresh)
      append(call_.start, parents);
    else
      extend(s, parents);
  }
}

void DecodeGroup::append(int32_t token, uint32_t parent) {
  StepRun& run = runs_.back();
  uint32_t source = run.source;
  while (source < sources_.size() && sources_[source].parent != parent) ++source;
  if (source == sources_.size()) {
    sources_.push_back({parent, run.slot});
    ++run.count;
  }
  rows_.push_back({token, source});
}

void DecodeGroup::gather_sources() {
  const size_t columns = decoder_.sizes.hidden_columns();
  for (size_t i = 0; i < sources_.size(); ++i) {
    const size_t parent = sources_[i].parent;
    if (decoder_.precision == Precision::int8) {
      std::copy_n(view_.hidden_codes + parent * columns, columns, view_.source_codes + i * columns);
      view_.source_scales[i] = hidden_scales_[parent];
    } else {
      std::copy_n(view_.hidden + parent * columns, columns, view_.source_hidden + i * columns);
    }
  }
}

void DecodeGroup::step() {
  const DecoderSizes& sizes = decoder_.sizes;
  view_.rows = rows_.data();
  view_.count = rows_.size();
  view_.sources = sources_.data();
  view_.source_count = sources_.size();
  view_.runs = runs_.data();
  view_.run_count = runs_.size();
  view_.cell = cell_;
  gather_sources();
  const StepView& view = view_;
  team_.cut(
      sizes.state_columns() / kPanel,
      [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(multiply_state(view, begin, end)); }, kPairs);
  team_.cut(view.run_count * view.regions,
            [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(score_regions(view, begin, end)); });
  PYCAP_DISPATCH(normalise_scores(view, 0, view.source_count));
  if (!view.fold)
    team_.cut(view.source_count,
              [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(blend_features(view, begin, end)); });
  team_.cut(sizes.hidden_columns() / kPanel,
            [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(update_cells(view, begin, end)); });
  team_.cut(
      sizes.embed_columns() / kPanel,
      [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(mix_output(view, begin, end)); }, kPairs);
  std::swap(cell_, view_.next_cell);
  state_rows_ = view_.count;
  if (decoder_.precision == Precision::int8) std::fill_n(hidden_scales_, state_rows_, 1 / kCodeSteps);
  predict();
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (!slot.busy) continue;
    slot.busy = advance(s);
    slot.fresh = false;
    if (!call_.finite) return;
  }
}

DecodeGroup::Softmax DecodeGroup::merge_tiles(size_t row, float sharpness) {
  float top, total;
  PYCAP_DISPATCH(merge_tiles(view_, row, sharpness, &top, &total));
  const float log_sum = std::log(total);
  // with int8 NaN may get no further than attention
  const bool attended = view_.attention[rows_[row].source * view_.region_stride] >= 0;
  if (!(log_sum >= 0) || std::isinf(log_sum) || std::isinf(top) || !attended) call_.finite = false;
  return {top, log_sum};
}

}  // namespace pycap
