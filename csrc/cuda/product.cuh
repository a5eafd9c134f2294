// Matrix products with a caller's ending: a block computes a tile of sums, leaves them in shared memory, and
// the problem finishes them (a bias, an LSTM cell, a ranking of words).
//
// A problem is a struct that refers to a call and knows a step of it, Problem(call, step), with
//   int rows(), int columns()                of the product; rows() may be read from the GPU's memory
//   int segments(int first_column)           products that are added up: one depth after the other
//   int depth(int segment)                   elements of a row
//   const T* left(int segment, int row)      the row's elements
//   const T* right(int segment, int column)  the column's weights, contiguous as torch.nn.Linear keeps them
//   bool wide()                              rows start on 16-byte boundaries and are whole 16 bytes long
//   void finish(const Sums&)                 called by the whole block, barriers allowed
// Sums are float. Their order depends on the depths and on which of the two kernels below runs, never on the
// other rows: among launches of one kernel a row has the same bits alone and in a crowd.
#pragma once

#include "cuda/fragment.cuh"

namespace pycap::cuda {

// A part of a product in shared memory.
struct Sums {
  const float* values;
  int stride, first_row, rows, first_column, columns;

  __device__ __forceinline__ float operator()(int row, int column) const {
    return values[row * stride + column];
  }
};

// Products for an LSTM have the four gates of a unit side by side; this is their row of the weights, where
// gates are the outer order.
__device__ __forceinline__ int gate_row(int column, int hidden_dim) {
  return column % 4 * hidden_dim + column / 4;
}

// Calls visit(row, column) for every sum of a tile.
template <class Visit>
__device__ __forceinline__ void for_each_sum(const Sums& sums, Visit&& visit) {
  for (int i = threadIdx.x; i < sums.rows * sums.columns; i += kThreads)
    visit(i / sums.columns, i % sums.columns);
}

// ---- many rows: 128 x 128 sums a block, chunks of both operands copied three deep

constexpr int kTileRows = 128, kTileColumns = 128;
constexpr int kStages = 3;
constexpr int kTileWarpRows = 64, kTileWarpColumns = 32;  // of one warp: 2 x 4 warps
constexpr int kStagedRows = kTileWarpRows;                // sums that are finished together
constexpr int kStagedStride = kTileColumns + 8;           // lanes of a warp write to different banks
constexpr int kStageBytes = (kTileRows + kTileColumns) * kChunkBytes;
constexpr size_t kTileSharedBytes = size_t{kStages} * kStageBytes;
static_assert(kTileSharedBytes <= 48 * 1024, "what a block may use without asking");
static_assert(size_t{kStagedRows} * kStagedStride * sizeof(float) <= kTileSharedBytes,
              "sums take the chunks' place");
static_assert(kThreads / kPieces * 4 == kTileRows + kTileColumns,
              "a thread copies four pieces of every chunk");

// Copies the chunks of a tile one after the other, across segments.
template <class T, class Problem>
class ChunkLoader {
 public:
  __device__ ChunkLoader(const Problem& problem, int first_row, int first_column)
      : problem_(problem), first_row_(first_row), first_column_(first_column) {
    enter(0);
  }

  __device__ __forceinline__ bool more() const { return segment_ < problem_.segments(first_column_); }

