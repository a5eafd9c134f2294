#include "cpu/decode_kernel.h"

#include "cpu/gemm.h"
#include "cpu/product.h"
#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

constexpr size_t kWidth = kLanes<float>;
typedef Vec<float> Floats;

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
inline size_t larger(size_t a, size_t b) { return a < b ? b : a; }

// Panels [begin, end) of what the context adds to gates and deep output, for all sources.
void add_context(const StepView& step, size_t begin, size_t end) {
  const DecoderSizes& sizes = step.decoder.sizes;
  const size_t columns = sizes.mix_columns();
  if (!step.fold) {
    multiply({step.blended, sizes.feature_dim, step.source_count, step.blended_codes,
              pad_to_quad(sizes.feature_dim), step.blended_scales},
             step.decoder.context, nullptr, step.context, columns, begin, end);
    return;
  }
  for (size_t r = 0; r < step.run_count; ++r) {
    const StepRun& run = step.runs[r];
    const Int8View& codes = step.folded_codes;
    if (codes.data) {
      int8_gemm_panels(
          {step.gated_codes + run.source * codes.depth, codes.depth, run.count,
           step.gated_scales + run.source, step.context + run.source * columns, columns, nullptr},
          slice(codes, run.slot * columns, columns), begin, end);
      continue;
    }
    PackedView<float> weight{step.folded + run.slot * columns * step.regions, columns, step.regions};
    gemm_panels<float>({step.gated + run.source * step.region_stride, step.region_stride, run.count,
                        step.context + run.source * columns, columns, false, nullptr},
                       weight, begin, end);
  }
}

constexpr float kMostCode = 255;  // of gated attention, which is not negative

constexpr size_t kScoredRows = 5;  // sources that share one reading of a region's key

template <size_t Rows>
void score_rows(const StepView& step, size_t slot, size_t region, size_t source, size_t rows) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return score_rows<Rows - 1>(step, slot, region, source, rows);
  }
  const DecoderSizes& sizes = step.decoder.sizes;
  const size_t columns = sizes.query_columns();
  const float* key = step.keys + (slot * step.regions + region) * columns;
  const float* queries[Rows];
  for (size_t r = 0; r < Rows; ++r)
    queries[r] = step.state + (source + r) * sizes.state_columns() + sizes.query_begin();
  Floats sums[Rows] = {};
  for (size_t a = 0; a < columns; a += kWidth) {
    const Floats factor = load(key + a), score = load(step.decoder.score + a);
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r) sums[r] += score * half_gap(factor, load(queries[r] + a));
  }
  for (size_t r = 0; r < Rows; ++r)
    step.attention[(source + r) * step.region_stride + region] = sum_lanes<float>(sums[r]);
}

// Codes and scales, as int8_matrix.h has them, of a panel (rows, kPanel).
void shrink_panel(const float* panel, size_t rows, int8_t* codes, float* scale) {
  const Floats none = broadcast(1e-30f);  // less is 0
  for (size_t unit = 0; unit < kPanel; unit += kWidth) {
    Floats largest{};
    for (size_t row = 0; row < rows; ++row) {
      const Floats value = load(panel + row * kPanel + unit);
      largest = maximum<float>(maximum<float>(value, -value), largest);
    }
    store(scale + unit, largest / kCodeSteps);
    const Floats steps = largest > none ? kCodeSteps / largest : Floats{};
    for (size_t first = 0; first < rows; first += kQuad) {
      BitsOf32 quad{};
      for (size_t i = 0; i < kQuad && first + i < rows; ++i) {
        const Floats value = load(panel + (first + i) * kPanel + unit) * steps;
        const Floats positive = value + (kZeroCode + 0.5f);  // conversion cuts off what is behind the point
        const BitsOf32 code = (BitsOf32)(__builtin_convertvector(positive, IntsOf32) - kZeroCode);
        quad |= (code & 255) << static_cast<uint32_t>(8 * i);
      }
      __builtin_memcpy(codes + first * kPanel + unit * kQuad, &quad, sizeof(quad));
    }
  }
}

}  // namespace

void multiply_panels(const ProductRows& a, const WeightView& weight, const float* bias, float* c, size_t ldc,
                     size_t begin, size_t end) {
  multiply(a, weight, bias, c, ldc, begin, end);
}

void fold_panels(const ProductRows& a, const WeightView& weight, float* folded, size_t begin, size_t end) {
  for (size_t panel = begin; panel < end; ++panel)  // one packed panel is a row-major (rows, kPanel) product
    multiply(a, slice(weight, panel * kPanel, kPanel), nullptr, folded + panel * a.count * kPanel, kPanel, 0,
             1);
}

