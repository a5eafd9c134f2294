"""METEOR (Denkowski & Lavie 2014), by running the Java program that the package pycocoevalcap brings."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence

from pycap.metrics.java import explain_missing_program, find_program, run_or_explain
from pycap.metrics.references import References

PROGRAM = ("meteor", "meteor-1.5.jar")
OPTIONS = ("-", "-", "-stdio", "-l", "en", "-norm")  # coco-caption's


def explain_missing() -> str | None:
    """Return in one line why METEOR cannot be computed here, or None if it can."""
    return explain_missing_program("METEOR", *PROGRAM)


def score_meteor(sentences: Sequence[str], references: References) -> tuple[float, list[float]] | None:
    """Score tokenised candidates, candidate i belonging to image i.

    Args:
        sentences: tokenised candidates.
        references: prepared references.

    Returns:
        score of the corpus and of each candidate; None when Java or the package is missing, or the program fails,
        after one line on stderr that says which.
    """
    return run_or_explain("METEOR", explain_missing(), lambda: _run(sentences, references))


def _run(sentences: Sequence[str], references: References) -> tuple[float, list[float]]:
    """Ask the program for the statistics of each caption, then for their scores and the corpus score."""
    program = find_program(*PROGRAM)
    command = ["java", "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(program), *OPTIONS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    ) as process:

        def read() -> str:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"java -jar {program} ended early (exit code {process.wait()})")
            return line.strip()

        def ask(*fields: str) -> str:
            process.stdin.write(" ||| ".join(fields) + "\n")
            process.stdin.flush()
            return read()

        def number(answer: str) -> float:
            try:
                score = float(answer)
            except ValueError:
                score = math.nan
            if not math.isfinite(score):
                raise RuntimeError(f"java -jar {program} answered {answer[:60]!r} where a score was expected")
            return score

        statistics = [
            ask("SCORE", *references.sentences[start:stop], sentence.replace("|||", "").replace("  ", " "))
            for sentence, start, stop in zip(
                sentences, references.first[:-1], references.first[1:], strict=True
            )
        ]
        each = [number(ask("EVAL", *statistics)), *(number(read()) for _ in statistics)]
        return each.pop(), each
