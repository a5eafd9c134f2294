// Matrix products for few rows: a warp multiplies up to 8 rows of activations by 4 rows of a weight matrix.
// Every weight is read once for 8 rows, 16 bytes a lane; sums are float and their order does not depend on
// the batch, so a row's result is the same alone and in a crowd.
#pragma once

#include "common.cuh"

namespace pycap::cuda {

constexpr int kTileRows = 8;     // rows of activations a warp holds
constexpr int kTileColumns = 4;  // weight rows (output columns) a warp holds
static_assert(kTileRows * kTileColumns == kWarp, "one sum a lane after the reduction");

// Where a lane's sum belongs inside the warp's tile.
__device__ __forceinline__ int tile_row(int lane) { return lane / kTileColumns; }
__device__ __forceinline__ int tile_column(int lane) { return lane % kTileColumns; }

// Adds 32 partial sums over the 32 lanes in 31 exchanges; lane l is left with the total of sums[l].
template <int HALF = kWarp / 2>
__device__ __forceinline__ float reduce_scatter(float (&sums)[kWarp], int lane) {
  if constexpr (HALF == 0) {
    return sums[0];
  } else {
    const bool upper = (lane & HALF) != 0;
#pragma unroll
    for (int i = 0; i < HALF; ++i) {
      const float kept = upper ? sums[i + HALF] : sums[i];
      const float sent = upper ? sums[i] : sums[i + HALF];
      sums[i] = kept + __shfl_xor_sync(kAllLanes, sent, HALF);
    }
    return reduce_scatter<HALF / 2>(sums, lane);
  }
}

// Returns activations[tile_row(lane)] . columns[tile_column(lane)], zero where tile_row(lane) >= rows.
//   activations (rows, depth) contiguous, rows <= 8 matter;  columns: 4 pointers to (depth,)
template <class T, int WIDTH>
__device__ __forceinline__ float tile_product(const T* activations, int rows,
                                              const T* const (&columns)[kTileColumns], int depth, int lane) {
  float sums[kWarp] = {};
  for (int k = lane * WIDTH; k < depth; k += kWarp * WIDTH) {
    float weight[kTileColumns][WIDTH];
#pragma unroll
    for (int column = 0; column < kTileColumns; ++column) load<T, WIDTH>(columns[column] + k, weight[column]);
#pragma unroll
    for (int row = 0; row < kTileRows; ++row) {
      if (row < rows) {
        float activation[WIDTH];
        load<T, WIDTH>(activations + static_cast<size_t>(row) * depth + k, activation);
#pragma unroll
        for (int column = 0; column < kTileColumns; ++column) {
#pragma unroll
          for (int i = 0; i < WIDTH; ++i) {
            float& sum = sums[row * kTileColumns + column];
            sum = fmaf(activation[i], weight[column][i], sum);
          }
        }
      }
    }
  }
  return reduce_scatter(sums, lane);
}

}  // namespace pycap::cuda
