// The module pycap._cpu.
#include <pybind11/pybind11.h>

#include "cpu/isa.h"
#include "cpu/openmp.h"
#include "cpu/pool.h"

namespace pycap {
void bind_attend_lstm(pybind11::module_& module);
void bind_beam(pybind11::module_& module);
void bind_encoder(pybind11::module_& module);
}  // namespace pycap

PYBIND11_MODULE(_cpu, module) {
  module.doc() = "CPU kernels of pycap; pycap.ops is the interface to use.";
  pycap::active_isa();  // a wrong PYCAP_FORCE_ISA fails the import
  module.def("isa", [] { return pycap::isa_name(pycap::active_isa()); });
  module.def("threads", &pycap::thread_count);
  module.def("set_threads", &pycap::set_thread_count);
  module.def("adopt_openmp", &pycap::adopt_openmp,
             "Run on the OpenMP threads of a loaded library while it uses as many; False when it has none.");
  pycap::bind_attend_lstm(module);
  pycap::bind_beam(module);
  pycap::bind_encoder(module);
}
