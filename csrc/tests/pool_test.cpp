// The pool: every task once, from any thread, nested, failing, resized, forked.
#include "cpu/pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/check.h"

namespace {

void run_all(size_t tasks) {
  std::vector<int> runs(tasks, 0);
  pycap::parallel_for(tasks, [&](size_t task) { ++runs[task]; });
  for (int count : runs) CHECK(count == 1);
}

}  // namespace

int main() {
  for (size_t threads : {1, 2, 4, 3}) {
    pycap::set_thread_count(threads);
    CHECK(pycap::thread_count() == threads);
    for (size_t tasks : {0, 1, 2, 7, 100}) run_all(tasks);
  }

  std::atomic<int> inner{0};
  pycap::parallel_for(8, [&](size_t) { pycap::parallel_for(8, [&](size_t) { ++inner; }); });
  CHECK(inner == 64);

  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([caller] {
      for (int round = 0; round < 200; ++round) {
        if (caller == 0 && round % 50 == 0) pycap::set_thread_count(2 + round / 50 % 2);
        run_all(5);
      }
    });
  for (std::thread& caller : callers) caller.join();

  bool caught = false;
  try {
    pycap::parallel_for(9, [](size_t task) {
      if (task == 5) throw std::runtime_error("task 5");
    });
  } catch (const std::runtime_error&) {
    caught = true;
  }
  CHECK(caught);
  run_all(9);  // the pool survives

#if !defined(__SANITIZE_THREAD__)
  const pid_t child = fork();
  if (child == 0) {
    run_all(20);
    _exit(0);
  }
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
#endif
  std::puts("pool: ok");
}
