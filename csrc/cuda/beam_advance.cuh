// The end of a step: an image's continuations are ranked, its books kept, its sentences written when it is
// done.
#pragma once

#include "cuda/beam_step.cuh"

namespace pycap::cuda {

enum Flag { kGoesOn, kNotFinite, kFlags };

struct AdvanceShared {  // of one block, in this order
  char* merging;        // (warps, merge_bytes)
  Candidate* lists;     // (beam, ranks + 1) continuations of each beam
  Candidate* ranked;    // (2 * beam,)
  int* counts;          // (beam,)
  int* taken;           // (beam,)
  int* path;            // (max_length,)
  int* flags;           // by Flag
};

// Warps that merge beams side by side: as many as find room.
__host__ __device__ inline int advance_warps(int lists) {
  const int room = static_cast<int>(36 * 1024 / merge_bytes(lists));
  return room < 1 ? 1 : room > kWarps ? kWarps : room;
}

__host__ __device__ inline size_t advance_shared_bytes(size_t beam, int max_length, int lists) {
  const size_t candidates = beam * (2 * beam + 1) + 2 * beam;
  return candidates * sizeof(Candidate) + (2 * beam + max_length + kFlags) * sizeof(int) +
         advance_warps(lists) * merge_bytes(lists);
}

__device__ __forceinline__ AdvanceShared place_advance(const BeamSearchCall& call, char* shared) {
  AdvanceShared at;
  at.merging = shared;
  at.lists = reinterpret_cast<Candidate*>(shared + advance_warps(call.lists) * merge_bytes(call.lists));
  at.ranked = at.lists + call.beam * (call.ranks + 1);
  at.counts = reinterpret_cast<int*>(at.ranked + 2 * call.beam);
  at.taken = at.counts + call.beam;
  at.path = at.taken + call.beam;
  at.flags = at.path + call.max_length;
  return at;
}

// A warp ranks the continuations of one live beam.
template <class T>
__device__ __forceinline__ void rank_beam(const BeamStep<T>& step, const AdvanceShared& at, int packed,
                                          int beam, int warp, int lane) {
  const BeamSearchCall& call = step.call;
  const WordLists lists = step.word_lists();
  const Softmax softmax = merge_sums(lists, packed, lane);
  const float total = call.totals[static_cast<size_t>(step.image_of(packed)) * call.beam + beam];
  auto value_of = [&](float logit) { return total + ((logit - softmax.top) - softmax.log_sum); };
  Candidate* own = at.lists + beam * (call.ranks + 1);
  int count = 0;
  if (step.step < call.max_length) {
    count = merge_lists(
        lists, packed, at.merging + warp * merge_bytes(call.lists), lane,
        [&](int rank, const Word& word) { own[rank] = {value_of(word.logit), beam, word.token}; });
    __syncwarp();
  }
  if (lane != 0) return;
  if (step.step > 0) {  // a caption has at least one word
    const Candidate end = {value_of(__ldcg(call.end_logits + packed)), beam, call.end};
    int place = count++;
    for (; place > 0 && (own[place - 1].value < end.value ||
                         (own[place - 1].value == end.value && own[place - 1].token > end.token));
         --place) {
      own[place] = own[place - 1];
    }
    own[place] = end;
  }
  while (count > 0 && !(own[count - 1].value > -INFINITY)) --count;
  at.counts[beam] = count;
  if (!(softmax.top > -INFINITY) || !(softmax.log_sum < INFINITY)) at.flags[kNotFinite] = 1;
}

// Writes the image's finished sentences.  A block.
template <class T>
__device__ __forceinline__ void emit_image(const BeamStep<T>& step, const AdvanceShared& at, int image) {
  const BeamSearchCall& call = step.call;
  const size_t rows = static_cast<size_t>(call.images) * call.beam;
  const int ended = call.progress[image].ended;
  for (int n = 0; n < call.n_best; ++n) {
    const size_t place = static_cast<size_t>(image) * call.n_best + n;
    const Ended sentence = n < ended ? call.ended[place] : Ended{-INFINITY, -INFINITY, 0, 0};
    if (threadIdx.x == 0) {
      call.lengths[place] = sentence.words;
      call.scores[place] = sentence.score;
      call.log_probs[place] = sentence.log_prob;
      int beam = sentence.beam;
      for (int word = sentence.words - 1; word >= 0; --word) {
        const Link link =
            call.links[(static_cast<size_t>(image) * call.max_length + word) * call.beam + beam];
        call.tokens[place * call.max_length + word] = link.token;
        at.path[word] = beam = link.parent;  // the beam that predicted the word
      }
    }
    __syncthreads();
    for (int word = sentence.words + static_cast<int>(threadIdx.x); word < call.max_length;
         word += kThreads) {
      call.tokens[place * call.max_length + word] = call.pad;
    }
    float* attention = call.attention + place * call.max_length * call.regions;
    for (int i = threadIdx.x; i < call.max_length * call.regions; i += kThreads) {
      const int word = i / call.regions;
      float weight = 0.0f;
      if (word < sentence.words) {
        const size_t row = word * rows + static_cast<size_t>(image) * call.beam + at.path[word];
        weight = __ldcg(call.history + row * call.regions + i % call.regions);
      }
      attention[i] = weight;
    }
    __syncthreads();  // the next sentence overwrites the path
  }
}

// Ranks an image's continuations and keeps its books.  A block: one slot of the live images.
template <class T>
__device__ __forceinline__ void advance_image(const BeamStep<T>& step, int slot, char* shared) {
  const BeamSearchCall& call = step.call;
  const AdvanceShared at = place_advance(call, shared);
  const int warps = advance_warps(call.lists);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int image = step.image_of(slot * step.width), live = call.progress[image].live;
  if (threadIdx.x == 0) at.flags[kNotFinite] = 0;
  __syncthreads();
  for (int beam = warp; beam < live && warp < warps; beam += warps) {
    rank_beam(step, at, slot * step.width + beam, beam, warp, lane);
    __syncwarp();
  }
  __syncthreads();
  if (warp == 0) {
    const int count =
        merge_beams(at.lists, at.counts, at.taken, call.ranks + 1, live, at.ranked, 2 * call.beam, lane);
    __syncwarp();
    if (lane == 0) {
      const size_t first = static_cast<size_t>(image);
      const SearchRules rules{call.beam, call.max_length, call.n_best, call.end, call.norms};
      const BeamState state{call.progress + image, call.totals + first * call.beam,
                            call.links + first * call.max_length * call.beam,
                            call.ended + first * call.n_best};
      const bool on = at.flags[kNotFinite] == 0 && advance_search(rules, state, at.ranked, count);
      at.flags[kGoesOn] = on;
      if (on) {
        const int place = atomicAdd(call.counts + step.step + 1, 1);  // any order: rows do not depend on it
        call.active[static_cast<size_t>(step.step + 1) * call.images + place] = image;
      } else if (at.flags[kNotFinite] != 0 || call.progress[image].ended == 0) {
        *call.not_finite = 1;
      }
    }
  }
  __syncthreads();
  if (at.flags[kGoesOn] == 0) emit_image(step, at, image);
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    advance_images(PYCAP_ARGUMENT BeamSearchCall call, int length) {
  PYCAP_SHARED(shared);
  const BeamStep<T> step(call, length);
  if (static_cast<int>(blockIdx.x) < step.images()) advance_image(step, blockIdx.x, shared);
}

}  // namespace pycap::cuda
