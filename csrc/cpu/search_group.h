// Beam search as a strategy: live sentences of every image are ranked after each step.
#pragma once

#include <cstddef>
#include <vector>

#include "core/beam.h"
#include "cpu/beam_search.h"
#include "cpu/beam_search_kernel.h"
#include "cpu/decode_group.h"

namespace pycap {

struct SearchCall : DecodeCall {
  const SearchSettings& settings;
  const uint8_t* barred;
  const SearchOutput& output;
  LengthNorm norm;
};

class SearchGroup final : public DecodeGroup {
 public:
  SearchGroup(SearchCall& call, size_t slots, Team& team);

 private:
  void begin(size_t slot) override;
  void extend(size_t slot, uint32_t parents) override;
  void predict() override;
  bool advance(size_t slot) override;
  size_t rank(size_t slot);  // fills ranked_, returns how many
  void emit(size_t slot);
  float* history(size_t slot, size_t word, size_t beam) const;  // attention when a beam predicted a word

  SearchCall& call_;
  std::vector<BeamSearch> searches_;  // of every slot
  std::vector<Candidate> ranked_;     // (2 * beam,)
  RankView ranking_{};
  size_t tasks_ = 0;  // that predicted
  float* history_;    // in the arena
};

}  // namespace pycap
