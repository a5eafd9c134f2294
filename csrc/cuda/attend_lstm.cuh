// The kernels of a teacher-forced sequence, three a step:
//   query    query @ hidden                                     a product
//   attend   scores, softmax, gated context                     a block: one row
//   cell     [hidden; context] @ weights, LSTM cell             a product
#pragma once

#include "cuda/attend.cuh"
#include "cuda/attend_lstm.h"
#include "cuda/product.cuh"

namespace pycap::cuda {

// A step of a sequence, as its kernels see it.
template <class T>
struct SequenceStep {
  const AttendLSTMCall& call;
  int step;

  __host__ __device__ SequenceStep(const AttendLSTMCall& call, int step) : call(call), step(step) {}

  __device__ __forceinline__ size_t at(int row, int time) const {
    return static_cast<size_t>(row) * call.time + time;
  }
  __device__ __forceinline__ size_t at(int row) const { return at(row, step); }
  __device__ __forceinline__ bool computed(int row, int time) const {
    return call.lengths == nullptr || time < call.lengths[row];
  }
  __device__ __forceinline__ bool computed(int row) const { return computed(row, step); }
  __device__ __forceinline__ int64_t image_of(int row) const {
    return call.image_index == nullptr ? row : call.image_index[row];
  }
  __device__ __forceinline__ const T* of(const void* values, size_t row, int columns) const {
    return static_cast<const T*>(values) + row * columns;
  }
  __device__ __forceinline__ const T* hidden_before(int row) const {
    return step == 0 ? of(call.hidden, row, call.hidden_dim)
                     : of(call.hiddens, at(row, step - 1), call.hidden_dim);
  }
  __device__ __forceinline__ float cell_before(int row, int unit) const {
    return step == 0 ? to_float(of(call.cell, row, call.hidden_dim)[unit])
                     : call.cells[at(row, step - 1) * call.hidden_dim + unit];
  }
  __host__ __device__ __forceinline__ int rows() const { return call.batch; }
  __host__ __device__ __forceinline__ bool wide() const { return call.wide; }
};

// ---- forward

template <class T>
struct QueryProduct : SequenceStep<T> {
  using SequenceStep<T>::SequenceStep;
  using SequenceStep<T>::call;

  __host__ __device__ __forceinline__ int columns() const { return call.attention_dim; }
  __host__ __device__ __forceinline__ int segments(int) const { return 1; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.hidden_dim; }
  __device__ __forceinline__ const T* left(int, int row) const { return this->hidden_before(row); }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->of(call.query, column, call.hidden_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      call.queries[this->at(sums.first_row + row) * call.attention_dim + sums.first_column + column] =
          sums(row, column);
    });
  }
};

template <class T>
struct SequenceRow {  // one row, as attend() wants it
  const SequenceStep<T>& step;
  int row;

  __device__ __forceinline__ const float* query(int) const {
    return step.call.queries + step.at(row) * step.call.attention_dim;
  }
  __device__ __forceinline__ const T* hidden(int) const { return step.hidden_before(row); }
  __device__ __forceinline__ void keep_beta(int, float beta) const { step.call.betas[step.at(row)] = beta; }
  __device__ __forceinline__ void keep_weight(int, int region, float weight) const {
    static_cast<T*>(step.call.attention)[step.at(row) * step.call.regions + region] = from_float<T>(weight);
  }
  __device__ __forceinline__ void keep_context(int, int feature, float value) const {
    static_cast<T*>(step.call.contexts)[step.at(row) * step.call.feature_dim + feature] =
        from_float<T>(value);
  }
};

