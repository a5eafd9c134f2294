"""The choice between native kernels and the reference, and what is said when the kernels are missing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch
from tiny import PACKAGE_HOME

from pycap.ops import backend, describe, library, native_available, set_threads, use

needs_native = pytest.mark.skipif(not native_available(), reason=library.missing_reason())

MISSING = """
import sys
sys.modules["pycap._cpu"] = None
sys.modules["pycap._cuda"] = None
from attend_problem import SMALL, make_problem
from pycap.ops import attend_lstm, backend, describe, missing_reason, native_available, set_threads, use
assert not native_available() and backend() == "reference"
assert describe()["isa"] is None and describe()["cpu_missing"] == missing_reason()
assert attend_lstm(**make_problem(**SMALL))[0].shape == (6, 4, 3)
set_threads(2)
try:
    with use("native"):
        pass
except RuntimeError as error:
    print(error)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """Run code in a new Python that imports the same pycap as this one."""
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE_HOME), *sys.path]), **environment}
    return subprocess.run(
        command, env=environment, cwd=PACKAGE_HOME, capture_output=True, text=True, check=False
    )


def test_missing_extension_says_how_to_build_and_the_reference_takes_over() -> None:
    done = run(MISSING)
    assert done.returncode == 0, done.stderr
    assert "pycap._cpu is missing" in done.stdout
    assert "pip install" in done.stdout


def test_notes_of_the_build_explain_a_missing_module(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "_build_notes.txt"
    notes.write_text("_nothing: No CMAKE_CXX_COMPILER could be found.\n")
    monkeypatch.setattr(library, "BUILD_NOTES", notes)
    assert library.load("_nothing") == (None, "No CMAKE_CXX_COMPILER could be found.")
    assert "No module named" in library.load("_other")[1]


@needs_native
def test_use_holds_inside_its_block_only() -> None:
    assert backend() == "native"
    with use("reference"):
        assert backend() == "reference"
        with use("native"):
            assert backend() == "native"
        assert backend() == "reference"
    assert backend() == "native"


@needs_native
def test_use_does_not_leak_into_other_threads() -> None:
    seen = []
    with use("reference"):
        thread = threading.Thread(target=lambda: seen.append(backend()))
        thread.start()
        thread.join()
    assert seen == ["native"]


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of native, reference, got 'cuda'"), use("cuda"):
        pass


def test_a_pool_needs_a_thread() -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        set_threads(0)


@needs_native
def test_threads_and_instruction_set_follow_the_environment() -> None:
    code = "from pycap.ops import describe; d = describe(); print(d['isa'], d['threads'])"
    assert run(code, PYCAP_FORCE_ISA="generic", PYCAP_THREADS="3").stdout.split() == ["generic", "3"]
    assert describe()["threads"] >= 1


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space, and /proc")
def test_more_threads_than_the_system_grants_are_done_without() -> None:
    code = """
import resource, torch
from attend_problem import SMALL, make_problem
from pycap.ops import attend_lstm, set_threads
problem = make_problem(**SMALL)
set_threads(1)
expected = attend_lstm(**problem)[0]
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (300 << 20),) * 2)  # a thread's stack takes 8 MB
set_threads(500)
assert torch.equal(attend_lstm(**problem)[0], expected)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


@needs_native
def test_wrong_instruction_set_is_named() -> None:
    code = "from pycap.ops import missing_reason; print(missing_reason())"
    reason = run(code, PYCAP_FORCE_ISA="sse9").stdout
    assert "PYCAP_FORCE_ISA must be generic, avx2, avx2vnni, avx512, avx512vnni or amx, got sse9" in reason
    assert "unset PYCAP_FORCE_ISA or name another" in reason
    assert "compiler" not in reason


@needs_native
def test_kernels_work_in_a_forked_child() -> None:
    code = """
import os, sys, warnings
warnings.simplefilter("ignore")
import torch
from attend_problem import ODD, make_problem
from pycap.ops import attend_lstm, set_threads
set_threads(2)
problem = make_problem(**ODD)
before = attend_lstm(**problem)[0]
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(attend_lstm(**problem)[0], before) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code).returncode == 0


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="threads are adopted and counted on Linux alone")
@pytest.mark.skipif(not torch.backends.openmp.is_available(), reason="this PyTorch has no OpenMP threads")
def test_kernels_share_the_threads_of_torch() -> None:
    code = """
import os
import torch
from attend_problem import ODD, make_problem
from pycap.ops import attend_lstm, set_threads
def count_threads():
    return len(os.listdir("/proc/self/task"))
torch.set_num_threads(3)
problem = make_problem(**ODD)
torch.ones(1_000_000).exp()
alone = count_threads()
for threads in (3, 2):
    set_threads(threads)
    attend_lstm(**problem)
    print(count_threads() - alone)
"""
    assert run(code).stdout.split() == ["0", "1"]  # as many as torch uses: its own; else the pool's


@needs_native
def test_no_threads_are_adopted_from_a_library_that_is_not_loaded() -> None:
    code = "from pycap.ops.library import cpu; print(cpu.adopt_openmp('libnothing.so'))"
    assert run(code).stdout.split() == ["False"]
