#!/usr/bin/env bash
# Everything that needs a GPU, in one run of less than nine minutes: build for this GPU, test, look for races and bad
# accesses, measure. Nothing is installed: the modules are built into the source tree, for the python3 that is found.
#   bench/gpu.sh [FOLDER FOR RESULTS]
# The folder (default: build/gpu) gets gpu.json, gpu.md and the logs. Exits with 1 when anything failed.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/gpu}
python=${PYTHON:-python3}
mkdir -p "$out"
failed=()

stage() {  # stage NAME SECONDS COMMAND...
  local name=$1 limit=$2 started=$SECONDS
  shift 2
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  local code=$?
  [ $code = 0 ] || failed+=("$name")
  printf '%-12s %s in %d s\n' "$name" "$([ $code = 0 ] && echo passed || echo "FAILED ($code)")" $((SECONDS - started))
  [ $code = 0 ] || tail -n 15 "$out/$name.log"
}

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
if ! "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
  echo "bench/gpu.sh: torch of $python sees no CUDA device, so there is nothing to do" >&2
  exit 1
fi
stage build 100 bash -c "cmake -S . -B '$out/cmake' -G Ninja -DCMAKE_BUILD_TYPE=Release -DPYCAP_CUDA=ON \
  -DCMAKE_INSTALL_PREFIX='$PWD' -Dpybind11_DIR='$("$python" -m pybind11 --cmakedir)' \
  -DPython_EXECUTABLE='$(command -v "$python")' && cmake --build '$out/cmake' && cmake --install '$out/cmake'"
stage tests 100 "$python" -m pytest -q -p no:cacheprovider -m cuda tests/ops
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 stage "$tool" 30 \
      compute-sanitizer --tool "$tool" --error-exitcode 9 "$python" -m pycap.ops.self_check
  done
else
  echo "compute-sanitizer: not found, skipped"
fi
stage measure 210 "$python" -m bench.gpu --json "$out/gpu.json"
cat "$out/gpu.md" 2> /dev/null
[ ${#failed[@]} = 0 ] && echo "all passed" || { echo "failed: ${failed[*]}"; exit 1; }
