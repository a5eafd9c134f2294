// From logits to the best words without writing the logits: every tile of the vocabulary leaves its largest
// logit, the sum of its exponentials and its best words in order; later the lists of all tiles are merged.
// Ties go to the lower token.
#pragma once

#include "core/topk.h"
#include "cuda/common.cuh"

namespace pycap::cuda {

struct alignas(8) Word {
  float logit;
  int32_t token;
};

constexpr int kListColumns = 128;  // words that a list stands for, at most
constexpr int kNoToken = -1;
constexpr int kCachedLevels = 3;  // of every list, in shared memory while lists are merged

// What the tiles of a vocabulary left: (rows, lists), for Words (rows, ranks, lists).
struct WordLists {
  int ranks, lists, list_columns;
  float* tops;
  float* sums;  // of exp(logit - top)
  Word* words;

  __device__ __forceinline__ size_t at(int row, int list) const {
    return static_cast<size_t>(row) * lists + list;
  }
  __device__ __forceinline__ size_t at(int row, int rank, int list) const {
    return (static_cast<size_t>(row) * ranks + rank) * lists + list;
  }
};

// A warp lists one row's words: `columns` <= 128 logits in shared memory, the first of token `first`; words
// that `barred` marks, (vocab_size,), count in the sum and are not listed.
__device__ __forceinline__ void list_words(const WordLists& out, const float* logits, int columns, int first,
                                           const uint8_t* barred, int row, int list, int lane) {
  constexpr int kOwn = kListColumns / kWarp;
  float own[kOwn];
  uint32_t keys[kOwn];  // 0: not to be listed
  float top = -INFINITY;
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const int column = lane + i * kWarp;
    const bool there = column < columns;
    own[i] = there ? logits[column] : -INFINITY;
    keys[i] = there && barred[first + column] == 0 ? ordered_bits(own[i]) : 0;
    top = fmaxf(top, own[i]);
  }
  top = warp_max(top);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    if (lane + i * kWarp < columns) sum += expf(own[i] - top);
  }
  sum = warp_sum(sum);
  if (lane == 0) {
    out.tops[out.at(row, list)] = top;
    out.sums[out.at(row, list)] = sum;
  }
  for (int rank = 0; rank < out.ranks; ++rank) {
    uint32_t best = 0;
    int place = 0;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      if (keys[i] > best) best = keys[i], place = i;
    }
    const uint32_t winner = warp_largest(best);
    const bool tied = best == winner && winner != 0;
    const uint32_t column = warp_smallest(tied ? static_cast<uint32_t>(lane + place * kWarp) : ~0u);
    const bool mine = tied && static_cast<int>(column % kWarp) == lane;
    if (mine) {
      out.words[out.at(row, rank, list)] = {from_ordered(winner), first + static_cast<int>(column)};
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        if (i == place) keys[i] = 0;
      }
    } else if (winner == 0 && lane == 0) {
      out.words[out.at(row, rank, list)] = {-INFINITY, kNoToken};
    }
  }
}

// The softmax's denominator, from all lists of a row; the same bits in every lane.
struct Softmax {
  float top, log_sum;
};

__device__ __forceinline__ Softmax merge_sums(const WordLists& in, int row, int lane) {
  float top = -INFINITY;
  for (int list = lane; list < in.lists; list += kWarp) top = fmaxf(top, __ldcg(in.tops + in.at(row, list)));
  top = warp_max(top);
  float sum = 0.0f;
  for (int list = lane; list < in.lists; list += kWarp) {
    const size_t at = in.at(row, list);
    sum += __ldcg(in.sums + at) * expf(__ldcg(in.tops + at) - top);
  }
  return {top, logf(warp_sum(sum))};
}

// Shared memory with which a warp merges `lists` lists.
__host__ __device__ constexpr size_t merge_bytes(int lists) {
  return round_up(static_cast<size_t>(lists) * (kCachedLevels * sizeof(Word) + sizeof(int32_t)),
                  sizeof(Word));
}

// A warp merges the lists of one row: take(rank, word) is called by one lane, best first. Returns how many
// words there were, at most `ranks`. `shared`: merge_bytes of the warp's own. The first levels of all lists
// are read at once, which is nearly always enough: a read a rank, one after the other, would be most of the
// time.
template <class Take>
__device__ __forceinline__ int merge_lists(const WordLists& in, int row, char* shared, int lane,
                                           Take&& take) {
  auto* cached =
      reinterpret_cast<Word*>(shared);  // (levels, lists); the first row is what each list offers now
  auto* levels = reinterpret_cast<int32_t*>(cached + kCachedLevels * in.lists);  // (lists,) words taken
  for (int list = lane; list < in.lists;
       list += kWarp) {  // a lane looks at its own lists only: no barrier is needed
#pragma unroll
    for (int level = 0; level < kCachedLevels; ++level) {
      if (level < in.ranks) cached[level * in.lists + list] = in.words[in.at(row, level, list)];
    }
    levels[list] = 0;
  }
  for (int rank = 0; rank < in.ranks; ++rank) {
    uint32_t best = 0;
    int place = 0;
    for (int list = lane; list < in.lists; list += kWarp) {
      const uint32_t key = cached[list].token == kNoToken ? 0 : ordered_bits(cached[list].logit);
      if (key > best) best = key, place = list;
    }
    const uint32_t winner = warp_largest(best);
    if (winner == 0) return rank;
    const uint32_t list =
        warp_smallest(best == winner ? static_cast<uint32_t>(place) : ~0u);  // lower list, lower token
    if (best == winner && static_cast<int>(list) == place) {
      take(rank, cached[place]);
      const int level = ++levels[place];
      cached[place] = level >= in.ranks       ? Word{-INFINITY, kNoToken}
                      : level < kCachedLevels ? cached[level * in.lists + place]
                                              : in.words[in.at(row, level, place)];
    }
  }
  return in.ranks;
}

// A warp merges sorted lists of continuations, one of each beam, into the image's best: lists (beams,
// capacity) of `counts` entries, taken (beams,): the warp's own shared memory. Returns how many there are, at
// most `most`.
__device__ __forceinline__ int merge_beams(const Candidate* lists, const int* counts, int* taken,
                                           int capacity, int beams, Candidate* ranked, int most, int lane) {
  for (int beam = lane; beam < beams; beam += kWarp) taken[beam] = 0;
  for (int rank = 0; rank < most; ++rank) {
    uint32_t best = 0;
    int place = 0;
    for (int beam = lane; beam < beams; beam += kWarp) {
      const uint32_t key =
          taken[beam] < counts[beam] ? ordered_bits(lists[beam * capacity + taken[beam]].value) : 0;
      if (key > best) best = key, place = beam;
    }
    const uint32_t winner = warp_largest(best);
    if (winner == 0) return rank;
    const uint32_t beam = warp_smallest(best == winner ? static_cast<uint32_t>(place) : ~0u);
    if (best == winner && static_cast<int>(beam) == place)
      ranked[rank] = lists[place * capacity + taken[place]++];
  }
  return most;
}

}  // namespace pycap::cuda
