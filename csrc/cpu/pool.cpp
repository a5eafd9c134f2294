#include "cpu/pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pycap {
namespace {

constexpr int kSpins = 2000;  // tens of microseconds: the gap between two phases of one kernel

void pause() {
#ifdef PYCAP_X86
  __builtin_ia32_pause();
#endif
}

double cgroup_quota() {  // CPUs this container may use; infinity when unlimited
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0) return std::atof(quota.c_str()) / period;
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double limit = 0;
  if (v1_quota >> limit && v1_period >> period && limit > 0 && period > 0) return limit / period;
  return INFINITY;
}

size_t default_threads() {
  if (const char* text = std::getenv("PYCAP_THREADS")) {
    int count = std::atoi(text);
    if (count > 0) return count;
  }
  size_t count = std::max(1u, std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = std::max(1, CPU_COUNT(&set));
#endif
  return std::max<size_t>(1, std::min<double>(count, std::ceil(cgroup_quota())));
}

// One parallel_for call: workers and caller draw task numbers from `next`.
struct Job {
  const std::function<void(size_t)>& run;
  size_t tasks;
  std::atomic<size_t> next{0};
  std::exception_ptr error{};
  std::once_flag failed{};

  void work() {
    for (size_t task; (task = next.fetch_add(1)) < tasks;) {
      try {
        run(task);
      } catch (...) {
        std::call_once(failed, [&] { error = std::current_exception(); });
      }
    }
  }
};

class Pool {
 public:
  explicit Pool(size_t threads) {
    for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  }

  ~Pool() {
    publish(nullptr);
    for (std::thread& worker : workers_) worker.join();
  }

  size_t threads() const { return workers_.size() + 1; }

  void run(Job& job) {
    pending_ = workers_.size();
    publish(&job);
    job.work();
    for (int spin = 0; pending_.load() > 0; ++spin) spin < kSpins ? pause() : std::this_thread::yield();
  }

 private:
  void publish(Job* job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = job;
      epoch_.fetch_add(1);
    }
    wake_.notify_all();
  }

  void serve() {
    for (unsigned seen = 0;;) {
      for (int spin = 0; spin < kSpins && epoch_.load() == seen; ++spin) pause();
      Job* job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return epoch_.load() != seen; });
        seen = epoch_.load();
        job = job_;
      }
      if (job == nullptr) return;
      job->work();
      pending_.fetch_sub(1);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> epoch_{0};
  std::atomic<size_t> pending_{0};
  Job* job_ = nullptr;
  std::vector<std::thread> workers_;
};

std::atomic<bool> busy{false};  // held by the call that uses the pool, or changes it
std::atomic<size_t> wanted{0};
Pool* pool = nullptr;  // never freed at exit: workers may outlive static destruction

void forget_pool() {  // in a forked child the workers do not exist: leak the object, start afresh when needed
  pool = nullptr;
  busy = false;
}

struct Hold {
  bool held = !busy.exchange(true);
  ~Hold() {
    if (held) busy = false;
  }
};

}  // namespace

size_t thread_count() {
  if (wanted == 0) wanted = default_threads();
  return wanted;
}

void set_thread_count(size_t count) { wanted = std::max<size_t>(1, count); }

void parallel_for(size_t tasks, const std::function<void(size_t)>& run) {
  Job job{run, tasks};
  Hold hold;
  if (!hold.held || tasks < 2 || thread_count() == 1) {
    job.work();
  } else {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
    (void)registered;
    if (pool == nullptr || pool->threads() != thread_count()) {
      delete pool;
      pool = new Pool(thread_count());
    }
    pool->run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace pycap
