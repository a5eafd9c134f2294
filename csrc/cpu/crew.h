// Threads that work on one picture: a phase is cut along its units, and nothing depends on the cut.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cpu/pool.h"

namespace pycap {

struct Crew {
  size_t threads;

  // phase(begin, end, task) on each thread's share of the units.
  template <class Phase>
  void cut(size_t units, const Phase& phase) const {
    const size_t tasks = std::min(threads, units);
    if (tasks < 2) {
      if (units > 0) phase(0, units, 0);
      return;
    }
    auto run = [&](size_t task) { phase(units * task / tasks, units * (task + 1) / tasks, task); };
    parallel_for(tasks, [&run](size_t task) { run(task); });  // one captured reference: no allocation
  }
};

}  // namespace pycap
