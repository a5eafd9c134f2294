#include "cpu/beam_search_kernel.h"

#include "cpu/logits.h"
#include "cpu/vector_math.h"
#include "cpu/word_list.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

constexpr size_t kWidth = kLanes<float>;
typedef Vec<float> Floats;

constexpr float kLowest = -__FLT_MAX__;  // above the logits behind the vocabulary
constexpr size_t kScanned = 64;          // words that are looked at together

// A bit for each of them whose logit is `bound` or larger.
inline uint64_t words_from(const float* logits, float bound) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kScanned; i += kWidth)
    bits |= static_cast<uint64_t>(lanes_from(load(logits + i), bound)) << i;
  return bits;
}

// What a word of a tile must have to be listed. Every lane of the tile has a word as good as the least of the
// lanes' maxima, so that the first tile need not list all its words.
inline float find_threshold(const RankView& ranking, const WordKey* list, const float* logits) {
  if (list[ranking.ranks - 1] != kNoWord) return logit_of(list[ranking.ranks - 1]);
  if (list[0] != kNoWord || ranking.ranks + ranking.barred_count > kWidth) return kLowest;
  Floats largest = load(logits);
  for (size_t i = kWidth; i < kTileWords; i += kWidth) largest = maximum<float>(load(logits + i), largest);
  const float least = -max_lanes<float>(-largest);
  return least > kLowest ? least : kLowest;
}

}  // namespace

// Logits of whole tiles, reduced while they are in cache: what a softmax and a ranking need of them.
void rank_words(const StepView& step, const RankView& ranking, size_t begin, size_t end, size_t task) {
  float* logits = step.logits + task * step.count * kTileWords;
  for (size_t turn = begin; turn < end; ++turn) {
    const size_t tile = ranking.backwards ? begin + (end - 1 - turn) : turn;
    const size_t first = tile * kTileWords;
    const size_t words = compute_logits(step, tile, logits);
    for (size_t row = 0; row < step.count; ++row) {  // no branch here depends on logits
      const float* values = logits + row * kTileWords;
      Floats largest = load(values);
      for (size_t i = kWidth; i < kTileWords; i += kWidth)
        largest = maximum<float>(load(values + i), largest);
      step.tile_maximum[row * step.tile_stride + tile] = max_lanes<float>(largest);
    }
    for (size_t row = 0; row < step.count; ++row) {  // a loop of its own: no row waits for its maximum
      const float* values = logits + row * kTileWords;
      const float top = step.tile_maximum[row * step.tile_stride + tile];
      Floats sum{};
      for (size_t i = 0; i < kTileWords; i += kWidth) sum += exp(load(values + i) - top);
      step.tile_sum[row * step.tile_stride + tile] = sum_lanes<float>(sum);
    }
    const size_t end_word = static_cast<size_t>(ranking.end) - first;  // wraps where END is in another tile
    for (size_t row = 0; row < step.count; ++row) {
      const float* values = logits + row * kTileWords;
      if (end_word < words) ranking.end_logit[row] = values[end_word];
      WordKey* list = ranking.list(task * step.count + row);
      const float threshold = find_threshold(ranking, list, values);
      if (!(step.tile_maximum[row * step.tile_stride + tile] >= threshold)) continue;
      for (size_t i = 0; i < words; i += kScanned)
        for (uint64_t better = words_from(values + i, threshold); better != 0; better &= better - 1) {
          const size_t word = i + static_cast<size_t>(__builtin_ctzll(better));
          if (ranking.barred[first + word]) continue;
          insert_word(list, ranking.ranks, word_key(values[word], static_cast<uint32_t>(first + word)));
        }
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
