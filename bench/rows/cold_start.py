"""`pycap caption photo.jpg` in a new process, files in the system's cache: what a user waits for."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.children import HOME, child_environment
from bench.problems import find_pictures


def cases(settings: Settings) -> Iterator[Case]:
    """One picture; the peer is a straightforward script (`bench/peers/caption_script.py`)."""
    with tempfile.TemporaryDirectory() as folder:
        (picture, *_), kind = find_pictures(settings.data, Path(folder), 1)
        likeliest = ("--beam", "5", "--phrase-weight", "0")  # the sentence that the script prints
        command = partial(run_process, "pycap", "caption", *likeliest, str(picture), threads=settings.threads)
        full = Contender("pycap caption --precision full", partial(command, "--precision", "full"))
        contenders = [full, Contender("pycap caption", command, dtype="reduced", required=0.0)]
        if "eager" in settings.peers:
            run = partial(run_process, "bench.peers.caption_script", str(picture), threads=settings.threads)
            contenders.append(Contender("PyTorch script", run, "eager"))
        yield Case(
            title=f"one picture ({kind}), beam 5, a new process each time",
            shape={"pictures": 1},
            contenders=contenders,
            agree=compare_captions,
            item="process",
            goals=() if settings.quick else (Goal("seconds", 0.8),),
        )


def run_process(*words: str, threads: int) -> list[str]:
    """Run a module in a new process; return the lines that it prints."""
    environment = child_environment(OMP_NUM_THREADS=str(threads), PYCAP_THREADS=str(threads))
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        cwd=HOME,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def compare_captions(first: list[str], other: list[str]) -> Agreement:
    """Count equal captions."""
    same = sum(a == b for a, b in zip(first, other, strict=True))
    return Agreement(same, len(first), "captions", 0.0)
