#include "cpu/pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/openmp.h"

namespace pycap {
namespace {

constexpr int kSpins = 2000;  // tens of microseconds: the gap between two phases of one kernel
constexpr int kLooks = 64;    // of a waiting worker, between two at the clock

// How long a worker without work stays awake: the gap between two calls in a loop.
constexpr std::chrono::microseconds kAwake{200};

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

// One parallel_for call. Each thread starts at its own share of the tasks and then helps with what is left:
// the same thread does the same task in phase after phase, and finds its part of the weights in its own
// cache.
struct Job {
  const std::function<void(size_t)>& run;
  size_t tasks;
  std::atomic<uint64_t> taken{0};  // a bit for each of the first kTracked tasks
  std::atomic<size_t> next{kTracked};
  std::exception_ptr error{};
  std::once_flag failed{};

  static constexpr size_t kTracked = 64;

  void work(size_t thread, size_t threads) {
    const size_t tracked = std::min(tasks, kTracked), first = tracked * thread / threads;
    for (size_t i = 0; i < tracked; ++i) {
      const size_t task = (first + i) % tracked;
      const uint64_t bit = uint64_t{1} << task;
      if ((taken.load(std::memory_order_relaxed) & bit) == 0 && (taken.fetch_or(bit) & bit) == 0)
        perform(task);
    }
    for (size_t task; tracked < tasks && (task = next.fetch_add(1)) < tasks;) perform(task);
  }

  void perform(size_t task) {
    try {
      run(task);
    } catch (...) {
      std::call_once(failed, [&] { error = std::current_exception(); });
    }
  }
};

class Pool {
 public:
  explicit Pool(size_t threads) : threads_(threads) {
    workers_.reserve(threads - 1);
    try {
      for (size_t i = 1; i < threads; ++i) workers_.emplace_back([=] { serve(i, threads); });
    } catch (const std::system_error&) {  // the system grants no more: those that there are do the work
    }
  }

  ~Pool() {
    stopped_ = true;
    wake();
    for (std::thread& worker : workers_) worker.join();
  }

  size_t threads() const { return threads_; }  // as asked for

  // Nobody waits for a worker that is still asleep: it finds the job gone. All atomics here are sequentially
  // consistent: a worker says that it is active before it looks for the job, and the caller takes the job
  // away before it looks for active workers, so one of them sees the other.
  void run(Job& job) {
    job_ = &job;
    wake();
    job.work(0, threads());
    job_ = nullptr;
    for (int spin = 0; active_ > 0; ++spin) spin < kSpins ? pause() : std::this_thread::yield();
  }

 private:
  // Workers that still spin see the epoch change; only those that went to sleep need the lock. Either a
  // worker counts itself asleep before `sleepers_` is read here, or it sees the new epoch before it sleeps.
  void wake() {
    ++epoch_;
    if (sleepers_ == 0) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }

  void await(unsigned seen) {
    const auto sleep = std::chrono::steady_clock::now() + kAwake;
    do {
      for (int spin = 0; spin < kLooks; ++spin) {
        if (epoch_ != seen) return;
        pause();
      }
    } while (std::chrono::steady_clock::now() < sleep);
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleepers_;
    wake_.wait(lock, [&] { return epoch_ != seen; });
    --sleepers_;
  }

  void serve(size_t thread, size_t threads) {
    for (unsigned seen = 0;;) {
      await(seen);
      seen = epoch_;
      if (stopped_) return;
      ++active_;
      if (Job* job = job_) job->work(thread, threads);
      --active_;
    }
  }

  const size_t threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> epoch_{0}, sleepers_{0}, active_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<Job*> job_{nullptr};
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
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  (void)registered;
  Job job{run, tasks};
  Hold hold;
  const size_t threads = thread_count();
  if (!hold.held || tasks < 2 || threads == 1) {
    job.work(0, 1);
  } else if (!run_on_openmp(threads, [&job, threads](size_t thread) { job.work(thread, threads); })) {
    if (pool == nullptr || pool->threads() != threads) {
      delete pool;
      pool = new Pool(threads);
    }
    pool->run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace pycap
