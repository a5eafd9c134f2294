#!/bin/sh
# Build the C++ tests with ASan + UBSan, then with TSan, and run them on every instruction set of this CPU.
#   csrc/tests/sanitize.sh [BUILD_FOLDER]
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$source/build/sanitize}

for sanitizer in address,undefined thread; do
  cmake -S "$source" -B "$build/$sanitizer" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DPYCAP_SANITIZE=$sanitizer > /dev/null
  cmake --build "$build/$sanitizer"
  export ASAN_OPTIONS=detect_stack_use_after_return=0  # the emulated GPU threads have stacks of their own
  if [ $sanitizer != thread ]; then "$build/$sanitizer/csrc/tests/cuda_emulation"; fi
  for program in "$build/$sanitizer"/csrc/tests/*_test; do
    for isa in generic avx2:avx2 avx2vnni:avx_vnni avx512:avx512bw avx512vnni:avx512_vnni amx:amx_int8; do
      flag=${isa#*:} isa=${isa%:*}
      if [ $isa != generic ] && ! grep -qw "$flag" /proc/cpuinfo; then continue; fi
      echo "$sanitizer: PYCAP_FORCE_ISA=$isa $(basename "$program")"
      PYCAP_FORCE_ISA=$isa "$program"
    done
  done
done
