// The gradients of a teacher-forced sequence, three kernels a step from the last, after one for the last
// cell:
//   context_gradient   gates' gradient @ context weights        a product
//   attend_backward    softmax, gate, query                     a block: one row
//   hidden_gradient    state's gradient, then the cell before   a product
// and at the end the gradients of features and keys, each sum in a fixed order by one block: no atomic
// additions.
#pragma once

#include "cuda/attend_lstm.cuh"

namespace pycap::cuda {

template <class T>
struct GradientStep : SequenceStep<T> {
  using SequenceStep<T>::call;
  const AttendLSTMGradients& gradients;  // the same call, seen whole

  __host__ __device__ GradientStep(const AttendLSTMGradients& call, int step)
      : SequenceStep<T>(call, step), gradients(call) {}

  // From the gradient that `carried` from step time + 1 to the hidden state of one unit, through its cell.
  __device__ __forceinline__ void cell_backward(int row, int unit, int time, float carried,
                                                float carried_cell) const {
    const int hidden_dim = call.hidden_dim;
    const size_t place = this->at(row, time);
    auto* d_gates = static_cast<T*>(gradients.d_gates) + place * 4 * hidden_dim + unit;
    float& d_cell = gradients.d_cell[static_cast<size_t>(row) * hidden_dim + unit];
    float found[4] = {};
    float passed = 0.0f;
    if (this->computed(row, time)) {
      float gates[4];
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        gates[gate] = to_float(this->of(call.gates, place * 4 + gate, hidden_dim)[unit]);
      }
      const float shown = tanhf(call.cells[place * hidden_dim + unit]);
      const float before = SequenceStep<T>(call, time).cell_before(row, unit);
      const float d_hidden = to_float(this->of(gradients.grad_hiddens, place, hidden_dim)[unit]) + carried;
      const float d_this = carried_cell + d_hidden * gates[3] * (1.0f - shown * shown);
      found[0] = d_this * gates[2] * gates[0] * (1.0f - gates[0]);
      found[1] = d_this * before * gates[1] * (1.0f - gates[1]);
      found[2] = d_this * gates[0] * (1.0f - gates[2] * gates[2]);
      found[3] = d_hidden * shown * gates[3] * (1.0f - gates[3]);
      passed = d_this * gates[1];
    }
#pragma unroll
    for (int gate = 0; gate < 4; ++gate)
      d_gates[static_cast<size_t>(gate) * hidden_dim] = from_float<T>(found[gate]);
    d_cell = passed;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads, 2) last_cell_backward(PYCAP_ARGUMENT AttendLSTMGradients call) {
  const GradientStep<T> step(call, call.time - 1);
  const int unit = blockIdx.y * kThreads + threadIdx.x;
  if (unit < call.hidden_dim) step.cell_backward(blockIdx.x, unit, step.step, 0.0f, 0.0f);
}

template <class T>
struct ContextGradient : GradientStep<T> {
  using GradientStep<T>::GradientStep;
  using SequenceStep<T>::call;
  using GradientStep<T>::gradients;

  __host__ __device__ __forceinline__ int columns() const { return call.feature_dim; }
  __host__ __device__ __forceinline__ int segments(int) const { return 1; }
  __host__ __device__ __forceinline__ int depth(int) const { return 4 * call.hidden_dim; }
  __device__ __forceinline__ const T* left(int, int row) const {
    return this->of(gradients.d_gates, this->at(row), 4 * call.hidden_dim);
  }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->of(gradients.context_columns, column, 4 * call.hidden_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const int r = sums.first_row + row, c = sums.first_column + column;
      const float given = to_float(this->of(gradients.grad_contexts, this->at(r), call.feature_dim)[c]);
      gradients.d_contexts[this->at(r) * call.feature_dim + c] =
          this->computed(r) ? sums(row, column) + given : 0.0f;
    });
  }
};