  // Puts the next chunk of all rows and columns into `stage`.
  __device__ __forceinline__ void copy(char* stage) {
    const int row = threadIdx.x / kPieces, piece = threadIdx.x % kPieces;
    const int k = k_ + piece * kWide<T>;
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // the first half are rows, the second columns
      char* target =
          stage + i / 2 * kTileRows * kChunkBytes + chunk_place(row + i % 2 * kThreads / kPieces, piece);
      const int left = depth_ - k;
      if (problem_.wide()) {  // then a piece is there as a whole or not at all
        copy_async(target, left > 0 ? source_[i] + k : source_[i], left > 0);
      } else {
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j) {
          reinterpret_cast<T*>(target)[j] = j < left ? source_[i][k + j] : from_float<T>(0.0f);
        }
      }
    }
    k_ += kChunk<T>;
    if (k_ >= depth_) enter(segment_ + 1);
  }

 private:
  __device__ __forceinline__ void enter(int segment) {
    segment_ = segment;
    k_ = 0;
    if (!more()) return;
    depth_ = problem_.depth(segment);
    const int row = threadIdx.x / kPieces;
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // past the end: any row that exists, its sums are dropped
      const int place = row + i * kThreads / kPieces;
      source_[i] = problem_.left(segment, min(first_row_ + place, problem_.rows() - 1));
      source_[2 + i] = problem_.right(segment, min(first_column_ + place, problem_.columns() - 1));
    }
  }

  const Problem& problem_;
  int first_row_, first_column_, segment_ = 0, k_ = 0, depth_ = 0;
  const T* source_[4];
};

// Computes and finishes the tile at (first_row, first_column), which must hold at least one sum.
template <class T, class Problem>
__device__ __forceinline__ void tile_product(const Problem& problem, int first_row, int first_column,
                                             char* shared) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int warp_row = warp / 4 * kTileWarpRows, warp_column = warp % 4 * kTileWarpColumns;
  constexpr int M = kTileWarpRows / 16, N = kTileWarpColumns / 8;
  float sums[M][N][4] = {};

  ChunkLoader<T, Problem> loader(problem, first_row, first_column);
  int ahead = 0;  // chunks copied and not yet multiplied
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (loader.more()) loader.copy(shared + stage * kStageBytes), ++ahead;
    copy_commit();
  }
  for (int stage = 0; ahead > 0; stage = stage + 1 == kStages ? 0 : stage + 1) {
    copy_wait<kStages - 2>();
    __syncthreads();  // this chunk has come for all, and all are through with the one before
    --ahead;
    if (loader.more()) {
      loader.copy(shared + (stage == 0 ? kStages - 1 : stage - 1) * kStageBytes);
      ++ahead;
    }
    copy_commit();
    const char* chunks = shared + stage * kStageBytes;
    const SharedRows a{chunks + warp_row * kChunkBytes};
    const SharedRows b{chunks + (kTileRows + warp_column) * kChunkBytes};
#pragma unroll
    for (int slice = 0; slice < kSlices; ++slice) multiply_slice<T, M, N>(sums, a, b, slice, lane);
  }
  copy_wait<0>();

  auto* staged = reinterpret_cast<float*>(shared);
  const int g = lane / 4, t = lane % 4;
  for (int part = 0; part < kTileRows / kStagedRows; ++part) {
    const int row = first_row + part * kStagedRows;
    if (row >= problem.rows()) break;
    __syncthreads();  // the chunks, or the sums before, are used up
    if (warp_row == part * kStagedRows) {
#pragma unroll
      for (int m = 0; m < M; ++m) {
#pragma unroll
        for (int n = 0; n < N; ++n) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            const int place = (16 * m + 8 * half + g) * kStagedStride + warp_column + 8 * n + 2 * t;
            *reinterpret_cast<float2*>(staged + place) =
                make_float2(sums[m][n][2 * half], sums[m][n][2 * half + 1]);
          }
        }
      }
    }
    __syncthreads();
    problem.finish(Sums{staged, kStagedStride, row, min(kStagedRows, problem.rows() - row), first_column,
                        min(kTileColumns, problem.columns() - first_column)});
  }
}

template <class Problem>
Geometry tile_geometry(const Problem& problem, int most_rows) {
  return {static_cast<unsigned>(ceil_div(most_rows, kTileRows)),
          static_cast<unsigned>(ceil_div(problem.columns(), kTileColumns)), kTileSharedBytes};
}

// Two blocks share an SM where the sums leave enough registers: float operands, and exchanges instead of
// tensor cores, take more of them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <class T>
constexpr int kTileBlocks = 1;
#else
template <class T>
constexpr int kTileBlocks = sizeof(T) == 2 ? 2 : 1;
#endif

