// The kernels of a beam search, five a step, and the order in which they run:
//   attend        scores, softmax, gated context               a block: one image, all its beams
//   cell          [hidden; context] @ weights, LSTM cell        a product
//   deep          deep output, and the query of the next step   a product
//   words         logits, softmax sums and best words by tile   a product
//   advance       merges, bookkeeping, finished sentences       a block: one image
// Images that are done leave: every kernel reads from `counts` how many are left, and surplus blocks return
// at once, so the same launches serve every search of the same shape and can be captured in a graph.
#pragma once

#include "cuda/beam_advance.cuh"

namespace pycap::cuda {

// ---- the order of the launches, shared by the GPU and the emulation: launch(geometry, name, kernel,
// arguments...)

// Columns of a product for few rows that a block computes.
constexpr int kFewCell = 16, kFewDeep = 16, kFewWords = kListColumns;

// Rows of an image that one block attends for: as many as its shared memory holds.
inline int attend_group(const BeamSearchCall& call, int wide) {
  int group = min(kGroup, call.beam);
  while (group > 1 && attend_shared_bytes(attention_weights(call), group, wide) > kSharedWithoutAsking)
    --group;
  return group;
}

// What comes before the first step.
template <class T, class Launch>
void launch_begin(const BeamSearchCall& call, Launch&& launch) {
  launch(Geometry{static_cast<unsigned>(call.images), 1, 0}, "begin_images", begin_images<T>, call);
  launch_product<T, Keys<T>>(call, 0, "keys", call.images * call.regions, kFewWords, launch);
  launch_product<T, Initial<T>>(call, 0, "initial", call.images, kFewCell, launch);
  launch_product<T, FirstQuery<T>>(call, 0, "first_query", call.images, kFewCell, launch);
}

template <class T, int WIDTH, class Launch>
void launch_attend(const BeamSearchCall& call, int step, int width, Launch&& launch) {
  const int group = attend_group(call, WIDTH);
  const Geometry geometry{static_cast<unsigned>(call.images), static_cast<unsigned>(ceil_div(width, group)),
                          attend_shared_bytes(attention_weights(call), group, WIDTH)};
  launch(geometry, "attend_beams", attend_beams<T, WIDTH>, call, step, group);
}

template <class T, class Launch>
void launch_steps(const BeamSearchCall& call, Launch&& launch) {
  for (int step = 0; step <= call.max_length; ++step) {
    const int width = BeamStep<T>(call, step).width, rows = call.images * width;
    if (call.wide) {
      launch_attend<T, kWide<T>>(call, step, width, launch);
    } else {
      launch_attend<T, 1>(call, step, width, launch);
    }
    launch_product<T, Cell<T>>(call, step, "cell", rows, kFewCell, launch);
    launch_product<T, Deep<T>>(call, step, "deep", rows, kFewDeep, launch);
    launch_product<T, Words<T>>(call, step, "words", rows, kFewWords, launch);
    launch(Geometry{static_cast<unsigned>(call.images), 1,
                    advance_shared_bytes(call.beam, call.max_length, call.lists)},
           "advance_images", advance_images<T>, call, step);
  }
}

// Places the workspace at `memory` and returns its bytes; with null, only the bytes are right. The lists are
// planned.
template <class T>
size_t lay_out_search(BeamSearchCall& call, void* memory) {
  size_t bytes = 0;
  auto place = [&](auto*& pointer, size_t count, size_t size) {
    using Pointer = std::remove_reference_t<decltype(pointer)>;
    pointer = memory == nullptr ? nullptr : reinterpret_cast<Pointer>(static_cast<char*>(memory) + bytes);
    bytes += round_up(count * size, size_t{256});
  };
  const size_t images = call.images, rows = images * call.beam, steps = static_cast<size_t>(call.max_length);
  const size_t lists = rows * call.lists;
  place(call.keys, images * call.regions * call.attention_dim, sizeof(T));
  place(call.mean, images * call.feature_dim, sizeof(T));
  for (int parity = 0; parity < 2; ++parity) {
    place(call.hidden[parity], rows * call.hidden_dim, sizeof(T));
    place(call.cell[parity], rows * call.hidden_dim, sizeof(float));
  }
  place(call.queries, rows * call.attention_dim, sizeof(float));
  place(call.contexts, rows * call.feature_dim, sizeof(T));
  place(call.mixed, rows * call.embed_dim, sizeof(T));
  place(call.end_logits, rows, sizeof(float));
  place(call.tops, lists, sizeof(float));
  place(call.sums, lists, sizeof(float));
  place(call.words, lists * call.ranks, sizeof(Word));
  place(call.history, steps * rows * call.regions, sizeof(float));
  place(call.totals, rows, sizeof(float));
  place(call.links, steps * rows, sizeof(Link));
  place(call.ended, images * call.n_best, sizeof(Ended));
  place(call.progress, images, sizeof(Progress));
  place(call.active, (steps + 2) * images, sizeof(int32_t));
  place(call.counts, steps + 2, sizeof(int32_t));
  if (call.blocks > 0) {
    place(call.cell_folds, images * call.regions * 4 * call.hidden_dim, sizeof(T));
    place(call.deep_folds, images * call.regions * call.embed_dim, sizeof(T));
    place(call.energies, rows * call.regions, sizeof(float));
    place(call.betas, rows, sizeof(float));
    place(call.barrier, 1, sizeof(uint32_t));
  }
  return bytes;
}

}  // namespace pycap::cuda
