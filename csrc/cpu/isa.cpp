#include "cpu/isa.h"

#ifdef PYCAP_X86
#include <cpuid.h>
#endif
#if defined(PYCAP_X86) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
#ifdef PYCAP_AVXVNNI
  unsigned a, b, c, d;
  const bool leaf = __get_cpuid_count(7, 1, &a, &b, &c, &d);
  if (isa == Isa::avx2vnni) return avx2 && leaf && (a >> 4 & 1);
#endif
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (isa == Isa::avx512) return avx512;
  bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  if (isa == Isa::avx512vnni) return vnni;
#ifdef PYCAP_AMX
  if (isa == Isa::amx) return vnni && grants_amx(kAmxInt8);
#endif
#endif
  return isa == Isa::generic;
}

Isa choose() {
  const Isa all[] = {Isa::amx, Isa::avx512vnni, Isa::avx512, Isa::avx2vnni, Isa::avx2, Isa::generic};
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
  throw std::runtime_error(
      std::string("PYCAP_FORCE_ISA must be generic, avx2, avx2vnni, avx512, avx512vnni or amx, got ") +
      forced);
}

}  // namespace

bool grants_amx(unsigned product) {
#if defined(PYCAP_X86) && defined(__linux__)
  constexpr unsigned kTiles = 24;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> kTiles & 1) || !(d >> product & 1)) return false;
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM: for the whole process
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  (void)product;
  return false;
#endif
}

Isa active_isa() {
  static const Isa chosen = choose();
  return chosen;
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::amx:
      return "amx";
    case Isa::avx512vnni:
      return "avx512vnni";
    case Isa::avx512:
      return "avx512";
    case Isa::avx2vnni:
      return "avx2vnni";
    case Isa::avx2:
      return "avx2";
    default:
      return "generic";
  }
}

}  // namespace pycap
