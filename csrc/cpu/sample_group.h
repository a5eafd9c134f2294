// Sampling as a strategy: every sentence of an image draws its own words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/decode_group.h"
#include "cpu/sample.h"
#include "cpu/sample_kernel.h"

namespace pycap {

struct SampleCall : DecodeCall {
  const SampleSettings& settings;
  const float* mask;  // (tiles, kTileWords): see DrawView
  const SampleOutput& output;
};

class SampleGroup final : public DecodeGroup {
 public:
  SampleGroup(SampleCall& call, size_t slots, Team& team);

 private:
  struct Sentence {  // unfinished
    NoiseKey noise;  // seed, image and sample absorbed
    float log_prob;
    int32_t token;      // its last word
    uint32_t place;     // in the output, (images, samples)
    uint32_t last_row;  // counted from its slot's first
  };
  struct Image {
    size_t words, first_draw;
    std::vector<Sentence> live;
  };

  void begin(size_t slot) override;
  void extend(size_t slot, uint32_t parents) override;
  void predict() override;
  bool advance(size_t slot) override;
  Drawn pick(size_t draw) const;  // the best of all tiles
  void finish(const Sentence& sentence, size_t words, bool ended);

  SampleCall& call_;
  std::vector<Image> images_;  // of every slot
  std::vector<DrawRow> draw_rows_;
  std::vector<NoiseKey> keys_;
  DrawView draw_{};
};

}  // namespace pycap