void fold_codes(const ProductRows& a, const WeightView& weight, size_t panel, float* folded, int8_t* codes,
                float* scale) {
  multiply(a, slice(weight, panel * kPanel, kPanel), nullptr, folded, kPanel, 0, 1);
  shrink_panel(folded, a.count, codes, scale);
}

void quantise_rows(const float* values, size_t stride, size_t columns, uint8_t* codes, float* scales,
                   size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row)
    scales[row] = quantise_row(values + row * stride, columns, codes + row * pad_to_quad(columns));
}

void average_rows(const float* values, size_t rows, size_t columns, float* mean) {
  for (size_t column = 0; column < columns; column += kWidth) {
    const size_t count = columns - column;
    Floats sum{};
    for (size_t row = 0; row < rows; ++row) sum += load(values + row * columns + column, count);
    store(mean + column, sum / static_cast<float>(rows), count);
  }
}

void squash(float* values, size_t count) {
  for (size_t i = 0; i < count; i += kWidth) store(values + i, tanh(load(values + i)));
}

void exponentiate(float* values, size_t stride, size_t rows, size_t begin, size_t end) {
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = begin * kPanel; i < end * kPanel; i += kWidth)
      store(values + row * stride + i, tanh_summand(load(values + row * stride + i)));
}

// state = [recurrent; query; gate] @ source hidden, with exp(2 query) for the query
void multiply_state(const StepView& step, size_t begin, size_t end) {
  const DecoderSizes& sizes = step.decoder.sizes;
  multiply({step.source_hidden, sizes.hidden_columns(), step.source_count, step.source_codes,
            sizes.hidden_columns(), step.source_scales},
           step.decoder.state, step.decoder.state_bias, step.state, sizes.state_columns(), begin, end);
  const size_t query = sizes.query_begin() / kPanel, query_end = sizes.gate_begin() / kPanel;
  exponentiate(step.state, sizes.state_columns(), step.source_count, larger(begin, query),
               smaller(end, query_end));
}

// energy = score . tanh(key + query), up to a constant that a softmax ignores: tanh(x) = 1 - 2 / (1 +
// exp(2x)), and exp(2 key) and exp(2 query) are at hand, so that a term costs one reciprocal.
void score_regions(const StepView& step, size_t begin, size_t end) {
  for (size_t unit = begin; unit < end; ++unit) {
    const StepRun& run = step.runs[unit / step.regions];
    const size_t region = unit % step.regions;
    for (size_t i = 0; i < run.count; i += kScoredRows)
      score_rows<kScoredRows>(step, run.slot, region, run.source + i, smaller(run.count - i, kScoredRows));
  }
}

// attention = softmax(energy), gated = sigmoid(gate) * attention
void normalise_scores(const StepView& step, size_t begin, size_t end) {
  const DecoderSizes& sizes = step.decoder.sizes;
  for (size_t source = begin; source < end; ++source) {
    float* attention = step.attention + source * step.region_stride;
    float* gated = step.gated + source * step.region_stride;
    float largest = attention[0];
    for (size_t r = 1; r < step.regions; ++r) largest = attention[r] > largest ? attention[r] : largest;
    Floats sum{};
    for (size_t r = 0; r < step.regions; r += kWidth) {
      const size_t count = step.regions - r;
      Floats weight = exp(load(attention + r, count) - largest);
      store(attention + r, weight, count);
      sum += load(attention + r, count);
    }
    const float inverse = 1 / sum_lanes<float>(sum);
    const float gate = sigmoid_scalar(step.state[source * sizes.state_columns() + sizes.gate_begin()]);
    for (size_t r = 0; r < step.regions; ++r) {
      attention[r] *= inverse;
      gated[r] = attention[r] * gate;
    }
    if (step.folded_codes.data == nullptr) continue;
    const size_t depth = step.folded_codes.depth;
    const float most = inverse * gate;  // the largest weight was 1 before
    step.gated_scales[source] = most / kMostCode;
    for (size_t r = 0; r < depth; r += kWidth)
      store_codes(load(gated + r, step.regions - r), most > 0 ? kMostCode / most : 0,
                  step.gated_codes + source * depth + r, depth - r, 0);
  }
}

