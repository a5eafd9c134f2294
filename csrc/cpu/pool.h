// One process-wide thread pool, or threads that openmp.h has adopted. Work is cut into tasks whose results do
// not depend on who runs them.
#pragma once

#include <cstddef>
#include <functional>

namespace pycap {

// Threads that share the work, the caller included: PYCAP_THREADS, or CPU affinity and the cgroup's quota.
size_t thread_count();
void set_thread_count(size_t count);  // at least 1

// Call run(0) ... run(tasks - 1), each once, and return when all are done. Safe to call from anywhere: while
// the pool is busy (a nested or concurrent call) the caller runs its tasks alone. The first exception of a
// task is rethrown here.
void parallel_for(size_t tasks, const std::function<void(size_t task)>& run);

}  // namespace pycap
