// Backward of attend_lstm for one chunk of images and their rows. tanh(keys + query) is computed again:
// storing it would take regions * attention_dim values a step.
#include "cpu/attend_lstm.h"
#include "cpu/gemm.h"
#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

template <class T>
void clear(T* values, size_t count) {
  __builtin_memset(values, 0, count * sizeof(T));
}

// Gradients of the gates before their activations; d_cell is carried from the step after to the one before.
template <class T>
void differentiate_cell(const T* gates, const T* cell_before, const T* cell_after, const T* grad_hidden,
                        const T* d_hidden, size_t hidden_dim, T* d_cell, T* d_gates) {
  for (size_t h = 0; h < hidden_dim; h += kLanes<T>) {
    size_t count = hidden_dim - h;
    Vec<T> i = load(gates + h, count), f = load(gates + hidden_dim + h, count);
    Vec<T> g = load(gates + 2 * hidden_dim + h, count), o = load(gates + 3 * hidden_dim + h, count);
    Vec<T> tanh_cell = tanh(load(cell_after + h, count));
    Vec<T> dh = load(grad_hidden + h, count) + load(d_hidden + h, count);
    Vec<T> dc = load(d_cell + h, count) + dh * o * (1 - tanh_cell * tanh_cell);
    store(d_gates + h, dc * g * i * (1 - i), count);
    store(d_gates + hidden_dim + h, dc * load(cell_before + h, count) * f * (1 - f), count);
    store(d_gates + 2 * hidden_dim + h, dc * i * (1 - g * g), count);
    store(d_gates + 3 * hidden_dim + h, dh * tanh_cell * o * (1 - o), count);
    store(d_cell + h, dc * f, count);
  }
}

// slopes[r] = features_r . d_context, and d_features_r += beta * weights_r * d_context
template <class T>
void differentiate_average(const T* features, const T* weights, T beta, const T* d_context, size_t regions,
                           size_t feature_dim, T* d_features, T* slopes) {
  constexpr size_t lanes = kLanes<T>;
  for (size_t r = 0; r < regions; ++r) {
    const T* feature = features + r * feature_dim;
    T* d_feature = d_features + r * feature_dim;
    const T scale = beta * weights[r];
    Vec<T> even{}, odd{};
    size_t f = 0;
    for (; f + 2 * lanes <= feature_dim; f += 2 * lanes) {
      Vec<T> first = load(d_context + f), second = load(d_context + f + lanes);
      even += load(feature + f) * first;
      odd += load(feature + f + lanes) * second;
      store(d_feature + f, load(d_feature + f) + scale * first);
      store(d_feature + f + lanes, load(d_feature + f + lanes) + scale * second);
    }
    for (; f < feature_dim; f += lanes) {
      Vec<T> first = load(d_context + f, feature_dim - f);
      even += load(feature + f, feature_dim - f) * first;
      store(d_feature + f, load(d_feature + f, feature_dim - f) + scale * first, feature_dim - f);
    }
    slopes[r] = sum_lanes<T>(even + odd);
  }
}

// Turn slopes (see above) into gradients of the energies; returns the gradient of beta before its sigmoid.
template <class T>
T differentiate_softmax(const T* weights, const T* grad_attention, T beta, size_t regions, T* slopes) {
  T d_beta = 0, mean = 0;
  for (size_t r = 0; r < regions; ++r) {
    d_beta += weights[r] * slopes[r];
    slopes[r] = beta * slopes[r] + grad_attention[r];
    mean += weights[r] * slopes[r];
  }
  for (size_t r = 0; r < regions; ++r) slopes[r] = weights[r] * (slopes[r] - mean);
  return d_beta * beta * (1 - beta);
}

// Through energy_r = score . tanh(keys_r + query), for the `Vectors` registers of attention_dim from `a`.
// With tanh = 1 - 2 half, its slope is 4 half (1 - half); d_energies, gradients of a softmax's inputs, sum to
// 0, so that the 1 adds nothing to d_score.
template <class T, size_t Vectors>
inline void differentiate_energies(const T* keys, const T* query, const T* score, const T* d_energies,
                                   size_t regions, size_t attention_dim, size_t a, T* d_keys, T* d_query,
                                   T* d_score) {
  constexpr size_t lanes = kLanes<T>;
  const size_t count = Vectors == 1 ? attention_dim - a : Vectors * lanes;
  Vec<T> queries[Vectors], scores[Vectors], d_queries[Vectors] = {}, d_scores[Vectors] = {};
  for (size_t v = 0; v < Vectors; ++v) {
    queries[v] = tanh_summand(load(query + a + v * lanes, count));
    scores[v] = load(score + a + v * lanes, count);
  }
  for (size_t r = 0; r < regions; ++r) {
    const T* key = keys + r * attention_dim + a;
    T* d_key = d_keys + r * attention_dim + a;
    const Vec<T> twice = broadcast(2 * d_energies[r]), fourfold = twice + twice;
#pragma GCC unroll 4
    for (size_t v = 0; v < Vectors; ++v) {
      const Vec<T> half = half_gap(load(key + v * lanes, count), queries[v]);
      const Vec<T> slope = fourfold * (half - half * half);
      d_scores[v] -= twice * half;
      d_queries[v] += slope;
      store(d_key + v * lanes, load(d_key + v * lanes, count) + slope * scores[v], count);
    }
  }
  for (size_t v = 0; v < Vectors; ++v) {
    store(d_query + a + v * lanes, d_queries[v] * scores[v], count);
    store(d_score + a + v * lanes, load(d_score + a + v * lanes, count) + d_scores[v], count);
  }
}

}  // namespace

