// The persistent beam search: the phases of beam_search.cuh between grid barriers, five a step.
//   energies   a warp: one region of one image, all its beams; or one row's gate
//   cell       every block its columns: hidden @ recurrent, then attention @ folded contexts, LSTM cell
//   deep       the same for the deep output and the next query
//   words      every block its words
//   advance    a block: one image
// features @ context and features @ output_context are folded once a search, so a step needs no context: with
// few images the folds are small, and a phase and its barrier are saved.
#pragma once

#include "cuda/beam_search.cuh"
#include "cuda/persistent.h"

namespace pycap::cuda {

// Waits until all blocks have come here, and sees what they wrote: thread 0 releases for its block, which the
// barrier before made its own to release, and acquires for it. `arrived` counts arrivals for ever: nothing is
// reset.
__device__ __forceinline__ void grid_barrier(uint32_t* arrived, uint32_t& target) {
  __syncthreads();
  target += gridDim.x;
  if (threadIdx.x == 0) {
#ifdef __CUDACC__
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(arrived) : "memory");
    uint32_t seen;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(arrived) : "memory");
    } while (static_cast<int32_t>(seen - target) < 0);
#else
    ++*arrived;
    while (static_cast<int32_t>(*arrived - target) < 0) pycap::emulation::yield();
#endif
  }
  __syncthreads();
}

// features @ context weights and features @ output_context, before the first step.
template <class T>
struct Folds : BeginProduct<T> {
  using BeginProduct<T>::BeginProduct;
  using BeginProduct<T>::call;

  __host__ __device__ __forceinline__ int cell_columns() const { return 4 * call.hidden_dim; }
  __device__ __forceinline__ int rows() const { return call.images * call.regions; }
  __host__ __device__ __forceinline__ int columns() const { return cell_columns() + call.embed_dim; }
  __host__ __device__ __forceinline__ int depth(int) const { return call.feature_dim; }
  __device__ __forceinline__ const T* left(int, int row) const {
    return this->at(call.features, row, call.feature_dim);
  }
  __device__ __forceinline__ const T* right(int, int column) const {
    const bool cell = column < cell_columns();
    const int row = cell ? gate_row(column, call.hidden_dim) : column - cell_columns();
    return this->at(cell ? call.context : call.output_context, row, call.feature_dim);
  }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int r, int column) {
      const size_t row = sums.first_row + r;
      const int c = sums.first_column + column;
      if (c < cell_columns()) {
        static_cast<T*>(call.cell_folds)[row * cell_columns() + c] = from_float<T>(sums(r, column));
      } else {
        static_cast<T*>(call.deep_folds)[row * call.embed_dim + c - cell_columns()] =
            from_float<T>(sums(r, column));
      }
    });
  }
};

// A warp scores one region of the image in `slot` for all its beams.
template <class T>
__device__ __forceinline__ void score_region(const BeamStep<T>& step, int slot, int region, int lane) {
  const BeamSearchCall& call = step.call;
  const size_t image = step.image_of(slot * step.width);
  const T* key = static_cast<const T*>(call.keys) + (image * call.regions + region) * call.attention_dim;
  const T* score = static_cast<const T*>(call.score);
  for (int first = 0; first < step.width; first += kGroup) {
    const int packed = slot * step.width + first, count = min(kGroup, step.width - first);
    float sums[kGroup] = {};
    const float* queries[kGroup];
#pragma unroll
    for (int b = 0; b < kGroup; ++b) {
      queries[b] = call.queries +
                   static_cast<size_t>(step.parent_row(packed + min(b, count - 1))) * call.attention_dim;
    }
    for (int a = lane * kWide<T>; a < call.attention_dim; a += kWarp * kWide<T>) {
      const KeyPiece<T, kWide<T>> piece(key + a);
      float scores[kWide<T>];
      load<T, kWide<T>>(score + a, scores);
#pragma unroll
      for (int b = 0; b < kGroup; ++b) {
        if (b < count) {
#pragma unroll
          for (int i = 0; i < kWide<T>; ++i) {
            const float query = __ldcg(queries[b] + a + i);
            const float share = piece.plain && is_plain(query)
                                    ? piece.fast_share(i, double_exponential<T>(query))
                                    : share_of<T>(piece.keys[i], query);
            sums[b] = fmaf(scores[i], share, sums[b]);
          }
        }
      }
    }
#pragma unroll
    for (int b = 0; b < kGroup; ++b) {
      if (b < count) {
        const float sum = warp_sum(sums[b]);
        if (lane == 0) call.energies[static_cast<size_t>(packed + b) * call.regions + region] = -2.0f * sum;
      }
    }
  }
}

