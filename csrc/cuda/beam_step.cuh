// A step of a beam search as its kernels see it, and what it multiplies: an image's start, the LSTM cell, the
// deep output with the next query, the words.
#pragma once

#include "cuda/attend.cuh"
#include "cuda/beam_search.h"
#include "cuda/beam_state.cuh"
#include "cuda/product.cuh"
#include "cuda/rank.cuh"

namespace pycap::cuda {

// A step of a call, as its kernels see it.
template <class T>
struct BeamStep {
  const BeamSearchCall& call;
  int step;   // words that every live sentence has
  int width;  // rows of an image: 1 at first, then the beam

  __host__ __device__ BeamStep(const BeamSearchCall& call, int step)
      : call(call), step(step), width(step == 0 ? 1 : call.beam) {}

  __device__ __forceinline__ int images() const { return __ldcg(call.counts + step); }
  __device__ __forceinline__ int rows() const { return images() * width; }
  __device__ __forceinline__ int image_of(int packed) const {
    return call.active[static_cast<size_t>(step) * call.images + packed / width];
  }
  __device__ __forceinline__ int row_of(int packed) const {
    return image_of(packed) * call.beam + packed % width;
  }
  // The last word of a row and the beam it came from; a beam that does not live repeats the first.
  __device__ __forceinline__ Link link_of(int packed) const {
    if (step == 0) return {0, call.start};
    const int image = image_of(packed);
    const int beam = packed % width < call.progress[image].live ? packed % width : 0;
    return call.links[(static_cast<size_t>(image) * call.max_length + step - 1) * call.beam + beam];
  }
  __device__ __forceinline__ int parent_row(int packed) const {
    return image_of(packed) * call.beam + link_of(packed).parent;
  }
  __device__ __forceinline__ const T* weight(const void* matrix, int row, int columns) const {
    return static_cast<const T*>(matrix) + static_cast<size_t>(row) * columns;
  }
  __device__ __forceinline__ T* hidden(int parity, int row) const {
    return static_cast<T*>(call.hidden[parity]) + static_cast<size_t>(row) * call.hidden_dim;
  }
  __device__ __forceinline__ float* cell(int parity, int row) const {
    return call.cell[parity] + static_cast<size_t>(row) * call.hidden_dim;
  }
  __device__ __forceinline__ T* context(int packed) const {
    return static_cast<T*>(call.contexts) + static_cast<size_t>(packed) * call.feature_dim;
  }
  __device__ __forceinline__ T* mixed(int packed) const {
    return static_cast<T*>(call.mixed) + static_cast<size_t>(packed) * call.embed_dim;
  }
  __device__ __forceinline__ WordLists word_lists() const {
    return {call.ranks, call.lists, call.list_columns, call.tops, call.sums, call.words};
  }
  __host__ __device__ __forceinline__ bool wide() const { return call.wide; }
  // Parity of the state that the step reads, and of the one it leaves.
  __device__ __forceinline__ int before() const { return step % 2; }
  __device__ __forceinline__ int after() const { return 1 - step % 2; }
};

// ---- before the first step

// A product before the first step: all images, one depth.
template <class T>
struct BeginProduct {
  const BeamSearchCall& call;

  __host__ __device__ BeginProduct(const BeamSearchCall& call, int) : call(call) {}

  __host__ __device__ __forceinline__ int segments(int) const { return 1; }
  __host__ __device__ __forceinline__ bool wide() const { return call.wide; }
  __device__ __forceinline__ const T* at(const void* matrix, int row, int columns) const {
    return static_cast<const T*>(matrix) + static_cast<size_t>(row) * columns;
  }
};

template <class T>
struct Keys : BeginProduct<T> {
  using BeginProduct<T>::BeginProduct;
  using BeginProduct<T>::call;

  __device__ __forceinline__ int rows() const { return call.images * call.regions; }
  __host__ __device__ __forceinline__ int columns() const { return call.attention_dim; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.feature_dim; }
  __device__ __forceinline__ const T* left(int, int row) const {
    return this->at(call.features, row, call.feature_dim);
  }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->at(call.key, column, call.feature_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const int c = sums.first_column + column;
      const float bias = to_float(static_cast<const T*>(call.key_bias)[c]);
      static_cast<T*>(call.keys)[static_cast<size_t>(sums.first_row + row) * call.attention_dim + c] =
          from_float<T>(sums(row, column) + bias);
    });
  }
};

template <class T>
struct Initial : BeginProduct<T> {  // hidden and cell = tanh(mean @ initial + bias)
  using BeginProduct<T>::BeginProduct;
  using BeginProduct<T>::call;

