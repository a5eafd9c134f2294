// The innermost products: one warp, tiles of 16 x 8 sums, operands in rows of 64-byte chunks.
//
// Half types run on tensor cores (mma.sync m16n8k16), float on plain multiply-adds, with the same place for
// every sum: lane 4g + t holds rows g and g + 8, columns 2t and 2t + 1. The order in which k is summed is
// free as long as both operands agree, so lane t takes four neighbours k = 4t .. 4t + 3 where the instruction
// says 2t, 2t + 1, 2t + 8, 2t + 9: one 8-byte load a row.
#pragma once

#include "cuda/common.cuh"

namespace pycap::cuda {

constexpr int kChunkBytes = 64;  // of a row, in shared memory at a time
constexpr int kPieces = kChunkBytes / 16;
constexpr int kSlices = 2;  // of a chunk, 32 bytes each: k = 16 of a half type

// Elements of `T` in one chunk.
template <class T>
constexpr int kChunk = kChunkBytes / static_cast<int>(sizeof(T));

// Where piece 0..3 of a row lies in a tile of chunks: rows 2 and 3 of every four swap halves, so that eight
// lanes that read 8 bytes of four rows each touch every bank once.
__device__ __forceinline__ int chunk_place(int row, int piece) {
  return row * kChunkBytes + ((piece ^ (row & 2)) << 4);
}

// Reads 8 bytes of a row of chunks in shared memory.
struct SharedRows {
  const char* chunks;  // 16-byte aligned, the first row's number a multiple of 4

  __device__ __forceinline__ uint2 read(int group, int row, int slice, int eighth) const {
    const int place = chunk_place(group + row, slice * 2 + eighth / 2) + eighth % 2 * 8;
    return *reinterpret_cast<const uint2*>(chunks + place);
  }
};

// sums += a . b for 16 rows of a (g and g + 8 are this lane's) and 8 rows of b.
template <class T>
__device__ __forceinline__ void mma(float (&sums)[4], uint2 a_low, uint2 a_high, uint2 b) {
#if !defined(__CUDACC__)
  pycap::emulation::mma<T>(sums, a_low.x, a_high.x, a_low.y, a_high.y, b.x, b.y);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, "
        "%2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a_low.x), "r"(a_high.x), "r"(a_low.y), "r"(a_high.y), "r"(b.x), "r"(b.y));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, "
        "%2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a_low.x), "r"(a_high.x), "r"(a_low.y), "r"(a_high.y), "r"(b.x), "r"(b.y));
  }
#else  // sm_75 has neither this shape nor bfloat16: exchange the rows and multiply
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  union Four {
    uint2 raw;
    T values[4];
  };
#pragma unroll
  for (int part = 0; part < 4; ++part) {
    Four rows[2], columns[2];
    const uint2 offered[2] = {a_low, a_high};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      rows[i].raw = {__shfl_sync(kAllLanes, offered[i].x, 4 * g + part),
                     __shfl_sync(kAllLanes, offered[i].y, 4 * g + part)};
      columns[i].raw = {__shfl_sync(kAllLanes, b.x, 4 * (2 * t + i) + part),
                        __shfl_sync(kAllLanes, b.y, 4 * (2 * t + i) + part)};
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        sums[i] = fmaf(to_float(rows[i / 2].values[k]), to_float(columns[i % 2].values[k]), sums[i]);
      }
    }
  }
#endif
}

// sums[m][n] += rows 16m .. 16m + 15 of `a` . rows 8n .. 8n + 7 of `b`, over one slice of both. An operand's
// read(group, row, slice, eighth) gives 8 bytes of row `group + row`, where group is a multiple of 8 and row
// below 8.
template <class T, int M, int N, class A, class B>
__device__ __forceinline__ void multiply_slice(float (&sums)[M][N][4], const A& a, const B& b, int slice,
                                               int lane) {
  const int g = lane / 4, t = lane % 4;
  if constexpr (sizeof(T) == 2) {
    uint2 low[M], high[M];
#pragma unroll
    for (int m = 0; m < M; ++m) {
      low[m] = a.read(16 * m, g, slice, t);
      high[m] = a.read(16 * m + 8, g, slice, t);
    }
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const uint2 column = b.read(8 * n, g, slice, t);
#pragma unroll
      for (int m = 0; m < M; ++m) mma<T>(sums[m][n], low[m], high[m], column);
    }
  } else {
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      uint2 rows[M][2];
#pragma unroll
      for (int m = 0; m < M; ++m) {
        rows[m][0] = a.read(16 * m, g, slice, pair);
        rows[m][1] = a.read(16 * m + 8, g, slice, pair);
      }
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const uint2 columns[2] = {b.read(8 * n, 2 * t, slice, pair), b.read(8 * n, 2 * t + 1, slice, pair)};
#pragma unroll
        for (int m = 0; m < M; ++m) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const uint2 left = rows[m][i / 2], right = columns[i % 2];
            float& sum = sums[m][n][i];
            sum = fmaf(__uint_as_float(left.x), __uint_as_float(right.x), sum);
            sum = fmaf(__uint_as_float(left.y), __uint_as_float(right.y), sum);
          }
        }
      }
    }
  }
}

}  // namespace pycap::cuda
