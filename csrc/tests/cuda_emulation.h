// CUDA's words for a plain C++ compiler: runs the kernels of csrc/cuda on the host.
//
// Each thread is a fiber that runs until it meets a barrier or a warp exchange, and each warp runs to the
// next barrier before another starts, in an order the test chooses: a missing barrier changes results. Blocks
// run one after the other, or together where the launch is cooperative. Shared memory starts as NaN and the
// target of an asynchronous copy is NaN until the copying thread waits for it, so a read before a write
// shows; buffers have their exact size, so the address sanitizer sees a step outside. Not modelled: lanes of
// a warp that run apart, the memory order of a GPU, its rounding of __expf and of the sums inside tensor
// cores.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
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
#define __restrict__
#define PYCAP_SHARED(name) char* name = reinterpret_cast<char*>(pycap::emulation::block().shared.data())

struct Index3 {
  unsigned x = 0, y = 0;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }

namespace pycap::emulation {

constexpr int kLanes = 32;
constexpr size_t kStackBytes = 64 * 1024;
constexpr size_t kSharedWithoutAsking = 48 * 1024, kSharedAtMost = 227 * 1024;

enum class Waiting { kNothing, kBlock, kWarp, kOthers, kDone };
using Words = std::array<uint32_t, 6>;  // what a lane offers in a warp exchange

struct Copy {
  char* target;
  const char* source;
  int bytes;  // of 16; the others become zero
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  Waiting waiting = Waiting::kNothing;
  unsigned exchanges = 0;  // warp exchanges so far; its parity picks a slot
  std::vector<Copy> uncommitted;
  std::deque<std::vector<Copy>> groups;
};

struct Block {
  Index3 index;
  std::vector<Fiber> fibers;
  std::vector<uint4> shared;
  std::vector<Words> slots[2];
  size_t votes = 0;  // for true, at a barrier that counts them
  bool done = false;
};

struct Machine {
  ucontext_t scheduler;
  std::function<void()> kernel;
  Block* block = nullptr;
  int running = 0;
};

inline Machine& machine() {
  static Machine the;
  return the;
}
inline Block& block() { return *machine().block; }
inline Fiber& fiber() { return block().fibers[machine().running]; }

inline void fail(const char* what) {
  std::fprintf(stderr, "emulation: %s\n", what);
  std::abort();
}

inline void wait_for(Waiting what) {
  Fiber& self = fiber();
  self.waiting = what;
  swapcontext(&self.context, &machine().scheduler);
}

inline void run_fiber() {
  machine().kernel();
  if (!fiber().uncommitted.empty()) fail("a thread ends with copies that it never committed");
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
  fiber.groups.clear();
  makecontext(&fiber.context, run_fiber, 0);
}

// Offers words to the warp and returns what its 32 lanes offered.
inline const Words* exchange(const Words& offered) {
  Block& b = block();
  const int self = machine().running;
  std::vector<Words>& slots = b.slots[b.fibers[self].exchanges++ % 2];
  slots[self] = offered;
  wait_for(Waiting::kWarp);
  return slots.data() + self / kLanes * kLanes;
}

enum class Order { kForward, kBackward, kShuffled };

// The order in which launches that do not say otherwise run their threads.
inline Order& chosen_order() {
  static Order order = Order::kForward;
  return order;
}

struct Launch {
  unsigned grid_x, grid_y, threads;
  size_t shared_bytes;
  bool cooperative = false;
};

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

inline Index3 blockIdx, threadIdx, gridDim;

namespace pycap::emulation {

// Runs one warp until all its lanes wait for the block, for other blocks, or are done; true if any lane
// moved.
inline bool run_warp(Block& b, size_t first, const std::vector<int>& lanes) {
  bool moved = false;
  do {
    for (const int lane : lanes) {
      Fiber& fiber = b.fibers[first + lane];
      if (fiber.waiting == Waiting::kOthers) fiber.waiting = Waiting::kNothing;
      if (fiber.waiting != Waiting::kNothing) continue;
      machine().running = static_cast<int>(first) + lane;
      threadIdx.x = machine().running;
      swapcontext(&machine().scheduler, &fiber.context);
      moved |= fiber.waiting != Waiting::kOthers;
    }
  } while (release(b, first, first + kLanes, Waiting::kWarp));
  return moved;
}

inline void arrange(std::vector<int>& turns, Order order, std::mt19937& random) {
  std::iota(turns.begin(), turns.end(), 0);
  if (order == Order::kBackward) std::reverse(turns.begin(), turns.end());
  if (order == Order::kShuffled) std::shuffle(turns.begin(), turns.end(), random);
}

// Runs blocks together until all of their threads are done.
inline void run_together(std::vector<Block*>& blocks, const Launch& launch, Order order,
                         std::mt19937& random) {
  std::vector<int> warps(launch.threads / kLanes), lanes(kLanes), turns(blocks.size());
  for (Block* b : blocks) {
    b->done = false;
    std::fill(b->shared.begin(), b->shared.end(), uint4{~0u, ~0u, ~0u, ~0u});  // NaN in every type
    for (Fiber& fiber : b->fibers) start(fiber);
  }
  for (size_t left = blocks.size(); left > 0;) {
    bool moved = false;
    arrange(turns, order, random);
    for (const int turn : turns) {
      Block& b = *blocks[turn];
      if (b.done) continue;
      machine().block = &b;
      blockIdx = b.index;
      arrange(warps, order, random);
      arrange(lanes, order, random);
      for (const int warp : warps) moved |= run_warp(b, size_t(warp) * kLanes, lanes);
      moved |= release(b, 0, launch.threads, Waiting::kBlock);
      if (release(b, 0, launch.threads, Waiting::kDone)) b.done = true, --left;
    }
    if (!moved) fail("threads wait for different barriers, or for a block that never comes");
  }
}

// Runs `kernel` for every thread of a grid: blocks one after the other, or all at once.
inline void launch(const Launch& shape, Order order, const std::function<void()>& kernel) {
  if (shape.threads % kLanes != 0 || shape.threads > 1024 || shape.grid_x == 0 || shape.grid_y == 0 ||
      shape.grid_y > 65535 || shape.shared_bytes > kSharedAtMost)
    fail("a launch that the GPU would refuse");
  machine().kernel = kernel;
  gridDim = {shape.grid_x, shape.grid_y};
  std::mt19937 random(1);
  const unsigned count = shape.grid_x * shape.grid_y;
  std::vector<Block> storage(shape.cooperative ? count : 1);
  for (Block& b : storage) {
    b.fibers = std::vector<Fiber>(shape.threads);
    b.shared.resize((shape.shared_bytes + sizeof(uint4) - 1) / sizeof(uint4));
    for (auto& slots : b.slots) slots.assign(shape.threads, Words{});
  }
  std::vector<int> cells(count);
  arrange(cells, order, random);
  std::vector<Block*> together;
  for (unsigned i = 0; i < count; ++i) {
    const auto cell = static_cast<unsigned>(cells[i]);
    Block& b = storage[shape.cooperative ? i : 0];
    b.index = {cell % shape.grid_x, cell / shape.grid_x};
    together.push_back(&b);
    if (shape.cooperative && i + 1 < count) continue;
    run_together(together, shape, order, random);
    together.clear();
  }
}

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

// 16 bytes from global to shared memory that arrive when the thread waits for their group; those behind
// `bytes` are zero.
inline void copy_async(void* target, const void* source, int bytes) {
  if (reinterpret_cast<uintptr_t>(target) % 16 || reinterpret_cast<uintptr_t>(source) % 16)
    fail("a misaligned copy");
  std::memset(target, 0xff, 16);
  fiber().uncommitted.push_back({static_cast<char*>(target), static_cast<const char*>(source), bytes});
}
inline void copy_commit() {
  fiber().groups.push_back(std::move(fiber().uncommitted));
  fiber().uncommitted.clear();
}
inline void copy_wait(size_t groups_in_flight) {
  Fiber& self = fiber();
  for (; self.groups.size() > groups_in_flight; self.groups.pop_front()) {
    for (const Copy& copy : self.groups.front()) {
      std::memcpy(copy.target, copy.source, copy.bytes);
      std::memset(copy.target + copy.bytes, 0, 16 - copy.bytes);
    }
  }
}

inline void yield() { wait_for(Waiting::kOthers); }

}  // namespace pycap::emulation
