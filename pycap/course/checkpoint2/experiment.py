"""Checkpoint 2: clothes by a CNN, flowers by a CNN from nothing and by one that has seen ImageNet."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pycap.course.checkpoint2 import drawings, transfer
from pycap.course.checkpoint2.network import FashionNet, FlowerNet, TransferNet
from pycap.course.checkpoint2.recipe import Recipe, ask, both_sides, fit, mirror_half, vary_photos
from pycap.course.checkpoint2.sources import count_by_class, locate, read_clothes, read_garment
from pycap.course.lab import Lab
from pycap.course.readers.idx import CLASSES, load_fashion_mnist
from pycap.course.readers.photos import Photos, list_photos, load_pixels, split

FASHION = Recipe(epochs=6, batch=128, rate=3e-3)
FLOWERS = Recipe(epochs=50, batch=32)
STORED = 128  # pixels: side of a photo in memory
SEEN = (64, 96)  # pixels: side of what the network from scratch sees, at first and later


def run(lab: Lab) -> None:
    """Train the three networks, score each once on data held out, draw, and keep them."""
    found, missing = [], []
    for name, part in (("fashion-mnist", run_clothes), ("flowers", run_flowers)):
        try:
            found.append((part, locate(lab, name)))
        except (ValueError, FileNotFoundError) as error:
            missing.append(error)
    if not found:
        raise missing[0]
    for error in missing:
        lab.say(f"left out: {error}")
    for part, folder in found:
        part(lab, folder)


def run_clothes(lab: Lab, folder: Path) -> None:
    """Train and score the network for Fashion-MNIST."""
    torch.manual_seed(lab.seed)
    data = load_fashion_mnist(folder)
    count = 5000 if lab.quick else len(data.train_labels)
    recipe = replace(FASHION, epochs=2) if lab.quick else FASHION
    images = torch.from_numpy(data.train_images[:count])[:, None]
    labels = torch.from_numpy(data.train_labels[:count])
    network, started = FashionNet(), time.monotonic()
    averaged, _ = fit(
        network, images, labels, recipe, mirror_half, lambda epochs: lab.progress(epochs, "clothes")
    )
    seconds = time.monotonic() - started
    guesses = guess_clothes(averaged, data.test_images)
    right = float((guesses.argmax(1) == data.test_labels).mean())
    lab.save_model("fashion", averaged, classes=list(CLASSES), accuracy=right)
    row = {
        "network": "CNN from scratch",
        "parameters": count_parameters(averaged),
        "training s": round(seconds),
    }
    lab.table(f"Fashion-MNIST, {len(data.test_labels)} test pictures", [row | {"accuracy": right}])
    drawings.draw_confusion(lab, "confusion-fashion", data.test_labels, guesses.argmax(1), list(CLASSES))


def run_flowers(lab: Lab, folder: Path) -> None:
    """Train and score on flower photos: from scratch, on frozen features, and with the CNN's end learning along."""
    photos = list_photos(folder)
    train, held = split(photos, 0.2, lab.seed)
    if lab.quick:
        train, held = thin_out(train, 4), thin_out(held, 4)
    commonest = np.bincount(train.labels).argmax()
    rows = [describe("always the commonest class", 0, 0.0, float((held.labels == commonest).mean()))]
    row, losses = learn_from_scratch(lab, train, held)
    more_rows, tuned_losses, guesses = learn_by_transfer(lab, train, held)
    rows += [row, *more_rows]
    lab.table(f"Flowers, {len(held.labels)} photos held out, {len(train.labels)} learned from", rows)
    drawings.draw_losses(lab, {"from scratch": losses, "its end tuned": tuned_losses})
    drawings.draw_mistakes(lab, held, guesses)