// scratch: (rows, state_columns + feature_dim + hidden_dim) + one row of regions
template <class T>
void run_attend_backward(const AttendBackward<T>& op, PackedView<T> state_weight,
                         PackedView<T> context_weight, AttendChunk chunk, T* scratch) {
  const AttendForward<T>& forward = op.forward;
  const AttendShape& s = forward.shape;
  const size_t rows = chunk.row_end - chunk.row_begin, columns = s.state_columns();
  const size_t gates = s.gates(), hidden_dim = s.hidden_dim, attention_dim = s.attention_dim;
  T* linear = scratch;  // gradients of all that is linear in the state: gates, query, beta
  T* d_context = linear + rows * columns;
  T* d_state = d_context + rows * s.feature_dim;
  T* slopes = d_state + rows * hidden_dim;

  const size_t images = chunk.image_end - chunk.image_begin;
  clear(op.d_features + chunk.image_begin * s.regions * s.feature_dim, images * s.regions * s.feature_dim);
  clear(op.d_keys + chunk.image_begin * s.regions * attention_dim, images * s.regions * attention_dim);
  clear(op.d_scores + chunk.image_begin * attention_dim, images * attention_dim);
  clear(op.d_hidden + chunk.row_begin * hidden_dim, rows * hidden_dim);
  clear(op.d_cell + chunk.row_begin * hidden_dim, rows * hidden_dim);

  for (size_t time = s.time; time-- > 0;) {
    size_t count = 0;
    for (size_t row = chunk.row_begin; row < chunk.row_end; ++row) {
      const size_t step = row * s.time + time;
      if (static_cast<size_t>(forward.lengths[row]) <= time) {
        clear(op.d_gates + step * gates, gates);
        clear(op.d_queries + step * attention_dim, attention_dim);
        op.d_betas[step] = 0;
        continue;
      }
      const T* cell = time ? forward.cells + (step - 1) * hidden_dim : forward.cell + row * hidden_dim;
      T* d_gates = linear + count * columns;
      differentiate_cell(forward.gates + step * gates, cell, forward.cells + step * hidden_dim,
                         op.grad_hiddens + step * hidden_dim, op.d_hidden + row * hidden_dim, hidden_dim,
                         op.d_cell + row * hidden_dim, d_gates);
      __builtin_memcpy(op.d_gates + step * gates, d_gates, gates * sizeof(T));
      __builtin_memcpy(d_context + count * s.feature_dim, op.grad_contexts + step * s.feature_dim,
                       s.feature_dim * sizeof(T));
      chunk.active[count++] = row;
    }
    gemm(linear, columns, count, context_weight, d_context, s.feature_dim, true);
    for (size_t i = 0; i < count; ++i) {
      const size_t row = chunk.active[i], step = row * s.time + time, image = forward.image_index[row];
      const T* weights = forward.attention + step * s.regions;
      const T beta = forward.betas[step];
      differentiate_average(forward.features + image * s.regions * s.feature_dim, weights, beta,
                            d_context + i * s.feature_dim, s.regions, s.feature_dim,
                            op.d_features + image * s.regions * s.feature_dim, slopes);
      T d_beta =
          differentiate_softmax(weights, op.grad_attention + step * s.regions, beta, s.regions, slopes);
      const T* keys = forward.keys + image * s.regions * attention_dim;
      const T* query = forward.queries + step * attention_dim;
      T* d_keys = op.d_keys + image * s.regions * attention_dim;
      T* d_query = linear + i * columns + gates;
      T* d_score = op.d_scores + image * attention_dim;
      size_t a = 0;
      for (; a + 4 * kLanes<T> <= attention_dim; a += 4 * kLanes<T>)
        differentiate_energies<T, 4>(keys, query, forward.score, slopes, s.regions, attention_dim, a, d_keys,
                                     d_query, d_score);
      for (; a < attention_dim; a += kLanes<T>)
        differentiate_energies<T, 1>(keys, query, forward.score, slopes, s.regions, attention_dim, a, d_keys,
                                     d_query, d_score);
      d_query[attention_dim] = d_beta;
      __builtin_memcpy(op.d_queries + step * attention_dim, d_query, attention_dim * sizeof(T));
      op.d_betas[step] = d_beta;
    }
    gemm(linear, columns, count, state_weight, d_state, hidden_dim, false);
    for (size_t i = 0; i < count; ++i)
      __builtin_memcpy(op.d_hidden + chunk.active[i] * hidden_dim, d_state + i * hidden_dim,
                       hidden_dim * sizeof(T));
  }
}

template void run_attend_backward(const AttendBackward<float>&, PackedView<float>, PackedView<float>,
                                  AttendChunk, float*);
template void run_attend_backward(const AttendBackward<double>&, PackedView<double>, PackedView<double>,
                                  AttendChunk, double*);

}  // namespace PYCAP_ISA
}  // namespace pycap
