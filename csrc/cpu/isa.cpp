#include "cpu/isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace pycap {
namespace {

bool supported(Isa isa) {
#ifdef PYCAP_X86
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx2) return avx2;
  if (isa == Isa::avx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
  return isa == Isa::generic;
}

Isa choose() {
  const Isa all[] = {Isa::avx512, Isa::avx2, Isa::generic};
  const char* forced = std::getenv("PYCAP_FORCE_ISA");
  if (forced == nullptr || *forced == '\0') {
    for (Isa isa : all)
      if (supported(isa)) return isa;
  }
  for (Isa isa : all) {
    if (std::string(forced) != isa_name(isa)) continue;
    if (supported(isa)) return isa;
    throw std::runtime_error(std::string("PYCAP_FORCE_ISA=") + forced + ": this CPU or build lacks it");
  }
  throw std::runtime_error(std::string("PYCAP_FORCE_ISA must be generic, avx2 or avx512, got ") + forced);
}

}  // namespace

Isa active_isa() {
  static const Isa chosen = choose();
  return chosen;
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    default:
      return "generic";
  }
}

}  // namespace pycap
