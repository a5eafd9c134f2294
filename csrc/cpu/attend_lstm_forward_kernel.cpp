// Forward of attend_lstm for one chunk of rows.
#include "cpu/attend_lstm.h"
#include "cpu/gemm.h"
#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

template <class T>
void copy(const T* source, size_t count, T* target) {
  __builtin_memcpy(target, source, count * sizeof(T));
}

// energies[r] = score . tanh(keys_r + query), from their tanh_summands and up to a constant that a softmax
// ignores; softmax in place over `regions`, padded to whole vectors.
template <class T>
void attend(const T* keys, const T* query, const T* score, size_t regions, size_t attention_dim,
            T* energies) {
  constexpr size_t lanes = kLanes<T>;
  const size_t padded = (regions + lanes - 1) / lanes * lanes;
  for (size_t r = 0; r < regions; ++r) {
    const T* key = keys + r * attention_dim;
    Vec<T> sum{};
    for (size_t a = 0; a < attention_dim; a += lanes) {
      size_t count = attention_dim - a;
      sum += load(score + a, count) * half_gap(load(key + a, count), load(query + a, count));
    }
    energies[r] = -2 * sum_lanes<T>(sum);
  }
  for (size_t r = regions; r < padded; ++r) energies[r] = -T(__builtin_inff());
  Vec<T> highest = load(energies);
  for (size_t r = lanes; r < padded; r += lanes) highest = maximum<T>(highest, load(energies + r));
  const T top = max_lanes<T>(highest);
  Vec<T> total{};
  for (size_t r = 0; r < padded; r += lanes) {
    Vec<T> weight = exp(load(energies + r) - top);
    store(energies + r, weight);
    total += weight;
  }
  const T norm = 1 / sum_lanes<T>(total);
  for (size_t r = 0; r < padded; r += lanes) store(energies + r, load(energies + r) * norm);
}

// context = beta * sum_r weights_r features_r
template <class T>
void average(const T* features, const T* weights, T beta, size_t regions, size_t feature_dim, T* context) {
  constexpr size_t lanes = kLanes<T>, block = 4 * lanes;
  size_t f = 0;
  for (; f + block <= feature_dim; f += block) {
    Vec<T> sums[4] = {};
    for (size_t r = 0; r < regions; ++r)
#pragma GCC unroll 4
      for (size_t v = 0; v < 4; ++v) sums[v] += weights[r] * load(features + r * feature_dim + f + v * lanes);
    for (size_t v = 0; v < 4; ++v) store(context + f + v * lanes, sums[v] * beta);
  }
  for (; f < feature_dim; f += lanes) {
    Vec<T> sum{};
    for (size_t r = 0; r < regions; ++r)
      sum += weights[r] * load(features + r * feature_dim + f, feature_dim - f);
    store(context + f, sum * beta, feature_dim - f);
  }
}

// LSTM cell: `before` are the gates' state and context parts, to which `inputs` are added.
template <class T>
void update_cell(const T* before, const T* inputs, const T* cell, size_t hidden_dim, T* gates, T* new_cell,
                 T* new_hidden) {
  for (size_t h = 0; h < hidden_dim; h += kLanes<T>) {
    size_t count = hidden_dim - h;
    Vec<T> values[4];
    for (size_t part = 0; part < 4; ++part) {
      size_t offset = part * hidden_dim + h;
      Vec<T> value = load(before + offset, count) + load(inputs + offset, count);
      values[part] = part == 2 ? tanh(value) : sigmoid(value);
      store(gates + offset, values[part], count);
    }
    Vec<T> state = values[1] * load(cell + h, count) + values[0] * values[2];
    store(new_cell + h, state, count);
    store(new_hidden + h, values[3] * tanh(state), count);
  }
}