inline size_t attend_backward_shared_bytes(const AttendLSTMCall& call, int width) {
  return sizeof(float) *
         (size_t(call.feature_dim) + 3 * size_t(call.regions) + size_t{kWarps} * kWarp * width);
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kThreads, 2)
    attend_backward(PYCAP_ARGUMENT AttendLSTMGradients call, int time) {
  PYCAP_SHARED(shared);
  const GradientStep<T> step(call, time);
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp, row = blockIdx.x;
  const int regions = call.regions, feature_dim = call.feature_dim, attention_dim = call.attention_dim;
  const size_t at = step.at(row);
  auto* d_context = reinterpret_cast<float*>(shared);  // (feature_dim,)
  float* alphas = d_context + feature_dim;             // (regions,)
  float* agreed = alphas + regions;                    // (regions,) d_context . features
  float* d_energy = agreed + regions;                  // (regions,)
  float* parts = d_energy + regions;                   // (warps, 32 * WIDTH)
  auto* d_query = static_cast<T*>(call.d_queries) + at * attention_dim;
  float* kept = call.d_energies + at * regions;

  const int64_t image = step.image_of(row);
  if (!step.computed(row) || image < 0 || image >= call.images) {
    const float nothing = step.computed(row) ? NAN : 0.0f;
    for (int a = thread; a < attention_dim; a += kThreads) d_query[a] = from_float<T>(nothing);
    for (int r = thread; r < regions; r += kThreads) kept[r] = nothing;
    if (thread == 0) call.d_betas[at] = nothing;
    return;
  }
  const T* features = step.of(call.features, image * regions, feature_dim);
  const T* keys = step.of(call.keys, image * regions, attention_dim);
  for (int f = thread; f < feature_dim; f += kThreads) d_context[f] = call.d_contexts[at * feature_dim + f];
  for (int r = thread; r < regions; r += kThreads)
    alphas[r] = to_float(step.of(call.attention, at, regions)[r]);
  __syncthreads();

  for (int r = warp; r < regions; r += kWarps) {
    float sum = 0.0f;
    for (int f = lane * WIDTH; f < feature_dim; f += kWarp * WIDTH) {
      float values[WIDTH];
      load<T, WIDTH>(features + static_cast<size_t>(r) * feature_dim + f, values);
#pragma unroll
      for (int i = 0; i < WIDTH; ++i) sum = fmaf(values[i], d_context[f + i], sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) agreed[r] = sum;
  }
  __syncthreads();

  // Every warp finds the same two sums, so no exchange is needed.
  const float beta = call.betas[at];
  const T* given = step.of(call.grad_attention, at, regions);
  float d_beta = 0.0f, mean = 0.0f;
  for (int r = lane; r < regions; r += kWarp) {
    d_beta = fmaf(alphas[r], agreed[r], d_beta);
    mean = fmaf(alphas[r], beta * agreed[r] + to_float(given[r]), mean);
  }
  d_beta = warp_sum(d_beta);
  mean = warp_sum(mean);
  if (thread == 0) call.d_betas[at] = d_beta * beta * (1.0f - beta);
  for (int r = thread; r < regions; r += kThreads) {
    const float value = alphas[r] * (beta * agreed[r] + to_float(given[r]) - mean);
    d_energy[r] = value;
    kept[r] = value;
  }
  __syncthreads();

  const float* query = call.queries + at * attention_dim;
  const T* score = static_cast<const T*>(call.score);
  for (int chunk = 0; chunk < attention_dim; chunk += kWarp * WIDTH) {
    const int a = chunk + lane * WIDTH;
    float sums[WIDTH] = {};
    if (a < attention_dim) {
      float wanted[WIDTH];
      bool plain = true;
#pragma unroll
      for (int i = 0; i < WIDTH; ++i) {
        wanted[i] = double_exponential<T>(query[a + i]);
        plain = plain && is_plain(query[a + i]);
      }
      for (int r = warp; r < regions; r += kWarps) {
        const KeyPiece<T, WIDTH> piece(keys + static_cast<size_t>(r) * attention_dim + a);
        const bool fast = plain && piece.plain;
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
          const float share =
              fast ? piece.fast_share(i, wanted[i]) : share_of<T>(piece.keys[i], query[a + i]);
          sums[i] = fmaf(d_energy[r], share * (1.0f - share), sums[i]);  // a quarter of tanh's slope
        }
      }
    }
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) parts[(warp * kWarp + lane) * WIDTH + i] = sums[i];
    __syncthreads();
    for (int i = thread; i < kWarp * WIDTH && chunk + i < attention_dim; i += kThreads) {
      float sum = 0.0f;
#pragma unroll
      for (int part = 0; part < kWarps; ++part) sum += parts[part * kWarp * WIDTH + i];
      d_query[chunk + i] = from_float<T>(4.0f * to_float(score[chunk + i]) * sum);
    }
    __syncthreads();  // the next chunk overwrites the parts
  }
}

