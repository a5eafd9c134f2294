#include "cpu/sample_kernel.h"

#include "cpu/logits.h"
#include "cpu/vector_math.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

constexpr size_t kWidth = kLanes<float>;
typedef Vec<float> Floats;

constexpr float kNever = -__builtin_inff();
constexpr float kLowest = -__FLT_MAX__;  // the maximum of a tile without a word: -inf - it is no NaN

// -log(-log(1 - v)), v uniform in (0, 1) and finest near 0, where the noise that decides is largest.
inline Floats gumbel(BitsOf32 bits) {
  const float most = 1 - 0x1p-24f;  // the largest float below 1
  Floats v = (__builtin_convertvector((IntsOf32)(bits >> 1), Floats) + 0.5f) * 0x1p-31f;
  v = v < most ? v : broadcast(most);
  return -log(-log1p(-v));
}

// Bar what this row must not draw and return the maximum of the tile.
inline float mask_tile(float* values, const float* mask) {
  Floats largest = broadcast(kLowest);
  for (size_t i = 0; i < kTileWords; i += kWidth) {
    const Floats value = load(values + i) + load(mask + i);
    store(values + i, value);
    largest = maximum<float>(value, largest);
  }
  return max_lanes<float>(largest);
}

inline Drawn draw_word(const float* values, NoiseKey noise, size_t first, float temperature) {
  BitsOf32 lane;
  for (size_t i = 0; i < kWidth; ++i) lane[i] = static_cast<uint32_t>(i);
  BitsOf32 word = lane + static_cast<uint32_t>(first), chosen = word;
  BitsOf32 counter = word * kNoiseStride + noise.path;
  Floats best = broadcast(kLowest);
  for (size_t i = 0; i < kTileWords; i += kWidth) {
    const Floats score = load(values + i) + temperature * gumbel(scramble(scramble(counter) ^ noise.key));
    chosen = score > best ? word : chosen;  // later words lose ties
    best = maximum<float>(score, best);
    word += static_cast<uint32_t>(kWidth);
    counter += static_cast<uint32_t>(kWidth) * kNoiseStride;
  }
  size_t winner = 0;
  for (size_t i = 1; i < kWidth; ++i)
    if (best[i] > best[winner] || (best[i] == best[winner] && chosen[i] < chosen[winner])) winner = i;
  return {best[winner], values[chosen[winner] - first], static_cast<int32_t>(chosen[winner])};
}

}  // namespace

void gumbel_noise(const uint32_t* bits, float* noise, size_t count) {
  for (size_t i = 0; i < count; i += kWidth) store(noise + i, gumbel(load(bits + i, count - i)), count - i);
}

// Logits of whole tiles, reduced while they are in cache: the softmax of the words allowed, and the draws.
void draw_words(const StepView& step, const DrawView& draw, size_t begin, size_t end, size_t task) {
  float* logits = step.logits + task * step.count * kTileWords;
  for (size_t tile = begin; tile < end; ++tile) {
    const size_t first = tile * kTileWords, words = compute_logits(step, tile, logits);
    const size_t end_word = static_cast<size_t>(draw.end) - first;  // wraps where END is in another tile
    for (size_t row = 0; row < step.count; ++row) {
      const DrawRow& drawn = draw.rows[row];
      float* values = logits + row * kTileWords;
      if (!drawn.may_end && end_word < words) values[end_word] = kNever;
      const float top = mask_tile(values, draw.mask + first);
      Floats sum{};
      for (size_t i = 0; i < kTileWords; i += kWidth) sum += exp((load(values + i) - top) * draw.sharpness);
      step.tile_maximum[row * step.tile_stride + tile] = top;
      step.tile_sum[row * step.tile_stride + tile] = sum_lanes<float>(sum);
      for (size_t d = drawn.first_draw; d < drawn.first_draw + drawn.draws; ++d)
        draw.best[tile * draw.draws + d] = draw_word(values, draw.keys[d], first, draw.temperature);
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
