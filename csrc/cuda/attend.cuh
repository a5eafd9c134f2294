// Soft attention of a few rows that look at the same image (Xu et al. 2015, eq. 4-6 and 13, gate of
// section 4.2.1).
//
// tanh(key + query) = 1 - 2 / (1 + exp(2 key) exp(2 query)): the exponential of a key serves every row, and
// the 1 shifts all energies alike, so it is left out: softmax does not see it.
#pragma once

#include "cuda/common.cuh"

namespace pycap::cuda {

struct AttentionWeights {
  int regions, feature_dim, hidden_dim, attention_dim;
  const void* score;      // (attention_dim,)
  const void* gate;       // (hidden_dim,)
  const void* gate_bias;  // (1,)
};

constexpr int kGroup = 8;  // rows of one image that share what is read of it, at most

// The product of exponentials neither overflows nor vanishes where both terms are this plain; others take
// their sum.
constexpr float kPlain = 43.0f;

__device__ __forceinline__ bool is_plain(float value) { return fabsf(value) <= kPlain; }  // NaN is not

template <class T>
__device__ __forceinline__ float double_exponential(float value) {
  return exp_for<T>(2.0f * value);
}

// 1 / (1 + exp(2 (key + query))) for any two terms.
template <class T>
__device__ __forceinline__ float share_of(float key, float query) {
  return reciprocal_for<T>(1.0f + double_exponential<T>(min(key + query, kPlain)));
}

// A few neighbours of a region's key.
template <class T, int WIDTH>
struct KeyPiece {
  float keys[WIDTH], exponentials[WIDTH];
  bool plain = true;

  __device__ __forceinline__ explicit KeyPiece(const T* source) {
    load<T, WIDTH>(source, keys);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
      plain = plain && is_plain(keys[i]);
      exponentials[i] = double_exponential<T>(keys[i]);
    }
  }

  // 1 / (1 + exp(2 (key + query))), where `wanted` is exp(2 query) of plain queries.
  __device__ __forceinline__ float fast_share(int i, float wanted) const {
    return reciprocal_for<T>(1.0f + exponentials[i] * wanted);
  }
};

// A warp turns energies into weights that sum to 1, in place; NaN energies make NaN weights.
__device__ __forceinline__ void softmax_row(float* energies, int regions, int lane) {
  float most = -INFINITY;
  for (int r = lane; r < regions; r += kWarp) most = fmaxf(most, energies[r]);
  most = warp_max(most);
  float total = 0.0f;
  for (int r = lane; r < regions; r += kWarp) total += expf(energies[r] - most);
  total = warp_sum(total);
  for (int r = lane; r < regions; r += kWarp) energies[r] = expf(energies[r] - most) / total;
}

// A warp finds beta = sigmoid(gate . hidden + bias), the same in every lane.
template <class T>
__device__ __forceinline__ float gate_of(const AttentionWeights& weights, const T* hidden, int lane) {
  const T* gate = static_cast<const T*>(weights.gate);
  float sum = 0.0f;
  for (int k = lane; k < weights.hidden_dim; k += kWarp)
    sum = fmaf(to_float(gate[k]), to_float(hidden[k]), sum);
  return sigmoid(warp_sum(sum) + to_float(*static_cast<const T*>(weights.gate_bias)));
}

inline size_t attend_shared_bytes(const AttentionWeights& weights, int rows, int width) {
  return sizeof(float) *
         (size_t(rows) * (weights.attention_dim + weights.regions + 1) + size_t{kWarps} * kWarp * width);
}