template <class T>
struct HiddenGradient : GradientStep<T> {
  using GradientStep<T>::GradientStep;
  using SequenceStep<T>::call;
  using GradientStep<T>::gradients;

  __host__ __device__ __forceinline__ int columns() const { return call.hidden_dim; }
  __host__ __device__ __forceinline__ int segments(int) const { return 2; }
  __host__ __device__ __forceinline__ int depth(int segment) const {
    return segment == 0 ? 4 * call.hidden_dim : call.attention_dim;
  }
  __device__ __forceinline__ const T* left(int segment, int row) const {
    return this->of(segment == 0 ? gradients.d_gates : gradients.d_queries, this->at(row), depth(segment));
  }
  __device__ __forceinline__ const T* right(int segment, int column) const {
    return this->of(segment == 0 ? gradients.recurrent_columns : gradients.query_columns, column,
                    depth(segment));
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int r, int column) {
      const int row = sums.first_row + r, unit = sums.first_column + column;
      const size_t place = static_cast<size_t>(row) * call.hidden_dim + unit;
      const float gate = to_float(static_cast<const T*>(call.gate)[unit]);
      const float carried =
          this->computed(row) ? sums(r, column) + gradients.d_betas[this->at(row)] * gate : 0.0f;
      if (this->step == 0) {
        gradients.d_hidden[place] = carried;
      } else {
        this->cell_backward(row, unit, this->step - 1, carried, gradients.d_cell[place]);
      }
    });
  }
};

