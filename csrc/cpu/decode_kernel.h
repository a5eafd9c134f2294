// The arithmetic of a decoding step, phase by phase; a phase can be cut anywhere along its units, and a
// unit's result does not depend on the cut. Layouts "mix" and "state" are those of cpu/decoder.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/decoder.h"
#include "cpu/isa.h"

namespace pycap {

constexpr size_t kTilePanels = 4;  // of the vocabulary, whose logits are reduced while they are in cache
constexpr size_t kTileWords = kTilePanels * kPanel;

struct StepRow {    // one live sentence
  int32_t token;    // its last word
  uint32_t parent;  // row of `state` and `cell` it continues
  uint32_t slot;    // image; rows of one image are neighbours
};

struct StepRun {       // the rows of one image
  uint32_t row, count;  // the first of them
  uint32_t slot;
};

struct StepView {
  DecoderView decoder;
  const StepRow* rows;
  size_t count;  // rows
  const StepRun* runs;
  size_t run_count;
  size_t regions;  // of every image
  size_t region_stride;
  const float* const* features;  // of every slot: (regions, feature_dim)
  const float* keys;             // (slots, regions, query_columns): exp(2 key)
  const float*
      folded;    // (slots, mix panels, regions, kPanel): features @ context^T; null: multiplied each step
  float* state;  // (parents, state_columns), of the step before, exp(2 query) in the place of the query;
                 // multiply_state overwrites it
  const float* cell;    // (parents, hidden_columns)
  float* next_cell;     // (rows, hidden_columns)
  float* hidden;        // (rows, hidden_columns)
  float* attention;     // (rows, region_stride)
  float* gated;         // (rows, region_stride): attention times the scalar gate
  float* blended;       // (rows, feature_dim): gated context, unless folded
  float* context;       // (rows, mix_columns): what the context adds
  float* mixed;         // (rows, embed_columns): deep output
  float* logits;        // (tasks, rows, kTileWords), of one tile at a time
  float* tile_maximum;  // (tiles, rows): of the logits
  float* tile_sum;      // (tiles, rows): sum of exp(logit - maximum), sharpened where words are drawn
};

#define PYCAP_DECLARE(isa)                                                                            \
  namespace isa {                                                                                     \
  /* c = a @ weight^T + bias for panels [begin, end) */                                               \
  void multiply_panels(const float* a, size_t lda, size_t rows, const PackedView<float>& weight,      \
                       const float* bias, float* c, size_t ldc, size_t begin, size_t end);            \
  /* the same, transposed into packed panels of depth `rows`: folded (panels, rows, kPanel) */        \
  void fold_panels(const float* a, size_t rows, const PackedView<float>& weight, float* folded,       \
                   size_t begin, size_t end);                                                         \
  void average_rows(const float* values, size_t rows, size_t columns, float* mean);                   \
  void squash(float* values, size_t count); /* tanh; count is a multiple of kPanel */                 \
  /* exp(2 value), bounded, in place, for panels [begin, end) of all rows */                          \
  void exponentiate(float* values, size_t stride, size_t rows, size_t begin, size_t end);             \
  void score_regions(const StepView& step, size_t begin, size_t end);    /* units: runs * regions */  \
  void normalise_scores(const StepView& step, size_t begin, size_t end); /* units: rows */            \
  void blend_features(const StepView& step, size_t begin, size_t end);   /* units: rows */            \
  void update_cells(const StepView& step, size_t begin, size_t end);     /* units: kPanel hidden */   \
  void multiply_state(const StepView& step, size_t begin, size_t end);   /* units: panels of state */ \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
