// CUDA's words for a plain C++ compiler: runs the kernels of csrc/cuda on the host, one block at a time.
//
// Each thread of a block is a fiber that runs until it meets a barrier or a warp exchange, and each warp runs
// to the next barrier before another starts, in an order the test chooses: a missing barrier changes results.
// Shared memory starts as NaN, so a read before a write shows; buffers have their exact size, so the address
// sanitizer sees a step outside. Not modelled: lanes of a warp that run apart, the memory order of a GPU, its
// rounding of __expf.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define PYCAP_SHARED_FLOATS(name) float* name = pycap::emulation::block().shared.data()

struct Index3 {
  unsigned x = 0, y = 0;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace pycap::emulation {

constexpr int kLanes = 32;
constexpr size_t kStackBytes = 64 * 1024;

enum class Waiting { kNothing, kBlock, kWarp, kDone };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  Waiting waiting = Waiting::kNothing;
  unsigned exchanges = 0;  // warp exchanges so far; its parity picks a slot
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<float> shared;
  std::vector<float> slots[2];  // what each thread offers in a warp exchange
  std::function<void()> kernel;
  ucontext_t scheduler;
  int running = 0;
};

inline Block*& current_block() {
  static Block* current = nullptr;
  return current;
}
inline Block& block() { return *current_block(); }

inline void fail(const char* what) {
  std::fprintf(stderr, "emulation: %s\n", what);
  std::abort();
}

inline void wait_for(Waiting what) {
  Block& b = block();
  Fiber& fiber = b.fibers[b.running];
  fiber.waiting = what;
  swapcontext(&fiber.context, &b.scheduler);
}

inline void run_fiber() {
  block().kernel();
  wait_for(Waiting::kDone);
}

inline void start(Fiber& fiber) {
  getcontext(&fiber.context);
  fiber.context.uc_stack = {};
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  fiber.waiting = Waiting::kNothing;
  fiber.exchanges = 0;
  makecontext(&fiber.context, run_fiber, 0);
}

inline float exchange(float value, int source_lane) {
  Block& b = block();
  const int self = b.running;
  std::vector<float>& slots = b.slots[b.fibers[self].exchanges++ % 2];
  slots[self] = value;
  wait_for(Waiting::kWarp);
  return slots[self / kLanes * kLanes + source_lane];
}

enum class Order { kForward, kBackward, kShuffled };

// Frees the fibers of a group that all wait for the same thing; a group that waits for different things is
// stuck.
inline bool release(Block& b, size_t begin, size_t end, Waiting what) {
  for (size_t i = begin; i < end; ++i) {
    if (b.fibers[i].waiting != what) return false;
  }
  for (size_t i = begin; i < end; ++i) b.fibers[i].waiting = Waiting::kNothing;
  return true;
}

}  // namespace pycap::emulation

inline Index3 blockIdx, threadIdx;

namespace pycap::emulation {

// Runs one warp until all its lanes wait for the block or are done; true if any lane moved.
inline bool run_warp(Block& b, size_t first, const std::vector<int>& lanes) {
  bool moved = false;
  do {
    for (const int lane : lanes) {
      Fiber& fiber = b.fibers[first + lane];
      if (fiber.waiting != Waiting::kNothing) continue;
      moved = true;
      b.running = static_cast<int>(first) + lane;
      threadIdx.x = b.running;
      swapcontext(&b.scheduler, &fiber.context);
    }
  } while (release(b, first, first + kLanes, Waiting::kWarp));
  return moved;
}

inline void arrange(std::vector<int>& turns, Order order, std::mt19937& random) {
  std::iota(turns.begin(), turns.end(), 0);
  if (order == Order::kBackward) std::reverse(turns.begin(), turns.end());
  if (order == Order::kShuffled) std::shuffle(turns.begin(), turns.end(), random);
}

// Runs `kernel` for every thread of a (grid_x, grid_y) grid, one block after the other.
inline void launch(unsigned grid_x, unsigned grid_y, unsigned threads, size_t shared_bytes, Order order,
                   const std::function<void()>& kernel) {
  if (threads % kLanes != 0 || shared_bytes > 48 * 1024) fail("a launch that the GPU would refuse");
  Block b;
  current_block() = &b;
  b.fibers = std::vector<Fiber>(threads);
  b.kernel = kernel;
  std::vector<int> warps(threads / kLanes), lanes(kLanes);
  std::mt19937 random(1);
  for (unsigned cell = 0; cell < grid_x * grid_y; ++cell) {
    blockIdx = {cell % grid_x, cell / grid_x};
    b.shared.assign(shared_bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
    for (auto& slots : b.slots) slots.assign(threads, 0.0f);
    for (Fiber& fiber : b.fibers) start(fiber);
    while (!release(b, 0, threads, Waiting::kDone)) {
      arrange(warps, order, random);
      arrange(lanes, order, random);
      bool moved = false;
      for (const int warp : warps) moved |= run_warp(b, size_t(warp) * kLanes, lanes);
      moved |= release(b, 0, threads, Waiting::kBlock);
      if (!moved) fail("threads of one block wait for different barriers");
    }
  }
  current_block() = nullptr;
}

}  // namespace pycap::emulation

inline void __syncthreads() { pycap::emulation::wait_for(pycap::emulation::Waiting::kBlock); }
inline float __shfl_xor_sync(unsigned, float value, int mask) {
  return pycap::emulation::exchange(value, static_cast<int>(threadIdx.x % 32) ^ mask);
}
inline float __shfl_sync(unsigned, float value, int lane) { return pycap::emulation::exchange(value, lane); }

template <class T>
T __ldg(const T* source) {
  if (reinterpret_cast<uintptr_t>(source) % alignof(T) != 0) pycap::emulation::fail("a misaligned load");
  return *source;
}
inline float __expf(float value) { return std::exp(value); }
inline float __fdividef(float numerator, float denominator) { return numerator / denominator; }
using std::min;

// Storage types, rounded to nearest even as the hardware does.
struct __nv_bfloat16 {
  uint16_t bits;
};
struct __half {
  uint16_t bits;
};

namespace pycap::emulation {
inline uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float bits_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
}  // namespace pycap::emulation

inline float __bfloat162float(__nv_bfloat16 value) {
  return pycap::emulation::bits_float(static_cast<uint32_t>(value.bits) << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  if (std::isnan(value)) return {0x7fff};
  const uint32_t bits = pycap::emulation::float_bits(value);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline float __half2float(__half value) {
  const float size = std::ldexp(static_cast<float>(value.bits & 0x3ff), -24);
  const int exponent = value.bits >> 10 & 31;
  float result =
      exponent == 0 ? size : std::ldexp(1024.0f + static_cast<float>(value.bits & 0x3ff), exponent - 25);
  if (exponent == 31) result = value.bits & 0x3ff ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
  return value.bits & 0x8000 ? -result : result;
}
inline __half __float2half_rn(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float size = std::fabs(value);
  if (std::isnan(value)) return {0x7fff};
  if (size >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  int exponent = 0;
  std::frexp(size, &exponent);
  exponent = std::max(exponent, -13);  // subnormals share the smallest exponent
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(size, 11 - exponent)));  // 0..2048
  return {static_cast<uint16_t>(sign | ((exponent + 13) * 1024 + steps))};
}