// d_features = sum over the image's rows and steps of beta alpha d_context.  A block: a few regions of one
// image.
template <class T>
__global__ void __launch_bounds__(kThreads, 2) features_backward(PYCAP_ARGUMENT AttendLSTMGradients call) {
  const GradientStep<T> step(call, 0);
  const int image = blockIdx.x, first = blockIdx.y * kRegionsAtOnce;
  const int count = min(kRegionsAtOnce, call.regions - first);
  for (int f = threadIdx.x; f < call.feature_dim; f += kThreads) {
    float sums[kRegionsAtOnce] = {};
    for (int64_t row = call.first_rows[image]; row < call.first_rows[image + 1]; ++row) {
      for (int time = 0; time < call.time && step.computed(static_cast<int>(row), time); ++time) {
        const size_t at = step.at(static_cast<int>(row), time);
        const float gated = call.betas[at] * call.d_contexts[at * call.feature_dim + f];
        const T* attention = step.of(call.attention, at, call.regions) + first;
#pragma unroll
        for (int i = 0; i < kRegionsAtOnce; ++i) {
          if (i < count) sums[i] = fmaf(to_float(attention[i]), gated, sums[i]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRegionsAtOnce; ++i) {
      if (i >= count) continue;
      const size_t region = static_cast<size_t>(image) * call.regions + first + i;
      static_cast<T*>(call.d_features)[region * call.feature_dim + f] = from_float<T>(sums[i]);
    }
  }
}

// d_keys = sum of d_energy score tanh', and this block's share of d_score.  A block: a few regions of one
// image.
template <class T>
__global__ void __launch_bounds__(kThreads, 2) keys_backward(PYCAP_ARGUMENT AttendLSTMGradients call) {
  const GradientStep<T> step(call, 0);
  const int image = blockIdx.x, first = blockIdx.y * kRegionsAtOnce;
  const int count = min(kRegionsAtOnce, call.regions - first);
  for (int a = threadIdx.x; a < call.attention_dim; a += kThreads) {
    float sums[kRegionsAtOnce] = {}, keys[kRegionsAtOnce] = {}, exponentials[kRegionsAtOnce], d_score = 0.0f;
    bool plain = true;
#pragma unroll
    for (int i = 0; i < kRegionsAtOnce; ++i) {
      if (i >= count) continue;
      const size_t region = static_cast<size_t>(image) * call.regions + first + i;
      keys[i] = to_float(step.of(call.keys, region, call.attention_dim)[a]);
      exponentials[i] = double_exponential<T>(keys[i]);
      plain = plain && is_plain(keys[i]);
    }
    for (int64_t row = call.first_rows[image]; row < call.first_rows[image + 1]; ++row) {
      for (int time = 0; time < call.time && step.computed(static_cast<int>(row), time); ++time) {
        const size_t at = step.at(static_cast<int>(row), time);
        const float query = call.queries[at * call.attention_dim + a], wanted = double_exponential<T>(query);
        const bool fast = plain && is_plain(query);
        const float* d_energy = call.d_energies + at * call.regions + first;
#pragma unroll
        for (int i = 0; i < kRegionsAtOnce; ++i) {
          if (i >= count) continue;
          const float share =
              fast ? reciprocal_for<T>(1.0f + exponentials[i] * wanted) : share_of<T>(keys[i], query);
          sums[i] = fmaf(d_energy[i], share * (1.0f - share), sums[i]);
          d_score = fmaf(d_energy[i], 1.0f - 2.0f * share, d_score);
        }
      }
    }
    const float score = to_float(static_cast<const T*>(call.score)[a]);
#pragma unroll
    for (int i = 0; i < kRegionsAtOnce; ++i) {
      if (i >= count) continue;
      const size_t region = static_cast<size_t>(image) * call.regions + first + i;
      static_cast<T*>(call.d_keys)[region * call.attention_dim + a] = from_float<T>(4.0f * score * sums[i]);
    }
    call.d_scores[(static_cast<size_t>(image) * gridDim.y + blockIdx.y) * call.attention_dim + a] = d_score;
  }
}

// ---- the order of the launches, as for forward

template <class T, class Launch>
void launch_backward(const AttendLSTMGradients& call, Launch&& launch) {
  const auto batch = static_cast<unsigned>(call.batch), images = static_cast<unsigned>(call.images);
  const auto units = static_cast<unsigned>(ceil_div(call.hidden_dim, kThreads));
  launch(Geometry{batch, units, 0}, "last_cell_backward", last_cell_backward<T>, call);
  for (int step = call.time - 1; step >= 0; --step) {
    launch_product<T, ContextGradient<T>>(call, step, "context_gradient", call.batch, kFewSequence, launch);
    const Geometry rows{batch, 1, attend_backward_shared_bytes(call, call.wide ? kWide<T> : 1)};
    launch(rows, "attend_backward", call.wide ? attend_backward<T, kWide<T>> : attend_backward<T, 1>, call,
           step);
    launch_product<T, HiddenGradient<T>>(call, step, "hidden_gradient", call.batch, kFewSequence, launch);
  }
  const auto chunks = static_cast<unsigned>(ceil_div(call.regions, kRegionsAtOnce));
  launch(Geometry{images, chunks, 0}, "features_backward", features_backward<T>, call);
  launch(Geometry{images, chunks, 0}, "keys_backward", keys_backward<T>, call);
}

}  // namespace pycap::cuda