// blended = sum over regions of gated * features
void blend_features(const StepView& step, size_t begin, size_t end) {
  constexpr size_t vectors = 4;
  const size_t columns = step.decoder.sizes.feature_dim;
  for (size_t source = begin; source < end; ++source) {
    const float* features = step.features[step.sources[source].slot];
    const float* gated = step.gated + source * step.region_stride;
    float* blended = step.blended + source * columns;
    size_t column = 0;
    for (; column + vectors * kWidth <= columns; column += vectors * kWidth) {
      Floats sums[vectors] = {};
      for (size_t region = 0; region < step.regions; ++region)
        for (size_t v = 0; v < vectors; ++v)
          sums[v] += gated[region] * load(features + region * columns + column + v * kWidth);
      for (size_t v = 0; v < vectors; ++v) store(blended + column + v * kWidth, sums[v]);
    }
    for (; column < columns; column += kWidth) {
      Floats sum{};
      for (size_t region = 0; region < step.regions; ++region)
        sum += gated[region] * load(features + region * columns + column, columns - column);
      store(blended + column, sum, columns - column);
    }
    if (step.decoder.precision == Precision::int8)
      step.blended_scales[source] =
          quantise_row(blended, columns, step.blended_codes + source * pad_to_quad(columns));
  }
}

// gates = words[token] + recurrent @ hidden + context @ gated context; then the LSTM cell
void update_cells(const StepView& step, size_t begin, size_t end) {
  const DecoderSizes& sizes = step.decoder.sizes;
  const size_t first = sizes.embed_columns() / kPanel;
  add_context(step, first + 4 * begin, first + 4 * end);
  for (size_t row = 0; row < step.count; ++row) {
    const StepRow& live = step.rows[row];
    const size_t parent = step.sources[live.source].parent;
    for (size_t block = begin; block < end; ++block) {
      const size_t gates_begin = 4 * kPanel * block, column = sizes.embed_columns() + gates_begin;
      const float* word = step.decoder.words + live.token * sizes.mix_columns() + column;
      const float* recurrent = step.state + live.source * sizes.state_columns() + gates_begin;
      const float* context = step.context + live.source * sizes.mix_columns() + column;
      const float* cell = step.cell + parent * sizes.hidden_columns() + block * kPanel;
      float* next_cell = step.next_cell + row * sizes.hidden_columns() + block * kPanel;
      const size_t place = row * sizes.hidden_columns() + block * kPanel;
      float* hidden = step.hidden + place;
      uint8_t* codes = step.decoder.precision == Precision::int8 ? step.hidden_codes + place : nullptr;
      for (size_t unit = 0; unit < kPanel; unit += kWidth) {
        Floats gates[4];
        for (size_t g = 0; g < 4; ++g) {
          const size_t i = g * kPanel + unit;
          gates[g] = load(word + i) + load(recurrent + i) + load(context + i);
        }
        Floats updated = sigmoid(gates[1]) * load(cell + unit) + sigmoid(gates[0]) * tanh(gates[2]);
        store(next_cell + unit, updated);
        const Floats state = sigmoid(gates[3]) * tanh(updated);
        if (codes)
          store_codes(state, kCodeSteps, codes + unit);
        else
          store(hidden + unit, state);
      }
    }
  }
}

// mixed = tanh(words[token] + output_hidden @ hidden + output_context @ gated context)
void mix_output(const StepView& step, size_t begin, size_t end) {
  const DecoderSizes& sizes = step.decoder.sizes;
  const size_t columns = sizes.embed_columns();
  multiply({step.hidden, sizes.hidden_columns(), step.count, step.hidden_codes, sizes.hidden_columns()},
           step.decoder.output_hidden, nullptr, step.mixed, columns, begin, end);
  add_context(step, begin, end);
  for (size_t row = 0; row < step.count; ++row) {
    const StepRow& live = step.rows[row];
    const float* word = step.decoder.words + live.token * sizes.mix_columns();
    const float* context = step.context + live.source * sizes.mix_columns();
    float* mixed = step.mixed + row * columns;
    for (size_t e = begin * kPanel; e < end * kPanel; e += kWidth) {
      const Floats value = tanh(load(word + e) + load(mixed + e) + load(context + e));
      if (step.decoder.precision == Precision::int8)
        store_codes(value, kCodeSteps, step.mixed_codes + row * columns + e);
      else
        store(mixed + e, value);
    }
  }
}

void merge_tiles(const StepView& step, size_t row, float sharpness, float* top, float* total) {
  const float* tops = step.tile_maximum + row * step.tile_stride;
  const float* sums = step.tile_sum + row * step.tile_stride;
  Floats largest = load(tops), sum{};
  for (size_t i = kWidth; i < step.tile_stride; i += kWidth)
    largest = maximum<float>(load(tops + i), largest);
  *top = max_lanes<float>(largest);
  for (size_t i = 0; i < step.tile_stride; i += kWidth)
    sum += load(sums + i) * exp((load(tops + i) - *top) * sharpness);
  *total = sum_lanes<float>(sum);
}

}  // namespace PYCAP_ISA
}  // namespace pycap
