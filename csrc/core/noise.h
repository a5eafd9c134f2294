// Random bits that are a pure function of where they are used: no state, so no order of drawing to keep.
//
// Every counter (seed, image, sample, step) and at last the word is absorbed into a key of two numbers; the
// rules are those of pycap/ops/sample.py. Every function has internal linkage, so that kernel sources
// compiled for several instruction sets may include this; Bits is uint32_t or a vector of them.
#pragma once

#include <cstdint>

namespace pycap {

constexpr uint32_t kNoiseStride = 0x9E3779B9u;  // 2^32 / golden ratio: neighbours differ in many bits

struct NoiseKey {
  uint32_t path, key;
};

// The 32-bit finaliser of MurmurHash3 (Appleby 2011): a bijection in which every bit moves every other.
template <class Bits>
static inline Bits scramble(Bits bits) {
  bits = (bits ^ (bits >> 16)) * 0x85EBCA6Bu;
  bits = (bits ^ (bits >> 13)) * 0xC2B2AE35u;
  return bits ^ (bits >> 16);
}

static inline NoiseKey absorb(NoiseKey noise, uint32_t value) {
  noise.path = scramble(noise.path + kNoiseStride * value);
  noise.key = scramble(noise.key ^ noise.path);
  return noise;
}

static inline NoiseKey seed_noise(uint64_t seed) {
  const NoiseKey noise = absorb({0x243F6A88u, 0x85A308D3u}, static_cast<uint32_t>(seed));  // digits of pi
  return absorb(noise, static_cast<uint32_t>(seed >> 32));
}

}  // namespace pycap
