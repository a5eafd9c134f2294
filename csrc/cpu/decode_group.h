// Images decoded together: the rows of all their unfinished sentences share the products with the weights.
//
// A strategy derives from DecodeGroup and decides what becomes of the predicted words: the group only knows
// that a sentence starts with one row, and that rows continue rows of the step before.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "cpu/decode_kernel.h"
#include "cpu/decoder.h"
#include "cpu/pool.h"
#include "cpu/team.h"

namespace pycap {

// What all groups of one call share.
struct DecodeCall {
  const Decoder& decoder;
  const RegionBatch& batch;
  size_t sentences;  // of an image, at most
  size_t max_length;
  int32_t start;
  std::atomic<size_t> next_image{0};
  std::atomic<bool> finite{true};
};

// Every image of a group is at its own length; a finished one makes room for the next of the batch.
class DecodeGroup {
 public:
  DecodeGroup(const DecodeGroup&) = delete;
  DecodeGroup& operator=(const DecodeGroup&) = delete;

  void run() {  // until the batch has no image left
    while (call_.finite && admit()) step();
  }

 protected:
  struct Slot {
    size_t image = 0;
    bool busy = false;
    bool fresh = false;    // still without a word
    size_t first_row = 0;  // of its sentences in the last step; before the first, of its initial state
  };

  DecodeGroup(DecodeCall& call, size_t slots, Team& team);
  ~DecodeGroup() = default;

  // The strategy. Its constructor plans what it needs in arena_ and then calls commit().
  virtual void begin(size_t slot) = 0;                     // the slot has got a new image
  virtual void extend(size_t slot, uint32_t parents) = 0;  // append sentences; parents: the slot's first row
  virtual void predict() = 0;                              // reduce the logits of all rows to what matters
  virtual bool advance(size_t slot) = 0;                   // take the words; false when the image is done

  void append(int32_t token, uint32_t parent);  // a sentence of the slot to extend
  void commit();
  struct Softmax {  // log-probability = (logit - top) * sharpness - log_sum
    float top, log_sum;
  };
  Softmax merge_tiles(size_t row, float sharpness = 1);  // notes in the call where it is not finite

  const DecoderView decoder_;
  Team& team_;
  const size_t tiles_;
  std::vector<Slot> slots_;
  std::vector<StepRow> rows_;        // of the step
  std::vector<StepSource> sources_;  // that they continue
  std::vector<StepRun> runs_;        // these by image
  StepView view_{};
  Arena arena_;

 private:
  bool admit();    // false when nothing is left to decode
  void prepare();  // keys, folded contexts and initial states of fresh_ images
  ProductRows quantise(const float* values, size_t stride, size_t columns, size_t count, uint8_t* codes,
                       float* scales);
  void list_rows();
  void gather_sources();
  void step();

  DecodeCall& call_;
  std::vector<size_t> fresh_;           // slots that got a new image
  std::vector<const float*> features_;  // of every slot
  std::vector<ProductRows> feature_rows_;
  size_t state_rows_ = 0;  // rows of hidden and cell that the next step may continue
  float *keys_, *folded_ = nullptr, *cell_, *initial_, *mean_;  // in the arena
  int8_t* folded_codes_ = nullptr;
  float* folded_scales_;
  uint8_t *feature_codes_, *mean_codes_;  // the same in 8 bits, with int8
  float *feature_scales_, *mean_scales_, *hidden_scales_;
};

// Decode the whole batch by one strategy with at most `threads` threads (0: the pool's).
template <class Group, class Call>
bool decode_images(Call& call, size_t threads) {
  constexpr size_t kRowsPerGroup = 96;    // rows that share one reading of the weights
  constexpr size_t kImagesPerThread = 2;  // from here on threads take whole images instead of columns
  const size_t images = call.batch.images;
  if (images == 0) return true;
  threads = threads == 0 ? thread_count() : std::min(threads, thread_count());
  const size_t most = std::max<size_t>(1, kRowsPerGroup / call.sentences);  // images of a group
  if (threads == 1 || images < threads * kImagesPerThread) {
    Team team(threads);
    Group group(call, std::min(images, most), team);
    team.run([&] { group.run(); });
  } else {
    const size_t each = (images + threads - 1) / threads, rounds = (each + most - 1) / most;
    const size_t slots = (each + rounds - 1) / rounds;  // groups of equal size, where no image ends early
    parallel_for(threads, [&](size_t) {
      Team alone(1);
      Group(call, slots, alone).run();
    });
  }
  return call.finite;
}

}  // namespace pycap