template <class T>
__device__ __forceinline__ void score_all(const BeamStep<T>& step, int images) {
  const BeamSearchCall& call = step.call;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int scored = images * call.regions, items = scored + images * step.width;
  for (int item = blockIdx.x + gridDim.x * warp; item < items;
       item += gridDim.x * kWarps) {  // spread over blocks first
    if (item < scored) {
      score_region(step, item / call.regions, item % call.regions, lane);
    } else {
      const int packed = item - scored;
      const float beta =
          gate_of<T>(attention_weights(call), step.hidden(step.before(), step.parent_row(packed)), lane);
      if (lane == 0) call.betas[packed] = beta;
    }
  }
}

// The attention of every row, times its gate, in the block's shared memory (rows, regions); block 0 keeps the
// history.
template <class T>
__device__ __forceinline__ void weigh_regions(const BeamStep<T>& step, int rows, float* weights) {
  const BeamSearchCall& call = step.call;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, regions = call.regions;
  for (int packed = warp; packed < rows; packed += kWarps) {
    float* own = weights + packed * regions;
    for (int r = lane; r < regions; r += kWarp) {
      own[r] = __ldcg(call.energies + static_cast<size_t>(packed) * regions + r);
    }
    softmax_row(own, regions, lane);  // a lane looks at its own regions only
    const float beta = __ldcg(call.betas + packed);
    const BeamRows<T> kept{step, packed};
    for (int r = lane; r < regions; r += kWarp) {
      if (blockIdx.x == 0) kept.keep_weight(0, r, own[r]);
      own[r] *= beta;
    }
  }
}

// A product's hidden segment with the folded contexts added before the problem finishes.
template <class T, class Problem>
struct Folded : Problem {
  const T* folds;  // (images, regions, stride)
  int stride;
  const float* weights;  // (rows, regions), in shared memory

  __device__ Folded(const BeamSearchCall& call, int step, const void* folds, int stride, const float* weights)
      : Problem(call, step), folds(static_cast<const T*>(folds)), stride(stride), weights(weights) {}

  __host__ __device__ __forceinline__ int segments(int) const { return 1; }
  __device__ __forceinline__ void finish(const Sums& sums) const {
    auto* values = const_cast<float*>(sums.values);
    const int regions = this->call.regions;
    for_each_sum(sums, [&](int row, int column) {
      const int c = sums.first_column + column;
      if (c >= stride) return;
      const float* own = weights + (sums.first_row + row) * regions;
      const T* fold =
          folds + static_cast<size_t>(this->image_of(sums.first_row + row)) * regions * stride + c;
      float sum = 0.0f;
      for (int r = 0; r < regions; ++r)
        sum = fmaf(own[r], to_float(fold[static_cast<size_t>(r) * stride]), sum);
      values[row * sums.stride + column] += sum;
    });
    __syncthreads();
    Problem::finish(sums);
  }
};

// The shared memory of a block, in bytes from its start; `end` is its size.
struct Residence {
  size_t cell, deep, words, weights, scratch, end;
};