def learn_from_scratch(lab: Lab, train: Photos, held: Photos) -> tuple[dict, list[float]]:
    """Train the network that begins with nothing, and keep it; returns its row of the table and its losses."""
    torch.manual_seed(lab.seed)
    started, recipe = time.monotonic(), replace(FLOWERS, epochs=3) if lab.quick else FLOWERS
    pixels = torch.from_numpy(load_pixels(train.paths, STORED)).permute(0, 3, 1, 2)
    drawings.draw_variants(lab, pixels[len(pixels) // 2])
    network, losses = fit(
        FlowerNet(len(train.classes)),
        pixels,
        torch.from_numpy(train.labels),
        recipe,
        lambda batch, done: vary_photos(batch, SEEN[done >= 0.6]),
        lambda epochs: lab.progress(epochs, "flowers, from scratch"),
    )
    seconds, guesses = time.monotonic() - started, guess_flowers(network, held.paths)
    right = float((guesses.argmax(1) == held.labels).mean())
    lab.save_model("flowers", network, classes=train.classes, accuracy=right)
    drawings.draw_confusion(lab, "confusion-scratch", held.labels, guesses.argmax(1), train.classes)
    return describe("CNN from scratch", count_parameters(network), seconds, right), losses


def learn_by_transfer(lab: Lab, train: Photos, held: Photos) -> tuple[list[dict], list[float], np.ndarray]:
    """Train on what the pretrained network makes of photos, first a layer alone, then with the network's end.

    Returns:
        two rows of the table, the losses of the second, and its probabilities `(held photos, classes)`.
    """
    torch.manual_seed(lab.seed)
    started, size, count = time.monotonic(), 128 if lab.quick else transfer.SIZE, len(train.classes)
    cells, held_cells = (
        transfer.run_frozen_part(part.paths, size, lambda batches: lab.progress(batches, "frozen part"))
        for part in (train, held)
    )
    features, held_features = transfer.pool_features(cells), transfer.pool_features(held_cells)
    scores = transfer.fit_linear(features, train.labels, count)(held_features)
    seconds, right = time.monotonic() - started, float((scores.argmax(1) == held.labels).mean())
    linear = describe("ImageNet features + dense layer", 1281 * count, seconds, right)

    recipe = replace(transfer.RECIPE, epochs=3, batch=16) if lab.quick else transfer.RECIPE
    tuned, losses = fit(
        TransferNet(count, deepcopy(transfer.cut_network()[1])).requires_grad_(True),
        cells,
        torch.from_numpy(train.labels),
        recipe,
        transfer.pick_side,
        lambda epochs: lab.progress(epochs, "flowers, transfer"),
    )
    seconds, guesses = time.monotonic() - started, ask(tuned, held_cells, transfer.each_side).numpy()
    right = float((guesses.argmax(1) == held.labels).mean())
    lab.save_model("transfer", tuned, classes=train.classes, accuracy=right, size=size)
    drawings.draw_confusion(lab, "confusion-transfer", held.labels, guesses.argmax(1), train.classes)
    row = describe("ImageNet CNN, its end tuned", count_parameters(tuned), seconds, right)
    return [linear, row], losses, guesses


def predict(lab: Lab, what: str) -> None:
    """Name the flower on a photo, or the garment on a grey picture, with probabilities."""
    garment = read_garment(what)
    if garment is not None:
        _, settings = lab.load_model("fashion")
        answer, sort = guess_clothes(load_fashion(lab), garment[None])[0], "garment"
    else:
        network, settings = load_transfer(lab)
        answer, sort = guess_transfer(network, settings, [Path(what)])[0], "flower"
    names = settings["classes"]
    lab.say(f"{what}: {sort}: {names[int(answer.argmax())]}")
    for label in np.argsort(-answer)[:5]:
        lab.say(f"  {answer[label]:6.1%}  {names[label]}")


def evaluate(lab: Lab, path: Path) -> None:
    """Print the accuracy on other data: a folder of flower photos by class, or IDX files of clothes."""
    clothes = read_clothes(Path(path))
    if clothes is not None:
        images, labels = clothes
        guesses = guess_clothes(load_fashion(lab), images).argmax(1)
        lab.table(f"Fashion-MNIST, {len(labels)} pictures", count_by_class(labels, guesses, list(CLASSES)))
        lab.say(f"accuracy {(guesses == labels).mean():.4f}")
        return
    transferred, settings = load_transfer(lab)
    photos = list_photos(path, settings["classes"])
    guesses = guess_transfer(transferred, settings, photos.paths, lab).argmax(1)
    plain = guess_flowers(load_flowers(lab), photos.paths).argmax(1)
    for title, found in (("from scratch", plain), ("by transfer", guesses)):
        rows = count_by_class(photos.labels, found, photos.classes)
        lab.table(f"Flowers {title}, {len(photos.labels)} photos", rows)
    lab.say(f"accuracy from scratch {(plain == photos.labels).mean():.4f}")
    lab.say(f"accuracy by transfer {(guesses == photos.labels).mean():.4f}")


def guess_clothes(network: FashionNet, images: np.ndarray) -> np.ndarray:
    """Return probabilities `(pictures, 10)` for uint8 pictures `(pictures, 28, 28)`."""
    return ask(network, torch.from_numpy(np.ascontiguousarray(images))[:, None], both_sides, 500).numpy()


def guess_flowers(network: FlowerNet, paths: list[Path]) -> np.ndarray:
    """Return probabilities `(photos, classes)` of the network from scratch."""
    return ask(
        network, torch.from_numpy(load_pixels(paths, SEEN[-1])).permute(0, 3, 1, 2), both_sides
    ).numpy()


def guess_transfer(
    network: TransferNet, settings: dict, paths: list[Path], lab: Lab | None = None
) -> np.ndarray:
    """Return probabilities `(photos, classes)` of the network that knows ImageNet."""
    parts = range(0, len(paths), 64)
    answers = []
    for start in lab.progress(parts, "photos") if lab else parts:
        cells = transfer.run_frozen_part(paths[start : start + 64], settings["size"])
        answers.append(ask(network, cells, transfer.each_side).numpy())
    return np.concatenate(answers)


def load_fashion(lab: Lab) -> FashionNet:
    """Return the network that `run` trained on clothes."""
    weights, settings = lab.load_model("fashion")
    return restore(FashionNet(len(settings["classes"])), weights)


def load_flowers(lab: Lab) -> FlowerNet:
    """Return the network that `run` trained on flowers from scratch."""
    weights, settings = lab.load_model("flowers")
    return restore(FlowerNet(len(settings["classes"])), weights)


def load_transfer(lab: Lab) -> tuple[TransferNet, dict]:
    """Return the network that `run` tuned on flowers, and its settings."""
    weights, settings = lab.load_model("transfer")
    return restore(TransferNet(len(settings["classes"])), weights), settings


def restore(network: torch.nn.Module, weights: dict) -> torch.nn.Module:
    """Fill a network with weights and make it answer rather than learn."""
    network.load_state_dict(weights)
    return network.eval()


def describe(name: str, parameters: int, seconds: float, accuracy: float) -> dict:
    """Return a row of the table of flowers."""
    return {
        "network": name,
        "learned numbers": parameters,
        "training s": round(seconds),
        "accuracy": accuracy,
    }


def count_parameters(network: torch.nn.Module) -> int:
    """Return how many numbers a network learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def thin_out(photos: Photos, step: int) -> Photos:
    """Keep every `step`-th photo."""
    return Photos(photos.paths[::step], photos.labels[::step], photos.classes)
