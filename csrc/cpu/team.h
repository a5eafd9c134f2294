// Threads that stay together for many short phases: one fork for all of them, then a flag per phase.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "cpu/pool.h"

namespace pycap {

// The leader cuts phase after phase into one share a member. Members that are still waking up are not
// waited for: they take part from the next phase on, so results must not depend on the cut.
class Team {
 public:
  explicit Team(size_t threads) : threads_(std::min(threads, kMost)) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  size_t threads() const { return threads_; }  // shares of a phase at most

  // Run lead() here while the pool's threads serve its calls of cut().
  template <class Lead>
  void run(const Lead& lead) {
    if (threads_ == 1) return lead();
    parallel_for(threads_, [&](size_t task) {
      if (task > 0) return serve();  // after the leader is done, this returns at once
      struct Dismissal {
        Team& team;
        ~Dismissal() { team.publish(kDismissed); }
      } dismissal{*this};
      lead();
    });
  }

  // Call phase(begin, end, share) for parts of [0, units) that are multiples of `grain` but at the end;
  // returns how many shares there were. A share is what a member starts with; who is done helps others, so
  // that a member whose core is slowed down by other programs does not hold up the rest. `backwards`, a share
  // is worked through from its end.
  template <class Phase>
  size_t cut(size_t units, const Phase& phase, size_t grain = 1, bool backwards = false) {
    const size_t members = std::min<size_t>(arrived_.load(std::memory_order_acquire), threads_ - 1);
    const size_t shares = std::min(members + 1, (units + grain - 1) / grain);
    if (shares < 2) {
      if (units > 0) phase(0, units, 0);
      return shares;
    }
    struct Context {
      const Phase& phase;
      std::array<Seat, kMost>& seats;
      size_t units, grain, shares;
      bool backwards;

      size_t begin(size_t share) const { return units / grain * share / shares * grain; }
      size_t end(size_t share) const { return share + 1 == shares ? units : begin(share + 1); }
    } context{phase, seats_, units, grain, shares, backwards};
    for (size_t share = 0; share < shares; ++share) seats_[share].taken.store(0, std::memory_order_relaxed);
    context_ = &context;
    part_ = [](const void* source, size_t member) {
      const Context& c = *static_cast<const Context*>(source);
      for (size_t i = 0; i < std::min(c.shares, kHelped); ++i) {
        const size_t share = (member + i) % c.shares, first = c.begin(share), end = c.end(share);
        const size_t piece = ((end - first) / kPieces + c.grain) / c.grain * c.grain;
        const size_t pieces = (end - first + piece - 1) / piece;
        for (size_t turn; (turn = c.seats[share].taken.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
          const size_t begin = first + (c.backwards ? pieces - 1 - turn : turn) * piece;
          c.phase(begin, std::min(begin + piece, end), member);
        }
      }
    };
    const uint64_t order = publish(shares - 1);
    part_(&context, 0);
    for (size_t member = 1; member < shares; ++member)
      wait([&] { return seats_[member].done.load(std::memory_order_acquire) == order; });
    return shares;
  }

 private:
  typedef void (*Part)(const void* context, size_t member);

  struct alignas(64) Seat {         // a cache line of its own
    std::atomic<uint64_t> done{0};  // the last order carried out
    std::atomic<size_t> taken{0};   // pieces of the share that somebody has taken
  };

  static constexpr size_t kMost = 64, kDismissed = 255;
  static constexpr size_t kPieces = 4;  // of a share, taken one after the other
  static constexpr size_t kHelped = 4;  // shares that a member looks into, its own first
  static constexpr int kSpins = 20000;  // before other programs may have the core

  uint64_t publish(size_t members) {  // an order: the number of the phase and how many members it is for
    const uint64_t order = ((order_.load(std::memory_order_relaxed) >> 8) + 1) << 8 | members;
    order_.store(order, std::memory_order_release);
    return order;
  }

  void serve() {
    uint64_t seen = order_.load(std::memory_order_acquire);
    const size_t member = arrived_.fetch_add(1, std::memory_order_acq_rel) + 1;
    while (seen % 256 != kDismissed) {
      wait([&] { return order_.load(std::memory_order_acquire) != seen; });
      seen = order_.load(std::memory_order_acquire);
      if (seen % 256 == kDismissed || member > seen % 256)
        continue;  // only who is waited for may look further
      part_(context_, member);
      seats_[member].done.store(seen, std::memory_order_release);
    }
  }

  template <class Ready>
  static void wait(const Ready& ready) {
    for (int spin = 0; !ready(); ++spin) {
      if (spin >= kSpins) std::this_thread::yield();
#ifdef PYCAP_X86
      __builtin_ia32_pause();
#endif
    }
  }

  const size_t threads_;
  alignas(64) std::atomic<uint64_t> order_{0};
  Part part_ = nullptr;  // these two belong to the order
  const void* context_ = nullptr;
  alignas(64) std::atomic<size_t> arrived_{0};
  std::array<Seat, kMost> seats_;
};

}  // namespace pycap
