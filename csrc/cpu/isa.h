// Instruction sets: every kernel source is compiled once per entry, the best one is chosen at load.
//
// A kernel lives in namespace pycap::PYCAP_ISA (a macro given by CMake: generic, avx2,
// avx2vnni, avx512, avx512vnni or amx). Its header declares it for all of them, and callers reach the chosen
// one through PYCAP_DISPATCH:
//
//   #define PYCAP_DECLARE(isa) namespace isa { template <class T> void scale(T* values, size_t count); }
//   PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
//   #undef PYCAP_DECLARE
//   ...
//   PYCAP_DISPATCH(scale<float>(values, count));
//
// Kernel sources must not use the standard library's inline code (containers, algorithms): the linker keeps
// one copy of each such function and it could be the one compiled for an instruction set this CPU lacks.
#pragma once

namespace pycap {

enum class Isa { generic, avx2, avx2vnni, avx512, avx512vnni, amx };

// The best this CPU has, or what PYCAP_FORCE_ISA names; throws when the CPU or the build lacks that.
Isa active_isa();
const char* isa_name(Isa isa);

// True where the CPU multiplies tiles in this way, a bit of CPUID leaf 7, and Linux grants the process AMX's
// large registers, which it does on request.
constexpr unsigned kAmxBfloat16 = 22, kAmxInt8 = 25;
bool grants_amx(unsigned product);

}  // namespace pycap

#ifdef PYCAP_AVXVNNI
#define PYCAP_IF_AVXVNNI(...) __VA_ARGS__
#else
#define PYCAP_IF_AVXVNNI(...)
#endif

#ifdef PYCAP_AMX
#define PYCAP_IF_AMX(...) __VA_ARGS__
#else
#define PYCAP_IF_AMX(...)
#endif

#ifdef PYCAP_X86
#define PYCAP_FOR_EACH_ISA(X) \
  X(generic) X(avx2) PYCAP_IF_AVXVNNI(X(avx2vnni)) X(avx512) X(avx512vnni) PYCAP_IF_AMX(X(amx))
#define PYCAP_DISPATCH(...)                                                                  \
  switch (::pycap::active_isa()) {                                                           \
    PYCAP_IF_AMX(case ::pycap::Isa::amx : ::pycap::amx::__VA_ARGS__; break;)                 \
    case ::pycap::Isa::avx512vnni:                                                           \
      ::pycap::avx512vnni::__VA_ARGS__;                                                      \
      break;                                                                                 \
    case ::pycap::Isa::avx512:                                                               \
      ::pycap::avx512::__VA_ARGS__;                                                          \
      break;                                                                                 \
      PYCAP_IF_AVXVNNI(case ::pycap::Isa::avx2vnni : ::pycap::avx2vnni::__VA_ARGS__; break;) \
    case ::pycap::Isa::avx2:                                                                 \
      ::pycap::avx2::__VA_ARGS__;                                                            \
      break;                                                                                 \
    default:                                                                                 \
      ::pycap::generic::__VA_ARGS__;                                                         \
  }
#else
#define PYCAP_FOR_EACH_ISA(X) X(generic)
#define PYCAP_DISPATCH(...) ::pycap::generic::__VA_ARGS__
#endif
