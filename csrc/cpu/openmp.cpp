#include "cpu/openmp.h"

#ifdef __linux__
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#endif

namespace pycap {

#ifdef __linux__

namespace {

// Entry points of GCC's runtime, which those of LLVM and Intel have too.
struct OpenMp {
  int (*max_threads)() = nullptr;
  int (*thread_num)() = nullptr;
  void (*parallel)(void (*body)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
};

OpenMp found;
std::atomic<const OpenMp*> adopted{nullptr};

template <class Function>
bool look_up(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

bool adopt_openmp(const char* library) {
  if (adopted != nullptr) return true;
  void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);  // dlsym looks into what it depends on, too
  if (handle == nullptr) return false;
  if (!look_up(handle, "omp_get_max_threads", found.max_threads) ||
      !look_up(handle, "omp_get_thread_num", found.thread_num) ||
      !look_up(handle, "GOMP_parallel", found.parallel))
    return false;
  // in a forked child the threads do not exist, and the runtime would wait for them
  static const int registered = pthread_atfork(nullptr, nullptr, [] { adopted = nullptr; });
  if (registered == 0) adopted = &found;
  return registered == 0;
}

bool run_on_openmp(size_t threads, const std::function<void(size_t)>& run) {
  const OpenMp* runtime = adopted;
  if (runtime == nullptr || static_cast<size_t>(runtime->max_threads()) != threads) return false;
  struct Region {
    const OpenMp* runtime;
    const std::function<void(size_t)>& run;
  } region{runtime, run};
  const auto body = [](void* data) {
    const Region& region = *static_cast<Region*>(data);
    region.run(region.runtime->thread_num());
  };
  runtime->parallel(body, &region, static_cast<unsigned>(threads), 0);
  return true;
}

#else

bool adopt_openmp(const char*) { return false; }
bool run_on_openmp(size_t, const std::function<void(size_t)>&) { return false; }

#endif

}  // namespace pycap
