#include "cpu/beam_search_kernel.h"

#include "cpu/logits.h"
#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

constexpr size_t kWidth = kLanes<float>;
typedef Vec<float> Floats;

constexpr float kLowest = -__FLT_MAX__;  // above the logits behind the vocabulary

}  // namespace

// Logits of whole tiles, reduced while they are in cache: what a softmax and a ranking need of them.
void rank_words(const StepView& step, const RankView& ranking, size_t begin, size_t end, size_t task) {
  float* logits = step.logits + task * step.count * kTileWords;
  uint32_t* listed_count = ranking.listed_count + task * step.count;
  for (size_t tile = begin; tile < end; ++tile) {
    const size_t first = tile * kTileWords;
    const size_t words = compute_logits(step, tile, logits);
    for (size_t row = 0; row < step.count; ++row) {
      const float* values = logits + row * kTileWords;
      Floats largest = load(values);
      for (size_t i = kWidth; i < kTileWords; i += kWidth)
        largest = maximum<float>(load(values + i), largest);
      const float top = max_lanes<float>(largest);
      Floats sum{};
      for (size_t i = 0; i < kTileWords; i += kWidth) sum += exp(load(values + i) - top);
      step.tile_maximum[row * step.tile_stride + tile] = top;
      step.tile_sum[row * step.tile_stride + tile] = sum_lanes<float>(sum);
      const size_t end_word = static_cast<size_t>(ranking.end) - first;  // wraps where END is in another tile
      if (end_word < words) ranking.end_logit[row] = values[end_word];
      Candidate* listed = ranking.listed + (task * step.count + row) * ranking.ranks;
      size_t count = listed_count[row];
      float threshold = count == ranking.ranks ? listed[count - 1].value : kLowest;
      if (!(top >= threshold)) continue;
      for (size_t i = 0; i < words; i += kWidth)
        for (uint32_t better = lanes_from(load(values + i), threshold); better != 0; better &= better - 1) {
          const size_t word = i + static_cast<size_t>(__builtin_ctz(better));
          if (!(values[word] >= threshold) || ranking.barred[first + word]) continue;
          count = insert_candidate(listed, count, ranking.ranks,
                                   {values[word], 0, static_cast<int32_t>(first + word)});
          if (count == ranking.ranks) threshold = listed[count - 1].value;
        }
      listed_count[row] = static_cast<uint32_t>(count);
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
