// The bookkeeping of one image's beam search: live and finished sentences, back-pointers, exact early stop.
//
// Sees only candidates (log-probability, parent beam, token); knows nothing about models, vocabularies or
// threads. The rules are those of pycap/ops/beam.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/topk.h"

namespace pycap {

struct SearchSettings {
  size_t beam;        // live sentences, at least 1
  size_t max_length;  // words at most, at least 1
  size_t n_best;      // 1 .. beam
  double length_penalty;
  int32_t start, end, pad;
};

// What every image of a search shares.
class LengthNorm {
 public:
  explicit LengthNorm(const SearchSettings& settings) : norms_(settings.max_length + 1) {
    for (size_t words = 0; words < norms_.size(); ++words)
      norms_[words] = static_cast<float>(std::pow(static_cast<double>(words + 1), settings.length_penalty));
  }

  float score(float log_prob, size_t words) const { return log_prob / norms_[words]; }
  float bound(float log_prob) const { return score(log_prob, norms_.size() - 1); }  // best it can still reach

 private:
  std::vector<float> norms_;
};

// A finished sentence: its last live beam and how long it had become.
struct Finished {
  float score, log_prob;
  size_t words;
  int32_t beam;
};

class BeamSearch {
 public:
  BeamSearch(const SearchSettings& settings, const LengthNorm& norm)
      : settings_(settings),
        norm_(norm),
        totals_(settings.beam),
        links_(settings.max_length * settings.beam) {
    finished_.reserve(settings.n_best + 1);
    ends_.reserve(settings.beam);
    reset();
  }

  void reset() {
    words_ = 0;
    live_ = 1;
    totals_[0] = 0;
    finished_.clear();
  }

  size_t words() const { return words_; }  // that every live sentence has
  size_t live() const { return live_; }
  bool must_end() const { return words_ == settings_.max_length; }
  float total(size_t beam) const { return totals_[beam]; }
  int32_t token(size_t beam) const { return links_[(words_ - 1) * settings_.beam + beam].token; }
  int32_t parent(size_t beam) const { return links_[(words_ - 1) * settings_.beam + beam].parent; }
  const std::vector<Finished>& finished() const { return finished_; }

  // Take one step: `ranked` are its best continuations in order, `2 * beam` where there are as many (or, when
  // must_end(), END of every live beam). Returns false when the image is done.
  bool advance(const Candidate* ranked, size_t count) {
    size_t survivors = 0;
    ends_.clear();
    for (size_t rank = 0; rank < count; ++rank) {
      if (ranked[rank].token == settings_.end) {
        if (rank < settings_.beam) ends_.push_back(ranked[rank]);
      } else if (survivors < settings_.beam) {
        links_[words_ * settings_.beam + survivors] = {ranked[rank].parent, ranked[rank].token};
        totals_[survivors++] = ranked[rank].value;
      }
    }
    std::sort(ends_.begin(), ends_.end(), [](const auto& a, const auto& b) { return a.parent < b.parent; });
    for (const Candidate& end : ends_) finish(end);
    if (survivors == 0) return false;
    ++words_;
    live_ = survivors;
    if (finished_.size() < settings_.n_best) return true;
    return settings_.beam > 1 && finished_.back().score < norm_.bound(totals_[0]);  // a beam of one is greedy
  }

  // Write a finished sentence's words; visit(position, beam that predicted the word), last to first.
  template <class Visit>
  void trace(const Finished& sentence, int64_t* tokens, Visit visit) const {
    int32_t beam = sentence.beam;
    for (size_t position = sentence.words; position-- > 0;) {
      const Link& link = links_[position * settings_.beam + beam];
      tokens[position] = link.token;
      beam = link.parent;
      visit(position, beam);
    }
  }

 private:
  struct Link {
    int32_t parent, token;
  };

  void finish(const Candidate& end) {  // equal scores keep their order: earlier, then lower beam
    Finished fresh{norm_.score(end.value, words_), end.value, words_, end.parent};
    auto is_worse = [&](const Finished& other) { return other.score < fresh.score; };
    auto place = std::find_if(finished_.begin(), finished_.end(), is_worse);
    if (finished_.size() == settings_.n_best && place == finished_.end()) return;
    finished_.insert(place, fresh);
    if (finished_.size() > settings_.n_best) finished_.pop_back();
  }

  const SearchSettings& settings_;
  const LengthNorm& norm_;
  size_t words_, live_;
  std::vector<float> totals_;  // (beam,) log-probabilities of live sentences
  std::vector<Link> links_;    // (max_length, beam) back-pointers
  std::vector<Finished> finished_;
  std::vector<Candidate> ends_;  // of the current step
};

}  // namespace pycap
