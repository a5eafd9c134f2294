"""The command `pycap`: answers go to stdout, everything else to stderr.

A command is a module of this package with `add_parser(subparsers)` and `run(args) -> int`; it imports torch,
numpy and Pillow inside `run` only, so that `--help` costs nothing. Exit codes: 0 done, 1 something failed,
2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from pycap import __version__

COMMANDS = (
    "caption",
    "train",
    "evaluate",
    "check",
    "course",
    "data",
    "export",
    "info",
)  # in the order of --help; one module each

COURSE = {  # what only the extra `course` brings
    "arch",
    "latex2mathml",
    "markdown_it",
    "mdit_py_plugins",
    "nltk",
    "pygments",
    "rich",
    "sklearn",
}


class UsageError(Exception):
    """Options that do not fit together; shown with the command's usage, exit code 2."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help at one width everywhere, so that documentation can be compared with it."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28, width=100)


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of `pycap` with these commands in it; parsed arguments carry `run` and `parser`."""
    parser = argparse.ArgumentParser(
        prog="pycap", description="Caption pictures with visual attention.", formatter_class=_Formatter
    )
    parser.add_argument("--version", action="version", version=f"pycap {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in commands:
        command = import_module(f"pycap.cli.{name}")
        command.add_parser(subparsers)
        subparsers.choices[name].formatter_class = _Formatter
        subparsers.choices[name].set_defaults(run=command.run, parser=subparsers.choices[name])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    A user's mistake (a wrong file, folder, option or device) ends in one line on stderr; PYCAP_TRACEBACK=1 in
    the environment shows where it was raised.
    """
    _escape_unprintable()
    words = sys.argv[1:] if argv is None else argv
    known = [name for name in COMMANDS if name in words[:1]]  # the others would only cost time
    args = build_parser(known or COMMANDS).parse_args(words)
    args.command = shlex.join(["pycap", *words])  # for what a command writes about itself
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: report(str(message))
        try:
            code = args.run(args)
            sys.stdout.flush()
            return code
        except UsageError as error:
            args.parser.error(str(error))
        except BrokenPipeError:
            _abandon_stdout()
            return 128 + getattr(signal, "SIGPIPE", 13)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except (ValueError, OSError, RuntimeError, MemoryError, ModuleNotFoundError) as error:
            if os.environ.get("PYCAP_TRACEBACK"):
                raise
            report(describe_error(error))
            return 1


def report(message: str) -> None:
    """Write one line to stderr, whatever the message contains."""
    from pycap.cli.lines import escape_line

    print(f"pycap: {escape_line(message)}", file=sys.stderr, flush=True)


def describe_error(error: BaseException) -> str:
    """Return the first line of an error, or its kind if it says nothing; of a missing package, how to get it."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("pycap"):
        package = error.name.partition(".")[0]
        if package in COURSE:
            return f"the course needs {package}, which is not installed; pip install 'pycap-caption[course]'"
        return f"this needs {package}, which is not installed; pip install {package}"
    lines = str(error).strip().splitlines()
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({lines[0] if lines else 'the system gives no more'}); a smaller batch needs less"
    return lines[0] if lines else type(error).__name__


def _escape_unprintable() -> None:
    """Let no file name crash a print: characters that stdout's encoding lacks are written as escapes."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError, ValueError):  # stdout may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
