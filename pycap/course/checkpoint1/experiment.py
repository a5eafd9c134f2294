"""Checkpoint 1's experiment: name clothes with dense layers; keep the network; use and score it."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from pycap.course.checkpoint1.files import find_pair
from pycap.course.checkpoint1.metrics import bound_accuracy, count_confusions
from pycap.course.checkpoint1.network import DenseClassifier, score_images
from pycap.course.checkpoint1.photo import SIDE, convert_photo
from pycap.course.checkpoint1.pictures import (
    draw_confusions,
    draw_curves,
    draw_mistakes,
    draw_photo,
    paint_shirt,
)
from pycap.course.checkpoint1.recipe import LINEAR, NETWORK, Recipe, learn, split_rows
from pycap.course.readers.idx import CLASSES, load_fashion_mnist

HELD_OUT = 5000
QUICK = Recipe(hidden=(512, 512), dropout=0.3, epochs=8, batch=128)


def run(lab) -> None:
    """Train the baselines and the network, score each once on the test pictures, keep the network."""
    clothes = load_fashion_mnist(lab.data("fashion-mnist"))
    images, labels = torch.from_numpy(clothes.train_images), torch.from_numpy(clothes.train_labels)
    rows, held_out = split_rows(len(labels), min(HELD_OUT, len(labels) // 5), lab.seed)
    rows = rows[:12000] if lab.quick else rows
    train, choose = (images[rows], labels[rows]), (images[held_out], labels[held_out])
    test = torch.from_numpy(clothes.test_images), clothes.test_labels

    recipe = QUICK if lab.quick else NETWORK
    histories: dict[str, list[tuple[float, float, float]]] = {}
    table = [_nearest_mean(train, choose, test)]
    for name, settings in (("linear", LINEAR), ("network", recipe)):
        start = perf_counter()
        epochs = learn(settings, train, choose, len(CLASSES), lab.seed)
        histories[name] = []
        for epoch in lab.progress(epochs, name, total=settings.epochs):
            network, *losses = epoch
            histories[name].append(tuple(losses))
        seconds = perf_counter() - start
        probabilities = score_images(network, test[0]).numpy()
        answers = probabilities.argmax(axis=1)
        numbers = sum(parameter.numel() for parameter in network.parameters())
        table.append(_row(name, numbers, seconds, histories[name][-1][2], answers, test[1]))
    chosen = {"hidden": recipe.hidden, "dropout": recipe.dropout, "classes": CLASSES}
    lab.save_model("network", network, **chosen, held_out=len(held_out))
    lab.table(f"{len(rows)} pictures to learn from, {len(held_out)} held out, {len(answers)} to test", table)

    confusions = count_confusions(test[1], answers, len(CLASSES))
    lab.table("Classes on the test pictures", _class_rows(confusions))
    draw_curves(lab, histories)
    draw_confusions(lab, confusions, CLASSES)
    draw_mistakes(lab, clothes.test_images, test[1], probabilities, CLASSES)
    photo = paint_shirt()
    steps = convert_photo(photo)
    answer = CLASSES[int(score_images(network, torch.from_numpy(steps.small.copy())[None]).argmax())]
    draw_photo(lab, photo, steps, answer)


def predict(lab, what: str) -> None:
    """Print what garment a photo shows, with the three likeliest classes."""
    network, classes = _load(lab)
    small = torch.from_numpy(convert_photo(what).small.copy())
    probabilities = score_images(network, small[None])[0]
    best = probabilities.argsort(descending=True)[:3].tolist()
    lab.say(classes[best[0]])
    lab.say(", ".join(f"{classes[k]} {100 * probabilities[k]:.1f} %" for k in best))


def evaluate(lab, path: str | Path) -> None:
    """Print the trained network's accuracy on IDX files of pictures and labels.

    Args:
        lab: holds the trained network.
        path: a folder with a pair of IDX files, or the file of pictures, beside which the labels lie.

    Raises:
        FileNotFoundError, ValueError: no network, no such pair, or broken files, naming them.
    """
    network, classes = _load(lab)
    images, labels = find_pair(Path(path), (SIDE, SIDE), len(classes))
    answers = score_images(network, torch.from_numpy(images)).argmax(dim=1).numpy()
    right = int((answers == labels).sum())
    low, high = bound_accuracy(right, len(labels))
    lab.table("Classes", _class_rows(count_confusions(labels, answers, len(classes))))
    lab.say(f"accuracy {right / len(labels):.4f} ({right} of {len(labels)}; 95 %: {low:.4f} to {high:.4f})")


def _load(lab) -> tuple[DenseClassifier, list[str]]:
    weights, settings = lab.load_model("network")
    network = DenseClassifier(SIDE * SIDE, settings["hidden"], len(settings["classes"]), settings["dropout"])
    network.load_state_dict(weights)
    return network, settings["classes"]


def _nearest_mean(
    train: tuple[Tensor, Tensor], choose: tuple[Tensor, Tensor], test: tuple[Tensor, np.ndarray]
) -> dict:
    """Score the baseline that answers with the class whose mean picture is nearest."""
    start = perf_counter()
    rows = train[0].flatten(1).float()
    means = torch.stack([rows[train[1] == label].mean(dim=0) for label in range(len(CLASSES))])
    seconds = perf_counter() - start
    nearest = [torch.cdist(part.flatten(1).float(), means).argmin(dim=1) for part in (choose[0], test[0])]
    held_out = (nearest[0] == choose[1]).float().mean().item()
    return _row("nearest class mean", means.numel(), seconds, held_out, nearest[1].numpy(), test[1])


def _row(
    name: str, numbers: int, seconds: float, held_out: float, answers: np.ndarray, labels: np.ndarray
) -> dict:
    right = int((answers == labels).sum())
    low, high = bound_accuracy(right, len(labels))
    return {
        "model": name,
        "numbers": numbers,
        "held-out accuracy": f"{held_out:.4f}",
        "test accuracy": f"{right / len(labels):.4f}",
        "95 %": f"{low:.3f} to {high:.3f}",
        "seconds": f"{seconds:.1f}",
    }


def _class_rows(confusions: np.ndarray) -> list[dict]:
    rows = []
    for label, name in enumerate(CLASSES):
        wrong = confusions[label].copy()
        wrong[label] = 0
        rows.append(
            {
                "class": name,
                "pictures": int(confusions[label].sum()),
                "recall": f"{confusions[label, label] / max(1, confusions[label].sum()):.3f}",
                "precision": f"{confusions[label, label] / max(1, confusions[:, label].sum()):.3f}",
                "most often taken for": f"{CLASSES[wrong.argmax()]} ({wrong.max()})" if wrong.any() else "-",
            }
        )
    return rows
