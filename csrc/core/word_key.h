// A word and its logit as one integer that orders words: larger logit first, then lower word.
//
// Every function has internal linkage, for the reason that core/topk.h gives.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pycap {

typedef int64_t WordKey;  // larger is better

static inline WordKey word_key(float logit, uint32_t word) {
  const float value = logit + 0.0f;  // -0 is 0
  int32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  bits ^= bits >> 31 & INT32_MAX;  // integers in the order of the floats
  return static_cast<WordKey>(static_cast<uint64_t>(static_cast<uint32_t>(bits)) << 32 | (UINT32_MAX - word));
}

static inline float logit_of(WordKey key) {
  int32_t bits = static_cast<int32_t>(key >> 32);
  bits ^= bits >> 31 & INT32_MAX;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

static inline int32_t word_of(WordKey key) {
  return static_cast<int32_t>(UINT32_MAX - static_cast<uint32_t>(key));
}

constexpr WordKey kNoWord = INT64_MIN;  // below every word

// A list of words: the best first, kNoWord where no word is yet. In front of it are kListHead keys above
// every word, and it is padded to as many; what is in the padding does not count.
constexpr size_t kListHead = 8;  // keys, in registers of any width

constexpr size_t list_stride(size_t words) {
  return kListHead + (words + kListHead - 1) / kListHead * kListHead;
}

static inline void clear_lists(WordKey* lists, size_t count, size_t words) {
  const size_t stride = list_stride(words);
  for (size_t list = 0; list < count; ++list)
    for (size_t i = 0; i < stride; ++i) lists[list * stride + i] = i < kListHead ? INT64_MAX : kNoWord;
}

}  // namespace pycap
