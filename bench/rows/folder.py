"""A folder of pictures, steady state: read JPEG, encode, beam of 5.

Every contender is a process of its own that has captioned the folder once before its first timed turn, so nothing
of loading or warming up is in the times. The peer is a straightforward PyTorch script, picture by picture and in
batches (`bench/peers/caption_script.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.case import Case, Contender, Goal, Settings
from bench.children import HOME, child_environment
from bench.problems import find_pictures
from bench.rows.cold_start import compare_captions

PICTURES, BATCH = 64, 16
SEARCH = {"beam": 5, "phrase_weight": 0, "batch_size": BATCH}  # what the script does: the likeliest sentence


def cases(settings: Settings) -> Iterator[Case]:
    """64 pictures of the size of Flickr8k's."""
    count = 2 if settings.quick else PICTURES
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths, kind = find_pictures(settings.data, Path(folder), count)
        threads = str(settings.threads)

        def contender(name: str, kind: str, *words: str, **more: object) -> Contender:
            server = stack.enter_context(Server([*words, "--threads", threads, "--serve"], threads))
            return Contender(name, lambda: server.caption(paths), kind, **more)

        contenders = [
            contender("pycap, full precision", "pycap", "bench.rows.folder", "--precision", "full"),
            contender("pycap", "pycap", "bench.rows.folder", dtype="reduced", required=0.0),
        ]
        script = "bench.peers.caption_script"
        if "eager" in settings.peers:
            contenders.append(contender("PyTorch script", "eager", script))
            if not settings.quick:
                name = f"PyTorch script, batches of {BATCH}"
                contenders.append(contender(name, "eager", script, "--batch", str(BATCH)))
        yield Case(
            title=f"{len(paths)} pictures ({kind}), beam 5",
            shape={"pictures": len(paths)},
            contenders=contenders,
            agree=compare_captions,
            items=len(paths),
            item="picture",
            goals=() if settings.quick else (Goal("speedup", 4.0),),
        )


class Server:
    """A child process that captions lists of pictures until the context ends.

    It starts with the first list, so that contenders never load at the same time.

    Args:
        words: module and its arguments.
        threads: of OpenMP and pycap, before the module itself is asked.
    """

    def __init__(self, words: list[str], threads: str):
        self.words, self.threads = words, threads
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *self.words],
            env=child_environment(OMP_NUM_THREADS=self.threads, PYCAP_THREADS=self.threads),
            cwd=HOME,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def caption(self, paths: list[Path]) -> list[str]:
        """Return a caption for every picture."""
        self.process = self.process or self._start()
        print(json.dumps([str(path) for path in paths]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(self.words)} ended with {self.process.wait()}")
        return json.loads(answer)


def main() -> None:
    """Serve captions from pycap itself."""
    parser = argparse.ArgumentParser(description="captions of pycap, a JSON list of paths a line")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision", default="reduced")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    from pycap import Captioner

    captioner = Captioner.load(threads=options.threads, precision=options.precision)

    def caption(paths: list[str]) -> list[str]:
        return [str(found) for found in captioner.caption_each(paths, **SEARCH)]

    for line in sys.stdin:
        print(json.dumps(caption(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
