// The OpenMP threads of another library in this process, PyTorch's above all. They spin for milliseconds
// after each of its operators: kernels on threads of their own would have to share the cores with them.
#pragma once

#include <cstddef>
#include <functional>

namespace pycap {

// Use the OpenMP runtime of a loaded shared library ("libtorch_cpu.so") from now on; false when there is
// none.
bool adopt_openmp(const char* library);

// Call run(thread), once for each of that many threads or, inside a parallel region, for fewer. False, and
// nothing was called, where no runtime was adopted or where it is set to another number of threads.
bool run_on_openmp(size_t threads, const std::function<void(size_t thread)>& run);

}  // namespace pycap
