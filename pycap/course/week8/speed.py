"""The same captioner on the reference and on the kernels: the same numbers, at another speed."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from pycap import ops
from pycap.captioner import Captioner
from pycap.data import CaptionDataset
from pycap.data.batches import Batch
from pycap.evaluation import evaluate
from pycap.model import CaptionModel
from pycap.training.objectives import CrossEntropy


def time_training_step(
    model: CaptionModel, batch: Batch, objective: CrossEntropy, repeats: int
) -> list[dict]:
    """Time forward and backward of one batch on each backend.

    Returns:
        a row a backend: median milliseconds, the loss, and the largest difference of a gradient from the reference's.
    """
    rows, gradients = [], {}
    for backend in ("reference", "native") if ops.native_available() else ("reference",):
        seconds = []
        for _ in range(repeats + 1):  # the first one warms up
            model.zero_grad()
            torch.manual_seed(0)  # the same dropout for both
            began = perf_counter()
            with ops.use(backend):
                outcome = objective(model.train(), model, batch, 0)
                loss = outcome.loss / outcome.words
                loss.backward()
            seconds.append(perf_counter() - began)
        gradients[backend] = torch.cat([value.grad.flatten() for value in model.parameters()])
        rows.append(
            {
                "backend": backend,
                "ms a step": round(median(seconds[1:]) * 1000, 1),
                "times the reference": round(rows[0]["ms a step"] / median(seconds[1:]) / 1000, 2)
                if rows
                else 1.0,
                "loss": round(loss.item(), 4),
                "gradient differs by": f"{(gradients[backend] - gradients['reference']).abs().max():.0e}",
            }
        )
    model.eval()
    return rows


def time_captioning(path: Path | None, dataset: CaptionDataset, split: str) -> list[dict]:
    """Caption a split with each engine, from the picture files on.

    Args:
        path: checkpoint; None for the shipped one.
        dataset: pictures.
        split: which of them.

    Returns:
        a row an engine: pictures a second, and how many captions are the reference's to the letter.
    """
    kinds = [("reference (PyTorch)", {"backend": "reference"})]
    if ops.native_available():
        kinds.append(("native, float32", {"backend": "native", "precision": "full"}))
        kinds.append(("native, 8 bits", {"backend": "native", "precision": "reduced"}))
    rows, first = [], None
    for name, settings in kinds:
        captioner = Captioner.load(path, **settings)
        captioner(dataset.examples[0].image)  # load and pack before the clock starts
        found = evaluate(captioner, dataset, split, meteor=False)
        first = first or found
        same = sum(found.captions[key] == text for key, text in first.captions.items())
        speed = found.scores["captions_per_second"]
        rows.append(
            {
                "engine": name,
                "pictures a second": round(speed, 1),
                "times the reference": round(speed / first.scores["captions_per_second"], 2),
                "captions the same": f"{same} of {len(first.captions)}",
            }
        )
    return rows