  __device__ __forceinline__ int rows() const { return call.images; }
  __host__ __device__ __forceinline__ int columns() const { return 2 * call.hidden_dim; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.feature_dim; }
  __device__ __forceinline__ const T* left(int, int row) const {
    return this->at(call.mean, row, call.feature_dim);
  }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->at(call.initial, column, call.feature_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const int c = sums.first_column + column, unit = c % call.hidden_dim;
      const float value = tanhf(sums(row, column) + to_float(static_cast<const T*>(call.initial_bias)[c]));
      const size_t place = static_cast<size_t>(sums.first_row + row) * call.beam * call.hidden_dim + unit;
      if (c < call.hidden_dim) {
        static_cast<T*>(call.hidden[0])[place] = from_float<T>(value);
      } else {
        call.cell[0][place] = value;
      }
    });
  }
};

template <class T>
struct FirstQuery : BeginProduct<T> {  // query @ hidden of the images' first rows
  using BeginProduct<T>::BeginProduct;
  using BeginProduct<T>::call;

  __device__ __forceinline__ int rows() const { return call.images; }
  __host__ __device__ __forceinline__ int columns() const { return call.attention_dim; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.hidden_dim; }
  __device__ __forceinline__ const T* left(int, int row) const {
    return this->at(call.hidden[0], row * call.beam, call.hidden_dim);
  }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->at(call.query, column, call.hidden_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const size_t at = static_cast<size_t>(sums.first_row + row) * call.beam;
      call.queries[at * call.attention_dim + sums.first_column + column] = sums(row, column);
    });
  }
};

