#include "cpu/search_group.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/isa.h"
#include "cpu/pool.h"

namespace pycap {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Folding multiplies every region by the context weights once, else every row of every step does. Measured at
// 49 and 81 regions, beam 5, 14 steps: -20 and -30 % at batch 1 (weights come from memory), +5 and +20 % at
// batch 16.
bool folding_pays(size_t regions, const SearchSettings& settings) {
  return regions <= settings.beam * settings.max_length;
}

}  // namespace

SearchGroup::SearchGroup(SearchCall& call, size_t slots, size_t threads)
    : call_(call),
      decoder_(call.decoder.view()),
      threads_(threads),
      tiles_((decoder_.sizes.vocab_size + kTileWords - 1) / kTileWords),
      slots_(slots, Slot{BeamSearch(call.settings, call.norm)}),
      ranked_(2 * call.settings.beam),
      features_(slots) {
  const DecoderSizes& sizes = decoder_.sizes;
  const SearchSettings& settings = call.settings;
  const size_t rows = slots * settings.beam, parents = rows + slots, regions = call.batch.regions;
  rows_.reserve(rows);
  fresh_.reserve(slots);
  view_.decoder = decoder_;
  view_.regions = regions;
  view_.region_stride = pad_to_panel(regions);
  view_.features = features_.data();
  view_.barred = call.barred;
  view_.end = settings.end;
  view_.ranks = std::min(2 * settings.beam, sizes.vocab_size);
  arena_.plan(keys_, slots * regions * sizes.query_columns());
  if (folding_pays(regions, settings)) arena_.plan(folded_, slots * regions * sizes.mix_columns());
  arena_.plan(history_, slots * settings.max_length * settings.beam * regions);
  arena_.plan(initial_, slots * 2 * sizes.hidden_columns());
  arena_.plan(mean_, slots * sizes.feature_dim);
  arena_.plan(cell_, parents * sizes.hidden_columns());
  arena_.plan(view_.next_cell, parents * sizes.hidden_columns());
  arena_.plan(view_.state, parents * sizes.state_columns());
  arena_.plan(view_.hidden, parents * sizes.hidden_columns());
  arena_.plan(view_.attention, rows * view_.region_stride);
  arena_.plan(view_.gated, rows * view_.region_stride);
  arena_.plan(view_.blended, rows * sizes.feature_dim);
  arena_.plan(view_.context, rows * sizes.mix_columns());
  arena_.plan(view_.mixed, rows * sizes.embed_columns());
  arena_.plan(view_.tile_maximum, tiles_ * rows);
  arena_.plan(view_.tile_sum, tiles_ * rows);
  arena_.plan(view_.end_logit, rows);
  arena_.plan(view_.logits, threads * rows * kTileWords);
  arena_.plan(view_.listed, threads * rows * view_.ranks);
  arena_.plan(view_.listed_count, threads * rows);
  arena_.commit();
  view_.keys = keys_;
  view_.folded = folded_;
}

template <class Phase>
size_t SearchGroup::cut(size_t units, const Phase& phase) {
  const size_t tasks = std::min(threads_, units);
  if (tasks < 2) {
    if (units > 0) phase(0, units, 0);
    return tasks;
  }
  auto run = [&](size_t task) { phase(units * task / tasks, units * (task + 1) / tasks, task); };
  parallel_for(tasks, [&run](size_t task) { run(task); });  // one captured reference: no allocation
  return tasks;
}

// Fill free slots with the next images and list the rows of the next step.
bool SearchGroup::admit() {
  fresh_.clear();
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (slot.busy) continue;
    const size_t image = call_.next_image.fetch_add(1);
    if (image >= call_.batch.images) break;
    slot.image = image;
    slot.busy = true;
    slot.search.reset();
    features_[s] = call_.batch.features + image * call_.batch.regions * decoder_.sizes.feature_dim;
    slot.first_row = state_rows_ + fresh_.size();
    fresh_.push_back(s);
  }
  if (!fresh_.empty()) prepare();
  list_rows();
  return !rows_.empty();
}