__host__ __device__ inline AttentionWeights attention_weights(const AttendLSTMCall& call) {
  return {call.regions, call.feature_dim, call.hidden_dim, call.attention_dim,
          call.score,   call.gate,        call.gate_bias};
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kThreads, 2) attend_rows(PYCAP_ARGUMENT AttendLSTMCall call, int time) {
  PYCAP_SHARED(shared);
  const SequenceStep<T> step(call, time);
  const AttentionWeights weights = attention_weights(call);
  const int row = blockIdx.x;
  const SequenceRow<T> self{step, row};
  const int64_t image = step.image_of(row);
  const bool stray = image < 0 || image >= call.images;
  if (stray || !step.computed(row)) {
    const float nothing = stray && step.computed(row) ? NAN : 0.0f;
    if (threadIdx.x == 0) self.keep_beta(0, nothing);
    for (int r = threadIdx.x; r < weights.regions; r += kThreads) self.keep_weight(0, r, nothing);
    for (int f = threadIdx.x; f < weights.feature_dim; f += kThreads) self.keep_context(0, f, nothing);
    return;
  }
  attend<T, WIDTH, 1>(weights, step.of(call.features, image * weights.regions, weights.feature_dim),
                      step.of(call.keys, image * weights.regions, weights.attention_dim), self, 1, shared);
}

// Columns are the four gates of a unit side by side.
template <class T>
struct CellProduct : SequenceStep<T> {
  using SequenceStep<T>::SequenceStep;
  using SequenceStep<T>::call;

  __host__ __device__ __forceinline__ int columns() const { return 4 * call.hidden_dim; }
  __host__ __device__ __forceinline__ int segments(int) const { return 2; }
  __host__ __device__ __forceinline__ int depth(int segment) const {
    return segment == 0 ? call.hidden_dim : call.feature_dim;
  }
  __device__ __forceinline__ const T* left(int segment, int row) const {
    return segment == 0 ? this->hidden_before(row) : this->of(call.contexts, this->at(row), call.feature_dim);
  }
  __device__ __forceinline__ const T* right(int segment, int column) const {
    return this->of(segment == 0 ? call.recurrent : call.context, gate_row(column, call.hidden_dim),
                    depth(segment));
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    const int units = sums.columns / 4, hidden_dim = call.hidden_dim;
    for (int i = threadIdx.x; i < sums.rows * units; i += kThreads) {
      const int row = sums.first_row + i / units, unit = sums.first_column / 4 + i % units;
      const bool computed = this->computed(row);
      const T* inputs = this->of(call.inputs, this->at(row), 4 * hidden_dim) + unit;
      float gates[4];
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        const float sum =
            sums(i / units, i % units * 4 + gate) + to_float(inputs[static_cast<size_t>(gate) * hidden_dim]);
        gates[gate] = gate == 2 ? tanhf(sum) : sigmoid(sum);
      }
      const float cell = gates[1] * this->cell_before(row, unit) + gates[0] * gates[2];
      const float hidden = gates[3] * tanhf(cell);
      call.cells[this->at(row) * hidden_dim + unit] = computed ? cell : 0.0f;
      static_cast<T*>(call.hiddens)[this->at(row) * hidden_dim + unit] =
          from_float<T>(computed ? hidden : 0.0f);
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        static_cast<T*>(call.gates)[(this->at(row) * 4 + gate) * hidden_dim + unit] =
            from_float<T>(computed ? gates[gate] : 0.0f);
      }
    }
  }
};

// ---- the order of the launches, shared by the GPU and the emulation: launch(geometry, name, kernel,
// arguments...)

constexpr int kFewSequence = 16;  // columns of a product for few rows that a block computes

template <class T, class Launch>
void launch_forward(const AttendLSTMCall& call, Launch&& launch) {
  const auto batch = static_cast<unsigned>(call.batch);
  for (int step = 0; step < call.time; ++step) {
    launch_product<T, QueryProduct<T>>(call, step, "query", call.batch, kFewSequence, launch);
    const Geometry rows{batch, 1, attend_shared_bytes(attention_weights(call), 1, call.wide ? kWide<T> : 1)};
    launch(rows, "attend_rows", call.wide ? attend_rows<T, kWide<T>> : attend_rows<T, 1>, call, step);
    launch_product<T, CellProduct<T>>(call, step, "cell", call.batch, kFewSequence, launch);
  }
}

}  // namespace pycap::cuda