template <class T, class Problem, class Call>
__global__ void __launch_bounds__(kThreads, kTileBlocks<T>)
    multiply_many(PYCAP_ARGUMENT Call call, int step) {
  PYCAP_SHARED(shared);
  const Problem problem(call, step);
  const int first_row = blockIdx.x * kTileRows;
  if (first_row < problem.rows()) tile_product<T>(problem, first_row, blockIdx.y * kTileColumns, shared);
}

// ---- few rows: 16 columns at a time, every warp an eighth of the depth; the weights are the 16-row operand

constexpr int kFewRows = 32;  // at most, where the weights are not resident
constexpr int kFewColumns = 16;

// Depths must be whole chunks and rows wide.

// Rows of activations as the 8-row operand: pointers to the rows that this lane reads.
template <class T, int N>
struct GlobalRows {
  static constexpr int kOwn = sizeof(T) == 2 ? 1 : 2;  // of every eight: g, or 2t and 2t + 1
  const uint2* source[N][kOwn];

  template <class Problem>
  __device__ __forceinline__ void enter(const Problem& problem, int segment, int rows, int lane) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {  // past the end: the last row, its sums are dropped
        const int row = 8 * n + (kOwn == 1 ? lane / 4 : 2 * (lane % 4) + i);
        source[n][i] = reinterpret_cast<const uint2*>(problem.left(segment, min(row, rows - 1)));
      }
    }
  }

  struct Chunk {
    const GlobalRows& rows;
    int place;
    __device__ __forceinline__ uint2 read(int group, int row, int slice, int eighth) const {
      return __ldcg(rows.source[group / 8][kOwn == 1 ? 0 : row % 2] + place + slice * 4 + eighth);
    }
  };
};

// Columns of weights as the 16-row operand.
struct GlobalColumns {
  const uint2* source[2];  // g and g + 8

  template <class Problem>
  __device__ __forceinline__ void enter(const Problem& problem, int segment, int first_column, int lane) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int column = min(first_column + lane / 4 + 8 * i, problem.columns() - 1);
      source[i] = reinterpret_cast<const uint2*>(problem.right(segment, column));
    }
  }

  struct Chunk {
    const GlobalColumns& columns;
    int place;
    __device__ __forceinline__ uint2 read(int group, int, int slice, int eighth) const {
      return __ldg(columns.source[group / 8] + place + slice * 4 + eighth);
    }
  };
};

__host__ __device__ inline size_t few_shared_bytes(int row_tiles, int columns) {
  const int rows = 8 * row_tiles;
  return sizeof(float) * (size_t{kWarps} * rows * kFewColumns + size_t(rows) * (columns + 1));
}

// Computes `columns` (a multiple of 16) columns from first_column on for all rows, at most 8 * N, and
// finishes them. `resident`: their weights in shared memory, or null to read them through problem.right.
template <class T, int N, class Problem>
__device__ __forceinline__ void few_product(const Problem& problem, int first_column, int columns,
                                            const char* resident, char* shared) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, g = lane / 4, t = lane % 4;
  using Rows = typename GlobalRows<T, N>::Chunk;
  using Columns = GlobalColumns::Chunk;
  constexpr int kRows = 8 * N, kPlaces = kChunkBytes / sizeof(uint2);
  auto* parts = reinterpret_cast<float*>(shared);        // (warps, rows, 16)
  float* staged = parts + kWarps * kRows * kFewColumns;  // (rows, columns + 1)
  const int rows = problem.rows(), stride = columns + 1, segments = problem.segments(first_column);

  for (int tile = 0; tile < columns; tile += kFewColumns) {
    float sums[1][N][4] = {};
    for (int segment = 0; segment < segments; ++segment) {
      const int chunks = problem.depth(segment) / kChunk<T>;
      GlobalRows<T, N> activations;
      activations.enter(problem, segment, rows, lane);
      if (resident != nullptr) {
        for (int chunk = warp; chunk < chunks; chunk += kWarps) {
          const SharedRows weights{resident + chunk * kFewColumns * kChunkBytes};
#pragma unroll
          for (int slice = 0; slice < kSlices; ++slice) {
            multiply_slice<T, 1, N>(sums, weights, Rows{activations, chunk * kPlaces}, slice, lane);
          }
        }
        resident += chunks * kFewColumns * kChunkBytes;
      } else {
        GlobalColumns weights;
        weights.enter(problem, segment, first_column + tile, lane);
        for (int chunk = warp; chunk < chunks; chunk += kWarps) {
#pragma unroll
          for (int slice = 0; slice < kSlices; ++slice) {
            multiply_slice<T, 1, N>(sums, Columns{weights, chunk * kPlaces},
                                    Rows{activations, chunk * kPlaces}, slice, lane);
          }
        }
      }
    }
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        parts[(warp * kRows + 8 * n + 2 * t + i % 2) * kFewColumns + g + i / 2 * 8] = sums[0][n][i];
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < kRows * kFewColumns; i += kThreads) {
      float sum = 0.0f;
#pragma unroll
      for (int part = 0; part < kWarps; ++part) sum += parts[part * kRows * kFewColumns + i];
      staged[i / kFewColumns * stride + tile + i % kFewColumns] = sum;
    }
    __syncthreads();  // the next tile overwrites the parts
  }
  problem.finish(Sums{staged, stride, 0, rows, first_column, min(columns, problem.columns() - first_column)});
}

