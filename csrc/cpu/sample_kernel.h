// Words drawn from a step's logits: argmax of logit + temperature * Gumbel noise (Maddison et al. 2014).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/noise.h"
#include "cpu/decode_kernel.h"
#include "cpu/isa.h"

namespace pycap {

struct DrawRow {  // what is drawn from one row's logits
  uint32_t first_draw, draws;
  bool may_end;
};

struct Drawn {
  float score, logit;  // score: with noise
  int32_t word;
};

struct DrawView {
  const DrawRow* rows;
  const NoiseKey* keys;  // (draws,): seed, image, sample and step absorbed
  size_t draws;
  const float* mask;  // (tiles, kTileWords): 0, or -inf where a word is never drawn
  int32_t end;
  float temperature, sharpness;  // sharpness: 1 / temperature
  Drawn* best;                   // (tiles, draws); ties go to the lower word
};

#define PYCAP_DECLARE(isa)                                                                            \
  namespace isa {                                                                                     \
  /* units: tiles */                                                                                  \
  void draw_words(const StepView& step, const DrawView& draw, size_t begin, size_t end, size_t task); \
  /* standard Gumbel noise of random bits; count elements each */                                     \
  void gumbel_noise(const uint32_t* bits, float* noise, size_t count);                                \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