void SearchGroup::prepare() {
  const DecoderSizes& sizes = decoder_.sizes;
  const size_t regions = call_.batch.regions, feature = sizes.feature_dim, hidden = sizes.hidden_columns();
  const size_t key_panels = sizes.query_columns() / kPanel, mix_panels = sizes.mix_columns() / kPanel;
  cut(key_panels + (folded_ ? mix_panels : 0), [&](size_t begin, size_t end, size_t) {
    for (size_t panel = begin; panel < end; ++panel)
      for (size_t s : fresh_) {  // inside: a panel stays in cache for all images
        if (panel < key_panels) {
          float* keys = keys_ + s * regions * sizes.query_columns();
          PYCAP_DISPATCH(multiply_panels(features_[s], feature, regions, decoder_.key, decoder_.key_bias,
                                         keys, sizes.query_columns(), panel, panel + 1));
        } else {
          const size_t mix = panel - key_panels;
          float* folded = folded_ + s * regions * sizes.mix_columns();
          PYCAP_DISPATCH(fold_panels(features_[s], regions, decoder_.context, folded, mix, mix + 1));
        }
      }
  });
  for (size_t i = 0; i < fresh_.size(); ++i)
    PYCAP_DISPATCH(average_rows(features_[fresh_[i]], regions, feature, mean_ + i * feature));
  cut(2 * hidden / kPanel, [&](size_t begin, size_t end, size_t) {
    PYCAP_DISPATCH(multiply_panels(mean_, feature, fresh_.size(), decoder_.initial, decoder_.initial_bias,
                                   initial_, 2 * hidden, begin, end));
  });
  PYCAP_DISPATCH(squash(initial_, fresh_.size() * 2 * hidden));
  for (size_t i = 0; i < fresh_.size(); ++i)
    std::copy_n(initial_ + (2 * i + 1) * hidden, hidden, cell_ + (state_rows_ + i) * hidden);
  const size_t first = sizes.embed_columns() / kPanel, panels = sizes.state_columns() / kPanel;
  cut(panels - first, [&](size_t begin, size_t end, size_t) {
    PYCAP_DISPATCH(multiply_panels(initial_, 2 * hidden, fresh_.size(), decoder_.state, decoder_.state_bias,
                                   view_.state + state_rows_ * sizes.state_columns(), sizes.state_columns(),
                                   first + begin, first + end));
  });
}

void SearchGroup::list_rows() {
  rows_.clear();
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (!slot.busy) continue;
    const size_t before = slot.first_row;
    slot.first_row = rows_.size();
    for (size_t beam = 0; beam < slot.search.live(); ++beam) {
      const bool first = slot.search.words() == 0;
      const int32_t token = first ? call_.settings.start : slot.search.token(beam);
      const size_t parent = before + (first ? 0 : slot.search.parent(beam));
      rows_.push_back({token, static_cast<uint32_t>(parent), static_cast<uint32_t>(s)});
    }
  }
}

