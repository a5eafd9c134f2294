// Images decoded together: the rows of all their live sentences share the products with the weights.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "core/arena.h"
#include "core/beam.h"
#include "cpu/beam_search.h"
#include "cpu/beam_search_kernel.h"
#include "cpu/decoder.h"

namespace pycap {

// What all groups of one call share.
struct SearchCall {
  const Decoder& decoder;
  const RegionBatch& batch;
  const SearchSettings& settings;
  const uint8_t* barred;
  const SearchOutput& output;
  LengthNorm norm;
  std::atomic<size_t> next_image{0};
  std::atomic<bool> finite{true};
};

// Every image of a group is at its own length; a finished one makes room for the next of the batch.
class SearchGroup {
 public:
  SearchGroup(SearchCall& call, size_t slots, size_t threads);
  SearchGroup(const SearchGroup&) = delete;
  SearchGroup& operator=(const SearchGroup&) = delete;

  void run() {  // until the batch has no image left
    while (call_.finite && admit()) step();
  }

 private:
  struct Slot {
    BeamSearch search;
    size_t image = 0;
    bool busy = false;
    size_t first_row = 0;  // of its live sentences in the last step; before the first, of its initial state
  };

  template <class Phase>
  size_t cut(size_t units, const Phase& phase);  // phase(begin, end, task) on the threads; returns the tasks
  bool admit();                                  // false when nothing is left to decode
  void prepare();                                // keys, folded contexts and initial states of fresh_ images
  void list_rows();
  void step();
  size_t rank(const Slot& slot, size_t tasks);  // fills ranked_, returns how many
  void emit(const Slot& slot);
  float* history(size_t slot, size_t word, size_t beam) const;  // attention when a beam predicted a word

  SearchCall& call_;
  const DecoderView decoder_;
  const size_t threads_, tiles_;
  std::vector<Slot> slots_;
  std::vector<StepRow> rows_;           // of the step
  std::vector<size_t> fresh_;           // slots that got a new image
  std::vector<Candidate> ranked_;       // (2 * beam,)
  std::vector<const float*> features_;  // of every slot
  size_t state_rows_ = 0;               // rows of state and cell that the next step may continue
  StepView view_{};
  Arena arena_;
  float *keys_, *folded_ = nullptr, *cell_, *initial_, *mean_, *history_;  // in the arena
};

}  // namespace pycap
