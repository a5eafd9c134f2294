// The bookkeeping of one image's beam search on the GPU: the rules of pycap/ops/beam.py on plain arrays, for
// one thread. The tests run it beside core/beam.h.
#pragma once

#include "core/topk.h"
#include "cuda/common.cuh"

namespace pycap::cuda {

struct SearchRules {
  int beam;        // live sentences, at least 1
  int max_length;  // words at most, at least 1
  int n_best;      // 1 .. beam
  int end;
  const float* norms;  // (max_length + 1,) what a log-probability is divided by, by words
};

struct Link {
  int32_t parent, token;
};

struct Ended {
  float score, log_prob;
  int32_t words, beam;
};

struct Progress {
  int32_t words, live, ended;
};

// One image's view of the search.
struct BeamState {
  Progress* progress;
  float* totals;  // (beam,) log-probabilities of live sentences
  Link* links;    // (max_length, beam) back-pointers
  Ended* ended;   // (n_best,) best first
};

__device__ inline void begin_search(const BeamState& state) {
  *state.progress = {0, 1, 0};
  state.totals[0] = 0.0f;
}

// Keeps a sentence that ends now; equal scores keep their order: earlier, then lower beam.
__device__ inline void end_sentence(const SearchRules& rules, const BeamState& state, const Candidate& end) {
  Progress& progress = *state.progress;
  const Ended fresh = {end.value / rules.norms[progress.words], end.value, progress.words, end.parent};
  int place = progress.ended;
  while (place > 0 && state.ended[place - 1].score < fresh.score) --place;
  if (place == rules.n_best) return;
  progress.ended = min(progress.ended + 1, rules.n_best);
  for (int i = progress.ended - 1; i > place; --i) state.ended[i] = state.ended[i - 1];
  state.ended[place] = fresh;
}

// Takes one step: `ranked` are the image's best continuations in order. Returns false when the image is done.
__device__ inline bool advance_search(const SearchRules& rules, const BeamState& state,
                                      const Candidate* ranked, int count) {
  Progress& progress = *state.progress;
  const int ending = min(count, rules.beam), live = progress.live;
  for (int beam = 0; beam < live; ++beam) {  // END comes once a beam at most: in the order of the beams
    for (int rank = 0; rank < ending; ++rank) {
      if (ranked[rank].token == rules.end && ranked[rank].parent == beam)
        end_sentence(rules, state, ranked[rank]);
    }
  }
  int survivors = 0;
  for (int rank = 0; rank < count && survivors < rules.beam && progress.words < rules.max_length; ++rank) {
    if (ranked[rank].token == rules.end) continue;
    state.links[progress.words * rules.beam + survivors] = {ranked[rank].parent, ranked[rank].token};
    state.totals[survivors++] = ranked[rank].value;
  }
  if (survivors == 0) return false;
  ++progress.words;
  progress.live = survivors;
  if (progress.ended < rules.n_best) return true;
  const float reachable = state.totals[0] / rules.norms[rules.max_length];
  return rules.beam > 1 && state.ended[rules.n_best - 1].score < reachable;  // a beam of one is greedy
}

}  // namespace pycap::cuda
