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
std::atomic<bool> adopted{false};

template <class Function>
bool look_up(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

bool adopt_openmp(const char* library) {
  if (adopted) return true;
  void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);  // dlsym looks into what it depends on, too
  if (handle == nullptr) return false;
  if (!look_up(handle, "omp_get_max_threads", found.max_threads) ||
      !look_up(handle, "omp_get_thread_num", found.thread_num) ||
      !look_up(handle, "GOMP_parallel", found.parallel))
    return false;
  // in a forked child the threads do not exist, and the runtime would wait for them
  static const int registered = pthread_atfork(nullptr, nullptr, [] { adopted = false; });
  adopted = registered == 0;
  return adopted;
}

bool run_on_openmp(size_t threads, const std::function<void(size_t)>& run) {
  if (!adopted || static_cast<size_t>(found.max_threads()) != threads) return false;
  const auto body = [](void* data) {
    (*static_cast<const std::function<void(size_t)>*>(data))(found.thread_num());
  };
  found.parallel(body, const_cast<std::function<void(size_t)>*>(&run), static_cast<unsigned>(threads), 0);
  return true;
}

#else

bool adopt_openmp(const char*) { return false; }
bool run_on_openmp(size_t, const std::function<void(size_t)>&) { return false; }

#endif

}  // namespace pycap