// A block attends for `count` <= GROUP rows to one image.  features (regions, feature_dim)  keys (regions,
// attention_dim) `rows` knows, for row b: const float* query(b), const T* hidden(b), and where results go:
// keep_beta(b, beta), keep_weight(b, region, weight), keep_context(b, feature, value).
template <class T, int WIDTH, int GROUP, class Rows>
__device__ __forceinline__ void attend(const AttentionWeights& weights, const T* features, const T* keys,
                                       const Rows& rows, int count, char* shared) {
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const int regions = weights.regions, depth = weights.attention_dim;
  auto* wanted = reinterpret_cast<float*>(shared);  // (count, attention_dim)
  float* alphas = wanted + count * depth;           // (count, regions)
  float* betas = alphas + count * regions;          // (count,)
  float* parts = betas + count;                     // (warps, 32 * WIDTH)

  bool plain = true;
  for (int b = 0; b < count; ++b) {
    const float* query = rows.query(b);
    for (int a = thread; a < depth; a += kThreads) {
      wanted[b * depth + a] = double_exponential<T>(query[a]);
      plain = plain && is_plain(query[a]);
    }
  }
  for (int b = warp; b < count; b += kWarps) {
    const float beta = gate_of<T>(weights, rows.hidden(b), lane);
    if (lane == 0) {
      betas[b] = beta;
      rows.keep_beta(b, beta);
    }
  }
  plain = __syncthreads_and(plain);

  for (int region = warp; region < regions; region += kWarps) {
    float sums[GROUP] = {};
    for (int a = lane * WIDTH; a < depth; a += kWarp * WIDTH) {
      const KeyPiece<T, WIDTH> piece(keys + static_cast<size_t>(region) * depth + a);
      float scores[WIDTH];
      load<T, WIDTH>(static_cast<const T*>(weights.score) + a, scores);
      const bool fast = plain && piece.plain;
#pragma unroll
      for (int b = 0; b < GROUP; ++b) {
        if (b < count) {
          const float* query = fast ? nullptr : rows.query(b) + a;
#pragma unroll
          for (int i = 0; i < WIDTH; ++i) {
            const float share =
                fast ? piece.fast_share(i, wanted[b * depth + a + i]) : share_of<T>(piece.keys[i], query[i]);
            sums[b] = fmaf(scores[i], share, sums[b]);
          }
        }
      }
    }
#pragma unroll
    for (int b = 0; b < GROUP; ++b) {
      if (b < count) {
        const float sum = warp_sum(sums[b]);
        if (lane == 0) alphas[b * regions + region] = -2.0f * sum;
      }
    }
  }
  __syncthreads();
  for (int b = warp; b < count; b += kWarps) {
    softmax_row(alphas + b * regions, regions, lane);
    for (int r = lane; r < regions; r += kWarp) rows.keep_weight(b, r, alphas[b * regions + r]);
  }
  __syncthreads();

  for (int chunk = 0; chunk < weights.feature_dim; chunk += kWarp * WIDTH) {
    const int feature = chunk + lane * WIDTH;
    float sums[GROUP][WIDTH] = {};
    if (feature < weights.feature_dim) {
      for (int r = warp; r < regions; r += kWarps) {
        float values[WIDTH];
        load<T, WIDTH>(features + static_cast<size_t>(r) * weights.feature_dim + feature, values);
#pragma unroll
        for (int b = 0; b < GROUP; ++b) {
          if (b < count) {
            const float alpha = alphas[b * regions + r];
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) sums[b][i] = fmaf(alpha, values[i], sums[b][i]);
          }
        }
      }
    }
#pragma unroll
    for (int b = 0; b < GROUP; ++b) {
      if (b < count) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) parts[(warp * kWarp + lane) * WIDTH + i] = sums[b][i];
        __syncthreads();
        for (int f = thread; f < kWarp * WIDTH && chunk + f < weights.feature_dim; f += kThreads) {
          float sum = 0.0f;
#pragma unroll
          for (int part = 0; part < kWarps; ++part) sum += parts[part * kWarp * WIDTH + f];
          rows.keep_context(b, chunk + f, betas[b] * sum);
        }
        __syncthreads();  // the next row overwrites the parts
      }
    }
  }
}

}  // namespace pycap::cuda