void SearchGroup::step() {
  const DecoderSizes& sizes = decoder_.sizes;
  view_.rows = rows_.data();
  view_.count = rows_.size();
  view_.cell = cell_;
  const StepView& view = view_;
  cut(view.count * view.regions,
      [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(score_regions(view, begin, end)); });
  PYCAP_DISPATCH(normalise_scores(view, 0, view.count));
  if (!folded_)
    cut(view.count,
        [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(blend_features(view, begin, end)); });
  cut(sizes.hidden_columns() / kPanel,
      [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(update_cells(view, begin, end)); });
  cut(sizes.state_columns() / kPanel,
      [&](size_t begin, size_t end, size_t) { PYCAP_DISPATCH(multiply_state(view, begin, end)); });
  const size_t tasks = cut(tiles_, [&](size_t begin, size_t end, size_t task) {
    PYCAP_DISPATCH(rank_words(view, begin, end, task));
  });
  std::swap(cell_, view_.next_cell);
  state_rows_ = view_.count;
  for (size_t s = 0; s < slots_.size(); ++s) {
    Slot& slot = slots_[s];
    if (!slot.busy) continue;
    if (!slot.search.must_end())
      for (size_t beam = 0; beam < slot.search.live(); ++beam)
        std::copy_n(view.attention + (slot.first_row + beam) * view.region_stride, view.regions,
                    history(s, slot.search.words(), beam));
    const size_t count = rank(slot, tasks);
    if (!call_.finite) return;
    slot.busy = slot.search.advance(ranked_.data(), count);
    if (!slot.busy) emit(slot);
  }
}

// Turn listed logits into log-probabilities of whole sentences and rank the best continuations of an image.
size_t SearchGroup::rank(const Slot& slot, size_t tasks) {
  const BeamSearch& search = slot.search;
  size_t count = 0;
  for (size_t beam = 0; beam < search.live(); ++beam) {
    const size_t row = slot.first_row + beam;
    const float *maximum = view_.tile_maximum + row, *sum = view_.tile_sum + row;
    float top = *maximum;
    for (size_t tile = 1; tile < tiles_; ++tile) top = std::max(top, maximum[tile * view_.count]);
    float total = 0;
    for (size_t tile = 0; tile < tiles_; ++tile)
      total += sum[tile * view_.count] * std::exp(maximum[tile * view_.count] - top);
    const float rest = std::log(total);
    if (!(rest >= 0) || std::isinf(rest) || std::isinf(top)) call_.finite = false;
    auto insert = [&](float logit, int32_t token) {
      const float value = search.total(beam) + ((logit - top) - rest);
      if (!(value > kNever)) return;
      const Candidate fresh{value, static_cast<int32_t>(beam), token};
      count = insert_candidate(ranked_.data(), count, ranked_.size(), fresh);
    };
    if (search.words() > 0) insert(view_.end_logit[row], call_.settings.end);
    if (search.must_end()) continue;
    for (size_t task = 0; task < tasks; ++task) {
      const Candidate* listed = view_.listed + (task * view_.count + row) * view_.ranks;
      for (size_t i = 0; i < view_.listed_count[task * view_.count + row]; ++i)
        insert(listed[i].value, listed[i].token);
    }
  }
  return count;
}

void SearchGroup::emit(const Slot& slot) {
  const SearchSettings& settings = call_.settings;
  const SearchOutput& output = call_.output;
  const size_t regions = call_.batch.regions, s = &slot - slots_.data();
  const std::vector<Finished>& finished = slot.search.finished();
  if (finished.empty()) call_.finite = false;
  for (size_t n = 0; n < settings.n_best; ++n) {
    const size_t place = slot.image * settings.n_best + n;
    int64_t* tokens = output.tokens + place * settings.max_length;
    float* attention = output.attention + place * settings.max_length * regions;
    const bool found = n < finished.size();
    const size_t words = found ? finished[n].words : 0;
    output.lengths[place] = words;
    output.scores[place] = found ? finished[n].score : kNever;
    output.log_probs[place] = found ? finished[n].log_prob : kNever;
    std::fill(tokens + words, tokens + settings.max_length, settings.pad);
    std::fill(attention + words * regions, attention + settings.max_length * regions, 0.0f);
    if (found)
      slot.search.trace(finished[n], tokens, [&](size_t word, size_t beam) {
        std::copy_n(history(s, word, beam), regions, attention + word * regions);
      });
  }
}

float* SearchGroup::history(size_t slot, size_t word, size_t beam) const {
  const size_t place = (slot * call_.settings.max_length + word) * call_.settings.beam + beam;
  return history_ + place * call_.batch.regions;
}

}  // namespace pycap
