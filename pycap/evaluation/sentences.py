"""Every caption with its own scores and references, the worst first: the raw material of a failure analysis."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from pycap.evaluation.corpus import Evaluation

SUFFIXES = (".csv", ".json")
SHOWN = ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "spice")


def list_sentences(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one row per scored picture, worst first (see `Evaluation.ranked`).

    Returns:
        rows of `image_id`, `caption`, the scores that were computed (scale 0-1, `cider` 0-10), `references`.
    """
    rows = []
    for example in evaluation.ranked():
        scores = evaluation.sentences[example.id]
        rows.append(
            {
                "image_id": example.id,
                "caption": evaluation.captions[example.id],
                **{name: scores[name] for name in SHOWN if name in scores},
                "references": list(example.captions),
            }
        )
    return rows


def format_sentences(rows: list[dict[str, Any]], suffix: str) -> bytes:
    """Return rows as the content of a file.

    Args:
        rows: from `list_sentences`.
        suffix: ".csv" (references in columns `reference_1`, `reference_2`, ..., scores with 6 decimals) or
            ".json" (one list of objects).

    Raises:
        ValueError: another suffix.
    """
    if suffix == ".json":
        return (json.dumps(rows, indent=1) + "\n").encode()
    if suffix != ".csv":
        raise ValueError(f"suffix must be {' or '.join(SUFFIXES)}, got {suffix!r}")
    most = max((len(row["references"]) for row in rows), default=0)
    numbered = [f"reference_{number}" for number in range(1, most + 1)]
    plain = [name for name in rows[0] if name != "references"] if rows else []
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*plain, *numbered])
    for row in rows:
        cells = [f"{row[name]:.6f}" if isinstance(row[name], float) else row[name] for name in plain]
        writer.writerow([*cells, *row["references"]])
    return file.getvalue().encode("utf-8", "replace")
