"""Build the compiled modules with CMake and ninja. When that fails the install goes on without them, loudly.

`PYCAP_CUDA` = AUTO (default: `pycap._cuda` if a CUDA compiler works), ON (it must) or OFF (it is not wanted).
All metadata is in pyproject.toml.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path(__file__).parent.resolve()
NOTES = "_build_notes.txt"  # why a module is missing: read by pycap/ops/library.py


class BuildError(Exception):
    """CMake or a compiler failed; the message is one line."""


class CMakeBuild(build_ext):
    """Builds all modules in one CMake run."""

    def run(self) -> None:
        """Put the modules, and notes about missing ones, into the package's folder."""
        package = Path(self.get_ext_fullpath("pycap._cpu")).parent.resolve()
        package.mkdir(parents=True, exist_ok=True)
        for stale in (*package.glob("_cpu.*"), *package.glob("_cuda.*"), package / NOTES):
            stale.unlink(missing_ok=True)
        cuda = os.environ.get("PYCAP_CUDA", "AUTO").upper()
        if cuda not in ("AUTO", "ON", "OFF"):
            raise SystemExit(f"PYCAP_CUDA must be AUTO, ON or OFF, got {cuda}")
        notes = {"_cuda": "built with PYCAP_CUDA=OFF" if cuda == "OFF" else "no CUDA compiler was found"}
        try:
            self.run_cmake(package, cuda)
        except BuildError as error:
            if cuda == "ON":
                raise SystemExit(f"pycap was not built: {error}") from None
            notes = dict.fromkeys(("_cpu", "_cuda"), str(error))
            if cuda == "AUTO":  # is CUDA alone at fault?
                try:
                    self.run_cmake(package, "OFF")
                except BuildError as second:
                    notes["_cpu"] = str(second)
        lines = [f"{name}: {note}\n" for name, note in notes.items() if not list(package.glob(f"{name}.*"))]
        if lines:
            (package / NOTES).write_text("".join(lines))
            loud = "\n*** The kernels of pycap were NOT BUILT: it will run on PyTorch alone, slower ***\n"
            print(loud if "_cpu" in lines[0] else "", "pycap, not built: ", *lines, sep="", file=sys.stderr)

    def run_cmake(self, package: Path, cuda: str) -> None:
        """Configure, compile and install into `package`."""
        import pybind11

        build = Path(self.build_temp).resolve() / f"cuda-{cuda.lower()}"
        build.mkdir(parents=True, exist_ok=True)
        definitions = {
            "PYCAP_CUDA": cuda,
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_INSTALL_PREFIX": package.parent,
            "CMAKE_MAKE_PROGRAM": shutil.which("ninja")
            or "ninja",  # pip's last build environment may be gone
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11.get_cmake_dir(),
        }
        options = [f"-D{name}={value}" for name, value in definitions.items()]
        configure = ["cmake", "-S", SOURCE, "-B", build, "-G", "Ninja", *options]
        for command in (configure, ["cmake", "--build", build], ["cmake", "--install", build, "--strip"]):
            try:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            except OSError as error:
                raise BuildError(f"cannot run cmake ({error})") from error
            print(done.stdout, flush=True)
            if done.returncode:
                raise BuildError(find_reason(done.stdout))

    def get_outputs(self) -> list[str]:
        """Files of the modules that were really built."""
        return [path for path in super().get_outputs() if Path(path).exists()]


def find_reason(output: str) -> str:
    """One line that explains a failed build: CMake's message, or the first compiler error."""
    message = re.search(r"CMake Error.*\n\n?((?:\s+\S.*\n)+)", output) or re.search(
        r"(.*error\s*:.*)", output
    )
    sentence = " ".join(message[1].split()) if message else "the build failed without an error message"
    return re.split(r"\. | -- ", sentence)[0].removesuffix(".")


setup(
    ext_modules=[Extension(f"pycap.{name}", sources=[], optional=True) for name in ("_cpu", "_cuda")],
    cmdclass={"build_ext": CMakeBuild},
)