// Puts the weights of `columns` columns where few_product expects them; a barrier must follow.
template <class T, class Problem>
__device__ __forceinline__ void make_resident(const Problem& problem, int first_column, int columns,
                                              char* resident) {
  const int segments = problem.segments(first_column);
  for (int tile = 0; tile < columns; tile += kFewColumns) {
    for (int segment = 0; segment < segments; ++segment) {
      const int chunks = problem.depth(segment) / kChunk<T>;
      for (int i = threadIdx.x; i < chunks * kFewColumns * kPieces; i += kThreads) {
        const int piece = i % kPieces, chunk = i / kPieces % chunks, column = i / kPieces / chunks;
        const T* from = problem.right(segment, min(first_column + tile + column, problem.columns() - 1));
        copy_async(resident + chunk * kFewColumns * kChunkBytes + chunk_place(column, piece),
                   from + chunk * kChunk<T> + piece * kWide<T>, true);
      }
      resident += chunks * kFewColumns * kChunkBytes;
    }
  }
  copy_commit();
  copy_wait<0>();
}

template <class T, int N, class Problem, class Call>
__global__ void __launch_bounds__(kThreads, 1) multiply_few(PYCAP_ARGUMENT Call call, int step, int columns) {
  PYCAP_SHARED(shared);
  const Problem problem(call, step);
  if (problem.rows() > 0) few_product<T, N>(problem, blockIdx.x * columns, columns, nullptr, shared);
}

// Launches the product: `few` columns at a time where its rows are few and its depths whole chunks, else in
// tiles. launch(geometry, name, kernel, arguments...) starts a kernel.
template <class T, class Problem, class Call, class Launch>
void launch_product(const Call& call, int step, const char* name, int most_rows, int few, Launch&& launch) {
  const Problem problem(call, step);
  bool whole = problem.wide() && most_rows <= kFewRows;
  for (int segment = 0; segment < problem.segments(0); ++segment)
    whole = whole && problem.depth(segment) % kChunk<T> == 0;
  if (!whole)
    return launch(tile_geometry(problem, most_rows), name, multiply_many<T, Problem, Call>, call, step);
  const auto blocks = static_cast<unsigned>(ceil_div(problem.columns(), few));
  auto start = [&](auto kernel, int row_tiles) {
    launch(Geometry{blocks, 1, few_shared_bytes(row_tiles, few)}, name, kernel, call, step, few);
  };
  if (most_rows <= 8) return start(multiply_few<T, 1, Problem, Call>, 1);
  if (most_rows <= 16) return start(multiply_few<T, 2, Problem, Call>, 2);
  return start(multiply_few<T, 4, Problem, Call>, 4);
}

}  // namespace pycap::cuda
