"""SPICE (Anderson et al. 2016), by running the Java program that the package pycocoevalcap brings.

The program parses captions with Stanford CoreNLP 3.6.0, whose jars (400 MB) pycocoevalcap does not bring.
Nothing is downloaded here: the line that says what is missing also says where to put it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pycap.metrics.java import explain_missing_program, find_program, run_or_explain
from pycap.metrics.references import References

PROGRAM = ("spice", "spice-1.0.jar")
MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")  # beside the program, in lib/


def explain_missing() -> str | None:
    """Return in one line why SPICE cannot be computed here, or None if it can."""
    reason = explain_missing_program("SPICE", *PROGRAM)
    if reason is not None:
        return reason
    folder = find_program(*PROGRAM).parent / "lib"
    missing = [name for name in MODELS if not (folder / name).is_file()]
    if missing:
        return (
            f"SPICE needs Stanford CoreNLP 3.6.0: put {' and '.join(missing)} "
            f"(from stanford-corenlp-full-2015-12-09.zip) into {folder}"
        )
    return None


def score_spice(sentences: Sequence[str], references: References) -> tuple[float, list[float | None]] | None:
    """Score tokenised candidates, candidate i belonging to image i.

    Args:
        sentences: tokenised candidates.
        references: prepared references.

    Returns:
        score of the corpus, which is the mean, and of each candidate (None for one that the program cannot
        score, which the mean leaves out); None when Java, the package or the models are missing, or the program
        fails, after one line on stderr that says which.
    """
    return run_or_explain("SPICE", explain_missing(), lambda: _run(sentences, references))


def _run(sentences: Sequence[str], references: References) -> tuple[float, list[float | None]]:
    """Hand everything to the program in one file and read its answer from another."""
    starts = references.first.tolist()
    tasks = [
        {"image_id": image, "test": sentence, "refs": references.sentences[start:stop]}
        for image, (sentence, start, stop) in enumerate(zip(sentences, starts, starts[1:], strict=False))
    ]
    program = find_program(*PROGRAM)
    with tempfile.TemporaryDirectory(prefix="pycap-spice-") as folder:
        asked, answered = Path(folder, "captions.json"), Path(folder, "scores.json")
        asked.write_text(json.dumps(tasks))
        command = ["java", "-Dfile.encoding=UTF-8", "-Xmx8G", "-jar", str(program), str(asked)]
        command += ["-out", str(answered), "-subset", "-silent"]
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        try:
            found = {row["image_id"]: row["scores"]["All"]["f"] for row in json.loads(answered.read_text())}
            each = [None if found[image] is None else float(found[image]) for image in range(len(tasks))]
        except (OSError, ValueError, KeyError, TypeError):
            said = done.stderr.splitlines()[:1]
            ending = ": ".join([f"exit code {done.returncode}", *said])
            raise RuntimeError(f"java -jar {program} gave no scores ({ending})") from None
    numbers = [value for value in each if value is not None]
    if not numbers:
        raise RuntimeError("no caption and no reference says anything that can be compared")
    return sum(numbers) / len(numbers), each
