// The arithmetic of a decoding step, phase by phase; a phase can be cut anywhere along its units, and a
// unit's result does not depend on the cut. Layouts "mix" and "state" are those of cpu/decoder.h.
//
// Everything up to the gates but the last word depends on the state that a sentence continues. Sentences of a
// beam often continue the same one, so this part is computed once for each such state, a "source".
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/decoder.h"
#include "cpu/isa.h"

namespace pycap {

constexpr size_t kTilePanels = 4;  // of the vocabulary, whose logits are reduced while they are in cache
constexpr size_t kTileWords = kTilePanels * kPanel;

struct StepRow {  // one live sentence
  int32_t token;  // its last word
  uint32_t source;
};

struct StepSource {  // a state that sentences continue
  uint32_t parent;   // row of `hidden` and `cell`
  uint32_t slot;     // image; sources of one image are neighbours
};

struct StepRun {           // the sources of one image
  uint32_t source, count;  // the first of them
  uint32_t slot;
};

// The left side of a product with a weight, in the precision that the weight has.
struct ProductRows {
  const float* values;
  size_t stride, count;
  const uint8_t* codes = nullptr;  // the same in 8 bits (int8_matrix.h)
  size_t code_stride = 0;
  const float* scales = nullptr;  // (count,); null: values are within [-1, 1] and all scales 1 / kCodeSteps
};

struct StepView {
  DecoderView decoder;
  const StepRow* rows;
  size_t count;  // rows
  const StepSource* sources;
  size_t source_count;
  const StepRun* runs;
  size_t run_count;
  size_t regions;  // of every image
  size_t region_stride;
  const float* const* features;  // of every slot: (regions, feature_dim)
  const float* keys;             // (slots, regions, query_columns): exp(2 key)
  bool fold;                     // features @ context^T is at hand:
  const float* folded;           // (slots, mix panels, regions, kPanel)
  Int8View folded_codes;         // with int8, for all slots: (slots * mix_columns, regions)
  const float* cell;             // (parents, hidden_columns)
  float* next_cell;              // (rows, hidden_columns)
  float* hidden;                 // (rows, hidden_columns); with int8 only its codes
  float* source_hidden;          // (sources, hidden_columns), of the step before; with int8 only its codes
  float* state;                  // (sources, state_columns), exp(2 query) in the place of the query
  float* attention;              // (sources, region_stride)
  float* gated;                  // (sources, region_stride): attention times the scalar gate
  float* blended;                // (sources, feature_dim): gated context, unless folded
  uint8_t *hidden_codes, *source_codes, *mixed_codes,
      *blended_codes;                                    // of what they are named for, with int8
  uint8_t* gated_codes;                                  // (sources, folded depth), which start at 0
  float *source_scales, *blended_scales, *gated_scales;  // (sources,)
  float* context;                                        // (sources, mix_columns): what the context adds
  float* mixed;                                          // (rows, embed_columns): deep output
  float* logits;                                         // (tasks, rows, kTileWords), of one tile at a time
  size_t tile_stride;                                    // tiles, padded
  float* tile_maximum;  // (rows, tile_stride): of the logits; -inf where no tile is
  float* tile_sum;      // (rows, tile_stride): sum of exp(logit - maximum), sharpened where words are drawn
};

#define PYCAP_DECLARE(isa)                                                                                   \
  namespace isa {                                                                                            \
  /* c = a @ weight^T + bias for panels [begin, end) */                                                      \
  void multiply_panels(const ProductRows& a, const WeightView& weight, const float* bias, float* c,          \
                       size_t ldc, size_t begin, size_t end);                                                \
  /* the same, transposed into packed panels of depth `rows`: folded (panels, rows, kPanel) */               \
  void fold_panels(const ProductRows& a, const WeightView& weight, float* folded, size_t begin, size_t end); \
  /* one of them in 8 bits, codes and scale (kPanel,) as in int8_matrix.h; works on folded (rows, kPanel) */ \
  void fold_codes(const ProductRows& a, const WeightView& weight, size_t panel, float* folded,               \
                  int8_t* codes, float* scale);                                                              \
  /* fill codes (rows, pad_to_quad(columns)) and scales of rows [begin, end); NaN where not finite */        \
  void quantise_rows(const float* values, size_t stride, size_t columns, uint8_t* codes, float* scales,      \
                     size_t begin, size_t end);                                                              \
  void average_rows(const float* values, size_t rows, size_t columns, float* mean);                          \
  void squash(float* values, size_t count); /* tanh; count is a multiple of kPanel */                        \
  /* exp(2 value), bounded, in place, for panels [begin, end) of all rows */                                 \
  void exponentiate(float* values, size_t stride, size_t rows, size_t begin, size_t end);                    \
  void multiply_state(const StepView& step, size_t begin, size_t end);   /* units: panels of state */        \
  void score_regions(const StepView& step, size_t begin, size_t end);    /* units: runs * regions */         \
  void normalise_scores(const StepView& step, size_t begin, size_t end); /* units: sources */                \
  void blend_features(const StepView& step, size_t begin, size_t end);   /* units: sources */                \
  void update_cells(const StepView& step, size_t begin, size_t end);     /* units: panels of hidden */       \
  /* the maximum of a row's logits and the sum of exp((logit - maximum) * sharpness) */                      \
  void merge_tiles(const StepView& step, size_t row, float sharpness, float* top, float* total);             \
  void mix_output(const StepView& step, size_t begin, size_t end); /* units: panels of mixed */              \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
