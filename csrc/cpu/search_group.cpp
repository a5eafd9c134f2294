#include "cpu/search_group.h"

#include <limits>

#include "cpu/isa.h"

namespace pycap {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

SearchGroup::SearchGroup(SearchCall& call, size_t slots, Team& team)
    : DecodeGroup(call, slots, team),
      call_(call),
      searches_(slots, BeamSearch(call.settings, call.norm)),
      ranked_(2 * call.settings.beam) {
  const SearchSettings& settings = call.settings;
  const size_t rows = slots * settings.beam;
  ranking_.barred = call.barred;
  ranking_.barred_count =
      static_cast<size_t>(std::count(call.barred, call.barred + decoder_.sizes.vocab_size, 1));
  ranking_.end = settings.end;
  ranking_.ranks = std::min(2 * settings.beam, decoder_.sizes.vocab_size);
  arena_.plan(history_, slots * settings.max_length * settings.beam * call.batch.regions);
  arena_.plan(ranking_.end_logit, rows);
  arena_.plan(ranking_.lists, team.threads() * rows * list_stride(ranking_.ranks));
  commit();
}

void SearchGroup::begin(size_t slot) { searches_[slot].reset(); }

void SearchGroup::extend(size_t slot, uint32_t parents) {
  const BeamSearch& search = searches_[slot];
  for (size_t beam = 0; beam < search.live(); ++beam)
    append(search.token(beam), parents + static_cast<uint32_t>(search.parent(beam)));
}

void SearchGroup::predict() {
  clear_lists(ranking_.lists, team_.threads() * view_.count, ranking_.ranks);
  auto rank_tiles = [&](size_t begin, size_t end, size_t task) {
    PYCAP_DISPATCH(rank_words(view_, ranking_, begin, end, task));
  };
  tasks_ = team_.cut(tiles_, rank_tiles, 1, ranking_.backwards);
  ranking_.backwards = !ranking_.backwards;  // caches still hold the weights that were read last
}

bool SearchGroup::advance(size_t slot) {
  BeamSearch& search = searches_[slot];
  if (!search.must_end())
    for (size_t beam = 0; beam < search.live(); ++beam) {
      const size_t source = rows_[slots_[slot].first_row + beam].source;
      std::copy_n(view_.attention + source * view_.region_stride, view_.regions,
                  history(slot, search.words(), beam));
    }
  const size_t count = rank(slot);
  if (!call_.finite) return false;
  if (search.advance(ranked_.data(), count)) return true;
  emit(slot);
  return false;
}

// Turn listed logits into log-probabilities of whole sentences and rank the best continuations of an image.
size_t SearchGroup::rank(size_t slot) {
  const BeamSearch& search = searches_[slot];
  size_t count = 0;
  for (size_t beam = 0; beam < search.live(); ++beam) {
    const size_t row = slots_[slot].first_row + beam;
    const Softmax softmax = merge_tiles(row);
    auto insert = [&](float logit, int32_t token) {
      const float value = search.total(beam) + ((logit - softmax.top) - softmax.log_sum);
      if (!(value > kNever)) return;
      const Candidate fresh{value, static_cast<int32_t>(beam), token};
      count = insert_candidate(ranked_.data(), count, ranked_.size(), fresh);
    };
    if (search.words() > 0) insert(ranking_.end_logit[row], call_.settings.end);
    if (search.must_end()) continue;
    for (size_t task = 0; task < tasks_; ++task) {
      const WordKey* list = ranking_.list(task * view_.count + row);
      for (size_t i = 0; i < ranking_.ranks && list[i] != kNoWord; ++i)
        insert(logit_of(list[i]), word_of(list[i]));
    }
  }
  return count;
}

void SearchGroup::emit(size_t slot) {
  const SearchSettings& settings = call_.settings;
  const SearchOutput& output = call_.output;
  const size_t regions = call_.batch.regions;
  const std::vector<Finished>& finished = searches_[slot].finished();
  if (finished.empty()) call_.finite = false;
  for (size_t n = 0; n < settings.n_best; ++n) {
    const size_t place = slots_[slot].image * settings.n_best + n;
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
      searches_[slot].trace(finished[n], tokens, [&](size_t word, size_t beam) {
        std::copy_n(history(slot, word, beam), regions, attention + word * regions);
      });
  }
}

float* SearchGroup::history(size_t slot, size_t word, size_t beam) const {
  const size_t place = (slot * call_.settings.max_length + word) * call_.settings.beam + beam;
  return history_ + place * call_.batch.regions;
}

}  // namespace pycap