template <class T>
__host__ __device__ Residence residence_of(const BeamSearchCall& call, int blocks, int row_tiles,
                                           int list_columns, int lists) {
  const size_t tile = sizeof(T) * kFewColumns * call.hidden_dim;  // 16 columns
  Residence at{};
  const int cell_tiles = ceil_div(ceil_div(4 * call.hidden_dim, kFewColumns), blocks);
  const int deep_tiles =
      ceil_div(ceil_div(round_up(call.embed_dim, kTileColumns) + call.attention_dim, kFewColumns), blocks);
  at.deep = at.cell + cell_tiles * tile;
  at.words = at.deep + deep_tiles * tile;
  at.weights = at.words + sizeof(T) * list_columns * call.embed_dim;
  at.scratch = at.weights + round_up(sizeof(float) * 8 * row_tiles * call.regions, size_t{16});
  const size_t product = few_shared_bytes(row_tiles, list_columns);
  const size_t books = advance_shared_bytes(call.beam, call.max_length, lists);
  at.end = at.scratch + (product > books ? product : books);
  return at;
}

// The products of one step.
template <class T>
struct StepProducts {
  Folded<T, Cell<T>> cell;
  Folded<T, Deep<T>> deep;
  Words<T> words;

  __device__ StepProducts(const BeamSearchCall& call, const float* weights, int step)
      : cell(call, step, call.cell_folds, 4 * call.hidden_dim, weights),
        deep(call, step, call.deep_folds, call.embed_dim, weights),
        words(call, step) {}
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads, 1) search_in_place(PYCAP_ARGUMENT BeamSearchCall call) {
  PYCAP_SHARED(shared);
  const int blocks = gridDim.x;
  const Residence at = residence_of<T>(call, blocks, N, call.list_columns, call.lists);
  char* scratch = shared + at.scratch;
  auto* weights = reinterpret_cast<float*>(shared + at.weights);
  const int first_word = blockIdx.x * call.list_columns;
  // Tiles of the deep output go to the last blocks first: those have the fewest of the cell.
  const int last = blocks - 1 - static_cast<int>(blockIdx.x);
  auto for_each_tile = [&](int columns, int first, int depth, size_t resident, auto&& visit) {
    for (int tile = first, i = 0; tile * kFewColumns < columns; tile += blocks, ++i) {
      visit(tile * kFewColumns, shared + resident + i * sizeof(T) * kFewColumns * depth);
    }
  };

  {
    const StepProducts<T> products(call, weights, 0);
    for_each_tile(
        products.cell.columns(), blockIdx.x, call.hidden_dim, at.cell,
        [&](int column, char* place) { make_resident<T>(products.cell, column, kFewColumns, place); });
    for_each_tile(products.deep.columns(), last, call.hidden_dim, at.deep, [&](int column, char* place) {
      make_resident<T>(products.deep, column, kFewColumns, place);
    });
    if (first_word < call.vocab_size) {
      make_resident<T>(products.words, first_word, call.list_columns, shared + at.words);
    }
  }
  uint32_t target = 0;
  for (int length = 0; length <= call.max_length; ++length) {
    const StepProducts<T> products(call, weights, length);
    const BeamStep<T>& step = products.words;
    const int images = step.images();
    if (images == 0) return;  // the same for all blocks
    score_all(step, images);
    grid_barrier(call.barrier, target);
    weigh_regions(step, images * step.width, weights);  // a product's barriers come before it uses them
    for_each_tile(products.cell.columns(), blockIdx.x, call.hidden_dim, at.cell,
                  [&](int column, const char* place) {
                    few_product<T, N>(products.cell, column, kFewColumns, place, scratch);
                  });
    grid_barrier(call.barrier, target);
    for_each_tile(products.deep.columns(), last, call.hidden_dim, at.deep,
                  [&](int column, const char* place) {
                    few_product<T, N>(products.deep, column, kFewColumns, place, scratch);
                  });
    grid_barrier(call.barrier, target);
    if (first_word < call.vocab_size) {
      few_product<T, N>(products.words, first_word, call.list_columns, shared + at.words, scratch);
    }
    grid_barrier(call.barrier, target);
    for (int slot = blockIdx.x; slot < images; slot += blocks) advance_image(step, slot, scratch);
    grid_barrier(call.barrier, target);
  }
}

}  // namespace pycap::cuda