template <class T>
void zero_tail(const AttendForward<T>& op, size_t row) {  // the steps that are not computed
  const AttendShape& s = op.shape;
  const size_t begin = row * s.time + op.lengths[row], steps = s.time - op.lengths[row];
  auto clear = [&](T* output, size_t width) {
    __builtin_memset(output + begin * width, 0, steps * width * sizeof(T));
  };
  clear(op.hiddens, s.hidden_dim);
  clear(op.contexts, s.feature_dim);
  clear(op.attention, s.regions);
  clear(op.gates, s.gates());
  clear(op.cells, s.hidden_dim);
  clear(op.queries, s.attention_dim);
  clear(op.betas, 1);
}

}  // namespace

template <class T>
void prepare_tanh(const T* values, size_t count, T* summands) {
  for (size_t i = 0; i < count; i += kLanes<T>)
    store(summands + i, tanh_summand(load(values + i, count - i)), count - i);
}

template void prepare_tanh(const float*, size_t, float*);
template void prepare_tanh(const double*, size_t, double*);

// scratch: (rows, hidden_dim + feature_dim + state_columns) + one padded row of regions
template <class T>
void run_attend_forward(const AttendForward<T>& op, PackedView<T> state_weight, PackedView<T> context_weight,
                        AttendChunk chunk, T* scratch) {
  const AttendShape& s = op.shape;
  const size_t rows = chunk.row_end - chunk.row_begin, columns = s.state_columns();
  T* state = scratch;
  T* context = state + rows * s.hidden_dim;
  T* linear = context + rows * s.feature_dim;
  T* energies = linear + rows * columns;

  for (size_t row = chunk.row_begin; row < chunk.row_end; ++row) zero_tail(op, row);
  for (size_t time = 0; time < s.time; ++time) {
    size_t count = 0;
    for (size_t row = chunk.row_begin; row < chunk.row_end; ++row) {
      if (static_cast<size_t>(op.lengths[row]) <= time) continue;
      const T* previous =
          time ? op.hiddens + (row * s.time + time - 1) * s.hidden_dim : op.hidden + row * s.hidden_dim;
      copy(previous, s.hidden_dim, state + count * s.hidden_dim);
      chunk.active[count++] = row;
    }
    gemm(state, s.hidden_dim, count, state_weight, linear, columns, false);
    for (size_t i = 0; i < count; ++i) {
      const size_t row = chunk.active[i], step = row * s.time + time, image = op.image_index[row];
      T* query = linear + i * columns + s.gates();
      copy(query, s.attention_dim, op.queries + step * s.attention_dim);
      const T beta = sigmoid_scalar(query[s.attention_dim] + *op.gate_bias);
      prepare_tanh(query, s.attention_dim, query);
      attend(op.keys + image * s.regions * s.attention_dim, query, op.score, s.regions, s.attention_dim,
             energies);
      copy(energies, s.regions, op.attention + step * s.regions);
      op.betas[step] = beta;
      average(op.features + image * s.regions * s.feature_dim, energies, beta, s.regions, s.feature_dim,
              context + i * s.feature_dim);
      copy(context + i * s.feature_dim, s.feature_dim, op.contexts + step * s.feature_dim);
    }
    gemm(context, s.feature_dim, count, context_weight, linear, columns, true);
    for (size_t i = 0; i < count; ++i) {
      const size_t row = chunk.active[i], step = row * s.time + time;
      const T* cell = time ? op.cells + (step - 1) * s.hidden_dim : op.cell + row * s.hidden_dim;
      update_cell(linear + i * columns, op.inputs + step * s.gates(), cell, s.hidden_dim,
                  op.gates + step * s.gates(), op.cells + step * s.hidden_dim,
                  op.hiddens + step * s.hidden_dim);
    }
  }
}

template void run_attend_forward(const AttendForward<float>&, PackedView<float>, PackedView<float>,
                                 AttendChunk, float*);
template void run_attend_forward(const AttendForward<double>&, PackedView<double>, PackedView<double>,
                                 AttendChunk, double*);

}  // namespace PYCAP_ISA
}  // namespace pycap