// Mean region of an image, and its empty search.  A block: one image.
template <class T>
__device__ __forceinline__ void begin_image(const BeamSearchCall& call, int image) {
  const T* features =
      static_cast<const T*>(call.features) + static_cast<size_t>(image) * call.regions * call.feature_dim;
  for (int f = threadIdx.x; f < call.feature_dim; f += kThreads) {
    float sum = 0.0f;
    for (int r = 0; r < call.regions; ++r)
      sum += to_float(features[static_cast<size_t>(r) * call.feature_dim + f]);
    static_cast<T*>(call.mean)[static_cast<size_t>(image) * call.feature_dim + f] =
        from_float<T>(sum / static_cast<float>(call.regions));
  }
  if (threadIdx.x == 0) {
    call.active[image] = image;
    begin_search(
        {call.progress + image, call.totals + static_cast<size_t>(image) * call.beam, nullptr, nullptr});
  }
  if (image == 0) {
    for (int step = threadIdx.x; step < call.max_length + 2; step += kThreads) {
      call.counts[step] = step == 0 ? call.images : 0;
    }
    if (threadIdx.x == 0) {
      *call.not_finite = 0;
      if (call.blocks > 0) *call.barrier = 0;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) begin_images(PYCAP_ARGUMENT BeamSearchCall call) {
  begin_image<T>(call, blockIdx.x);
}

// ---- attend

template <class T>
struct BeamRows {  // rows first .. of the image in a slot, as attend() wants them
  const BeamStep<T>& step;
  int first;  // packed row

  __device__ __forceinline__ const float* query(int b) const {
    return step.call.queries + static_cast<size_t>(step.parent_row(first + b)) * step.call.attention_dim;
  }
  __device__ __forceinline__ const T* hidden(int b) const {
    return step.hidden(step.before(), step.parent_row(first + b));
  }
  __device__ __forceinline__ void keep_beta(int, float) const {}
  __device__ __forceinline__ void keep_weight(int b, int region, float weight) const {
    if (step.step == step.call.max_length) return;  // only END may follow, which no attention is kept for
    const size_t rows = static_cast<size_t>(step.call.images) * step.call.beam;
    step.call.history[(step.step * rows + step.row_of(first + b)) * step.call.regions + region] = weight;
  }
  __device__ __forceinline__ void keep_context(int b, int feature, float value) const {
    step.context(first + b)[feature] = from_float<T>(value);
  }
};

__host__ __device__ inline AttentionWeights attention_weights(const BeamSearchCall& call) {
  return {call.regions, call.feature_dim, call.hidden_dim, call.attention_dim,
          call.score,   call.gate,        call.gate_bias};
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kThreads, 2)
    attend_beams(PYCAP_ARGUMENT BeamSearchCall call, int length, int group) {
  PYCAP_SHARED(shared);
  const BeamStep<T> step(call, length);
  const AttentionWeights weights = attention_weights(call);
  const int slot = blockIdx.x, first = blockIdx.y * group;
  if (slot >= step.images() || first >= step.width) return;
  const size_t image = step.image_of(slot * step.width);
  const T* features = static_cast<const T*>(call.features) + image * weights.regions * weights.feature_dim;
  const T* keys = static_cast<const T*>(call.keys) + image * weights.regions * weights.attention_dim;
  const BeamRows<T> rows{step, slot * step.width + first};
  attend<T, WIDTH, kGroup>(weights, features, keys, rows, min(group, step.width - first), shared);
}

// ---- the step's products

// Columns are the four gates of a unit side by side.
template <class T>
struct Cell : BeamStep<T> {
  using BeamStep<T>::BeamStep;
  using BeamStep<T>::call;

  __host__ __device__ __forceinline__ int columns() const { return 4 * call.hidden_dim; }
  __host__ __device__ __forceinline__ int segments(int) const { return 2; }
  __host__ __device__ __forceinline__ int depth(int segment) const {
    return segment == 0 ? call.hidden_dim : call.feature_dim;
  }
  __device__ __forceinline__ const T* left(int segment, int packed) const {
    return segment == 0 ? this->hidden(this->before(), this->parent_row(packed)) : this->context(packed);
  }
  __device__ __forceinline__ const T* right(int segment, int column) const {
    return this->weight(segment == 0 ? call.recurrent : call.context, gate_row(column, call.hidden_dim),
                        depth(segment));
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    const int units = sums.columns / 4;
    for (int i = threadIdx.x; i < sums.rows * units; i += kThreads) {
      const int row = i / units, unit = sums.first_column / 4 + i % units, packed = sums.first_row + row;
      const Link link = this->link_of(packed);
      const T* words = this->weight(call.word_gates, link.token, columns()) + unit;
      float gates[4];
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        gates[gate] =
            sums(row, i % units * 4 + gate) + to_float(words[static_cast<size_t>(gate) * call.hidden_dim]);
      }
      const float previous = this->cell(this->before(), this->parent_row(packed))[unit];
      const float cell = sigmoid(gates[1]) * previous + sigmoid(gates[0]) * tanhf(gates[2]);
      this->cell(this->after(), this->row_of(packed))[unit] = cell;
      this->hidden(this->after(), this->row_of(packed))[unit] =
          from_float<T>(sigmoid(gates[3]) * tanhf(cell));
    }
  }
};

// The first columns, rounded up to whole tiles, are the deep output, the others the query of the next step.
template <class T>
struct Deep : BeamStep<T> {
  using BeamStep<T>::BeamStep;
  using BeamStep<T>::call;

  __host__ __device__ __forceinline__ int mixed_columns() const {
    return round_up(call.embed_dim, kTileColumns);
  }
  __host__ __device__ __forceinline__ int columns() const { return mixed_columns() + call.attention_dim; }
  __host__ __device__ __forceinline__ int segments(int first_column) const {
    return first_column < mixed_columns() ? 2 : 1;
  }
  __host__ __device__ __forceinline__ int depth(int segment) const {
    return segment == 0 ? call.hidden_dim : call.feature_dim;
  }
  __device__ __forceinline__ const T* left(int segment, int packed) const {
    return segment == 0 ? this->hidden(this->after(), this->row_of(packed)) : this->context(packed);
  }
  __device__ __forceinline__ const T* right(int segment, int column) const {
    if (column >= mixed_columns()) return this->weight(call.query, column - mixed_columns(), call.hidden_dim);
    const int row = min(column, call.embed_dim - 1);
    return this->weight(segment == 0 ? call.output_hidden : call.output_context, row, depth(segment));
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const int packed = sums.first_row + row, c = sums.first_column + column, query = c - mixed_columns();
      if (query >= 0) {
        call.queries[static_cast<size_t>(this->row_of(packed)) * call.attention_dim + query] =
            sums(row, column);
      } else if (c < call.embed_dim) {
        const float word =
            to_float(this->weight(call.embedding, this->link_of(packed).token, call.embed_dim)[c]);
        const float bias = to_float(static_cast<const T*>(call.output_bias)[c]);
        this->mixed(packed)[c] = from_float<T>(tanhf(sums(row, column) + word + bias));
      }
    });
  }
};

template <class T>
struct Words : BeamStep<T> {
  using BeamStep<T>::BeamStep;
  using BeamStep<T>::call;

  __host__ __device__ __forceinline__ int columns() const { return call.vocab_size; }
  __host__ __device__ __forceinline__ int segments(int) const { return 1; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.embed_dim; }
  __device__ __forceinline__ const T* left(int, int packed) const { return this->mixed(packed); }
  __device__ __forceinline__ const T* right(int, int column) const {
    return this->weight(call.output, column, call.embed_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, end = call.end - sums.first_column;
    const WordLists lists = this->word_lists();
    auto* logits = const_cast<float*>(sums.values);
    for (int row = warp; row < sums.rows; row += kWarps) {
      float* own = logits + row * sums.stride;
      for (int column = lane; column < sums.columns; column += kWarp) {
        own[column] += to_float(static_cast<const T*>(call.output_vocab_bias)[sums.first_column + column]);
      }
      __syncwarp();
      const int packed = sums.first_row + row;
      if (lane == 0 && end >= 0 && end < sums.columns) call.end_logits[packed] = own[end];
      list_words(lists, own, sums.columns, sums.first_column, call.barred, packed,
                 sums.first_column / call.list_columns, lane);
    }
  }
};

}  // namespace pycap::cuda
