// The three kernels of one decoder step, in the order they run:
//   state_products   query @ h  and  inputs + recurrent @ h       a warp: 8 rows x 4 columns
//   attend_regions   scores, softmax, gated context               a block: one row
//   finish_cell      context @ z, then the LSTM cell              a warp: 8 rows x the 4 gates of one unit
#pragma once

#include <initializer_list>

#include "attend_lstm_step.h"
#include "product.cuh"

namespace pycap::cuda {

constexpr int kGates = 4;
static_assert(kGates == kTileColumns, "a warp's tile is the four gates of one hidden unit");

constexpr int kProductThreads = 128;
constexpr int kProductWarps = kProductThreads / kWarp;
constexpr int kAttendThreads = 256;
constexpr int kAttendWarps = kAttendThreads / kWarp;
constexpr int kAttendBlocks = 4;     // blocks an SM can hold, which leaves 64 registers a thread: no spills
constexpr int kRegionsInFlight = 4;  // regions whose keys a warp reads at once

struct Geometry {
  unsigned row_blocks, column_blocks, threads;
  size_t shared_bytes;
};

inline unsigned query_tiles(const AttendLSTMStep& step) {
  return static_cast<unsigned>(ceil_div(step.attention_dim, kTileColumns));
}

// Row tiles vary fastest: blocks that share weights run together.
inline Geometry product_geometry(const AttendLSTMStep& step, unsigned tiles) {
  const auto row_tiles = static_cast<unsigned>(ceil_div(step.batch, kTileRows));
  return {row_tiles, ceil_div(tiles, static_cast<unsigned>(kProductWarps)), kProductThreads, 0};
}

inline Geometry attend_geometry(const AttendLSTMStep& step, int width) {
  const int floats = kAttendWarps + kAttendWarps * kWarp * width + step.regions;
  return {static_cast<unsigned>(step.batch), 1, kAttendThreads, static_cast<size_t>(floats) * sizeof(float)};
}

// Whether every row the kernels read in 16-byte pieces of `width` elements starts on a 16-byte boundary.
inline bool loads_are_wide(const AttendLSTMStep& step, int width) {
  bool wide =
      step.hidden_dim % width == 0 && step.attention_dim % width == 0 && step.feature_dim % width == 0;
  for (const void* pointer :
       {step.features, step.keys, step.hidden, step.query, step.score, step.gate, step.context,
        step.recurrent, const_cast<const void*>(step.next_context), static_cast<const void*>(step.queries)}) {
    wide = wide && reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
  }
  return wide;
}

// The four gate rows of one hidden unit in a (4 * hidden_dim, depth) matrix.
template <class T>
__device__ __forceinline__ void gate_rows(const T* matrix, int unit, int hidden_dim, int depth,
                                          const T* (&rows)[kTileColumns]) {
#pragma unroll
  for (int gate = 0; gate < kGates; ++gate) {
    rows[gate] = matrix + (static_cast<size_t>(gate) * hidden_dim + unit) * depth;
  }
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kProductThreads) state_products(AttendLSTMStep step) {
  const int lane = threadIdx.x % kWarp;
  const int tile = blockIdx.y * kProductWarps + threadIdx.x / kWarp;
  const int query_count = ceil_div(step.attention_dim, kTileColumns);
  if (tile >= query_count + step.hidden_dim) return;

  const int first_row = blockIdx.x * kTileRows;
  const int rows = min(kTileRows, step.batch - first_row);
  const size_t row = first_row + tile_row(lane);
  const T* hidden = static_cast<const T*>(step.hidden) + static_cast<size_t>(first_row) * step.hidden_dim;
  const T* columns[kTileColumns];

  if (tile < query_count) {
#pragma unroll
    for (int i = 0; i < kTileColumns; ++i) {  // past the end: any valid row, its sum is dropped
      const int column = min(tile * kTileColumns + i, step.attention_dim - 1);
      columns[i] = static_cast<const T*>(step.query) + static_cast<size_t>(column) * step.hidden_dim;
    }
    const float sum = tile_product<T, WIDTH>(hidden, rows, columns, step.hidden_dim, lane);
    const int column = tile * kTileColumns + tile_column(lane);
    if (tile_row(lane) < rows && column < step.attention_dim) {
      step.queries[row * step.attention_dim + column] = sum;
    }
  } else {
    const int unit = tile - query_count;
    gate_rows(static_cast<const T*>(step.recurrent), unit, step.hidden_dim, step.hidden_dim, columns);
    const float sum = tile_product<T, WIDTH>(hidden, rows, columns, step.hidden_dim, lane);
    if (tile_row(lane) < rows) {
      const int gate = tile_column(lane);
      const T* inputs = static_cast<const T*>(step.inputs) + row * kGates * step.hidden_dim;
      step.gates[(row * step.hidden_dim + unit) * kGates + gate] =
          sum + to_float(inputs[static_cast<size_t>(gate) * step.hidden_dim + unit]);
    }
  }
}

// Writes score . tanh(keys_r + query) for the regions of this warp.  keys (regions, attention_dim)
template <class T, int WIDTH>
__device__ __forceinline__ void score_regions(const AttendLSTMStep& step, const T* keys, const float* query,
                                              float* energies, int warp, int lane) {
  for (int first = warp; first < step.regions; first += kAttendWarps * kRegionsInFlight) {
    float sums[kRegionsInFlight] = {};
    for (int a = lane * WIDTH; a < step.attention_dim; a += kWarp * WIDTH) {
      float score[WIDTH], wanted[WIDTH];
      load<T, WIDTH>(static_cast<const T*>(step.score) + a, score);
      load_workspace<WIDTH>(query + a, wanted);
#pragma unroll
      for (int i = 0; i < kRegionsInFlight; ++i) {
        const int region = first + i * kAttendWarps;
        if (region < step.regions) {
          float key[WIDTH];
          load<T, WIDTH>(keys + static_cast<size_t>(region) * step.attention_dim + a, key);
#pragma unroll
          for (int j = 0; j < WIDTH; ++j) sums[i] = fmaf(score[j], tanh_for<T>(key[j] + wanted[j]), sums[i]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRegionsInFlight; ++i) {
      const int region = first + i * kAttendWarps;
      const float sum = warp_sum(sums[i]);
      if (lane == 0 && region < step.regions) energies[region] = sum;
    }
  }
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kAttendThreads, kAttendBlocks) attend_regions(AttendLSTMStep step) {
  PYCAP_SHARED_FLOATS(shared);
  float* gate_parts = shared;                                     // (warps,)
  float* context_parts = gate_parts + kAttendWarps;               // (warps, 32 * WIDTH)
  float* weights = context_parts + kAttendWarps * kWarp * WIDTH;  // (regions,) energies, then attention
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const size_t row = blockIdx.x;
  T* context = static_cast<T*>(step.next_context) + row * step.feature_dim;
  T* attention = static_cast<T*>(step.attention) + row * step.regions;

  const int64_t image = step.image_index ? step.image_index[row] : static_cast<int64_t>(row);
  if (image < 0 || image >= step.images) {  // no read outside the features; finish_cell spreads the NaN
    for (int r = thread; r < step.regions; r += kAttendThreads) attention[r] = from_float<T>(NAN);
    for (int f = thread; f < step.feature_dim; f += kAttendThreads) context[f] = from_float<T>(NAN);
    return;
  }
  const T* features = static_cast<const T*>(step.features) + image * step.regions * step.feature_dim;
  const T* keys = static_cast<const T*>(step.keys) + image * step.regions * step.attention_dim;

  score_regions<T, WIDTH>(step, keys, step.queries + row * step.attention_dim, weights, warp, lane);

  const T* hidden = static_cast<const T*>(step.hidden) + row * step.hidden_dim;
  float gate_part = 0.0f;
  for (int k = thread * WIDTH; k < step.hidden_dim; k += kAttendThreads * WIDTH) {
    float state[WIDTH], gate[WIDTH];
    load<T, WIDTH>(hidden + k, state);
    load<T, WIDTH>(static_cast<const T*>(step.gate) + k, gate);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) gate_part = fmaf(gate[i], state[i], gate_part);
  }
  gate_part = warp_sum(gate_part);
  if (lane == 0) gate_parts[warp] = gate_part;
  __syncthreads();

  // Softmax: every warp finds the same maximum and sum, so no further exchange is needed.
  float most = -INFINITY;
  for (int r = lane; r < step.regions; r += kWarp) most = fmaxf(most, weights[r]);
  most = warp_max(most);
  float total = 0.0f;
  for (int r = lane; r < step.regions; r += kWarp) total += expf(weights[r] - most);
  total = warp_sum(total);
  float gate_sum = to_float(*static_cast<const T*>(step.gate_bias));
#pragma unroll
  for (int i = 0; i < kAttendWarps; ++i) gate_sum += gate_parts[i];
  const float beta = sigmoid(gate_sum);
  __syncthreads();  // all warps have read the energies
  for (int r = thread; r < step.regions; r += kAttendThreads) {
    const float weight = expf(weights[r] - most) / total;
    weights[r] = weight;
    attention[r] = from_float<T>(weight);
  }
  __syncthreads();

  for (int chunk = 0; chunk < step.feature_dim; chunk += kWarp * WIDTH) {
    const int feature = chunk + lane * WIDTH;
    float sums[WIDTH] = {};
    if (feature < step.feature_dim) {
#pragma unroll 4
      for (int r = warp; r < step.regions; r += kAttendWarps) {
        float values[WIDTH];
        load<T, WIDTH>(features + static_cast<size_t>(r) * step.feature_dim + feature, values);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) sums[i] = fmaf(weights[r], values[i], sums[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) context_parts[(warp * kWarp + lane) * WIDTH + i] = sums[i];
    __syncthreads();
    for (int f = thread; f < kWarp * WIDTH && chunk + f < step.feature_dim; f += kAttendThreads) {
      float sum = 0.0f;
#pragma unroll
      for (int i = 0; i < kAttendWarps; ++i) sum += context_parts[i * kWarp * WIDTH + f];
      context[chunk + f] = from_float<T>(beta * sum);
    }
    __syncthreads();  // before the next chunk overwrites the parts
  }
}

template <class T, int WIDTH>
__global__ void __launch_bounds__(kProductThreads) finish_cell(AttendLSTMStep step) {
  const int lane = threadIdx.x % kWarp;
  const int unit = blockIdx.y * kProductWarps + threadIdx.x / kWarp;
  if (unit >= step.hidden_dim) return;

  const int first_row = blockIdx.x * kTileRows;
  const int rows = min(kTileRows, step.batch - first_row);
  const T* context =
      static_cast<const T*>(step.next_context) + static_cast<size_t>(first_row) * step.feature_dim;
  const T* columns[kTileColumns];
  gate_rows(static_cast<const T*>(step.context), unit, step.hidden_dim, step.feature_dim, columns);
  float sum = tile_product<T, WIDTH>(context, rows, columns, step.feature_dim, lane);

  const size_t position = (first_row + static_cast<size_t>(tile_row(lane))) * step.hidden_dim + unit;
  const bool live = tile_row(lane) < rows;
  if (live) sum += step.gates[position * kGates + tile_column(lane)];
  const int first_lane = lane - tile_column(lane);  // the row's four lanes hold i, f, g, o
  const float input = __shfl_sync(kAllLanes, sum, first_lane);
  const float forget = __shfl_sync(kAllLanes, sum, first_lane + 1);
  const float update = __shfl_sync(kAllLanes, sum, first_lane + 2);
  const float output = __shfl_sync(kAllLanes, sum, first_lane + 3);
  if (live && tile_column(lane) == 0) {
    const float previous = to_float(static_cast<const T*>(step.cell)[position]);
    const float cell = sigmoid(forget) * previous + sigmoid(input) * tanhf(update);
    static_cast<T*>(step.next_cell)[position] = from_float<T>(cell);
    static_cast<T*>(step.next_hidden)[position] = from_float<T>(sigmoid(output) * tanhf(cell));
  }
}

// The step's launches in order: launch(kernel, name, geometry) starts one. The GPU and the emulation share
// them.
template <class T, int WIDTH, class Launch>
void launch_step(const AttendLSTMStep& step, Launch&& launch) {
  const auto units = static_cast<unsigned>(step.hidden_dim);
  launch(state_products<T, WIDTH>, "state_products", product_geometry(step, query_tiles(step) + units));
  launch(attend_regions<T, WIDTH>, "attend_regions", attend_geometry(step, WIDTH));
  launch(finish_cell<T, WIDTH>, "finish_cell", product_geometry(step, units));
}

template <class T, class Launch>
void launch_widest(const AttendLSTMStep& step, Launch&& launch) {
  if (loads_are_wide(step, kWide<T>)) {
    launch_step<T, kWide<T>>(step, launch);
  } else {
    launch_step<T, 1>(step, launch);
  }
}

}  // namespace pycap::cuda
