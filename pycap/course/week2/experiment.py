"""Week 2: a CNN by hand beside PyTorch, what filters see, why place matters less to it, features of a trained one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pycap.cnn import EfficientNetLite
from pycap.course.checkpoint2.sources import locate
from pycap.course.lab import Lab
from pycap.course.readers.idx import FashionMNIST, load_fashion_mnist
from pycap.course.readers.photos import Photos, list_photos, load_pixels
from pycap.course.scratch import convolution
from pycap.course.week2 import drawings, pretrained
from pycap.course.week2.network import (
    ShiftTested,
    Twin,
    draw_weights,
    plan_batches,
    score,
    shift,
    step_by_hand,
    train,
)

NEIGHBOURS = 5  # of each photo, that are looked at


def run(lab: Lab) -> None:
    """Compare, train, shift, and look inside; leaves out what its data set is missing for."""
    found, missing = {}, []
    for name, read in (("fashion-mnist", load_fashion_mnist), ("flowers", list_flowers)):
        try:
            found[name] = read(locate(lab, name))  # before anything is trained: what is missing shows at once
        except (ValueError, FileNotFoundError) as error:
            missing.append(error)
    if not found:
        raise missing[0]
    compare_with_torch(lab)
    if "fashion-mnist" in found:
        train_by_hand(lab, found["fashion-mnist"])
        stem = EfficientNetLite.pretrained("lite2").stem.weight.numpy()
        shift_pictures(lab, found["fashion-mnist"], stem)
    if "flowers" in found:
        look_inside(lab, found["flowers"])
    for error in missing:
        lab.say(f"left out: {error}")


def compare_with_torch(lab: Lab) -> None:
    """Print how far the layers by hand are from PyTorch's, and how long both take."""
    generator, rows = np.random.default_rng(lab.seed), []
    for batch, inputs, outputs, side, kernel, stride in (
        (32, 1, 16, 28, 5, 1),
        (32, 16, 32, 28, 3, 1),
        (8, 3, 32, 128, 3, 2),
    ):
        images = generator.normal(size=(batch, inputs, side, side)).astype(np.float32)
        weight = generator.normal(size=(outputs, inputs, kernel, kernel)).astype(np.float32)
        bias = generator.normal(size=outputs).astype(np.float32)
        rounds: list[list[float]] = [[], []]
        for _ in range(3):
            started = time.perf_counter()
            out = convolution.convolve(images, weight, bias, stride, 1)
            grads = convolution.convolve_backward(np.ones_like(out), images, weight, stride, 1)
            rounds[0].append(time.perf_counter() - started)
            tensors = [torch.tensor(array, requires_grad=True) for array in (images, weight, bias)]
            started = time.perf_counter()
            expected = functional.conv2d(*tensors, stride, 1)
            expected.backward(torch.ones_like(expected))
            rounds[1].append(time.perf_counter() - started)

        def differ(got: np.ndarray, right: torch.Tensor) -> float:
            return float(np.abs(got - right.detach().numpy()).max() / right.detach().abs().max())

        rows.append(
            {
                "pictures": f"{batch} x {inputs} x {side} x {side}",
                "filters": f"{outputs} of {kernel} x {kernel}, stride {stride}",
                "output off by": differ(out, expected),
                "gradients off by": max(
                    differ(got, tensor.grad) for got, tensor in zip(grads, tensors, strict=True)
                ),
                "NumPy ms": 1e3 * min(rounds[0]),
                "PyTorch ms": 1e3 * min(rounds[1]),
            }
        )
    lab.table("Convolution by hand against PyTorch, relative differences, float32", rows)


def train_by_hand(lab: Lab, data: FashionMNIST) -> None:
    """Train the network by hand, and its twin on the same batches from the same start."""
    count, epochs, batch = (2000, 1, 50) if lab.quick else (20000, 3, 50)
    images = scale(data.train_images[:count])
    labels, rows = data.train_labels[:count], []
    test, test_labels = torch.from_numpy(scale(data.test_images)), torch.from_numpy(data.test_labels)
    plan = list(plan_batches(count, batch, epochs, lab.seed))
    rates = [0.1 * (1 - step / len(plan)) for step in range(len(plan))]

    weights, losses = draw_weights(lab.seed), []
    started = time.monotonic()
    for chosen, rate in zip(lab.progress(plan, "by hand"), rates, strict=True):
        loss, grads = step_by_hand(weights, images[chosen], labels[chosen])
        losses.append(loss)
        for name, grad in grads.items():
            weights[name] -= np.float32(rate) * grad
    accuracy = score(Twin(weights), test, test_labels)
    rows.append(
        {"network": "by hand, NumPy", "test accuracy": accuracy, "training s": time.monotonic() - started}
    )

    twin, tensors, targets, others = (
        Twin(draw_weights(lab.seed)),
        torch.from_numpy(images),
        torch.from_numpy(labels),
        [],
    )
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    started = time.monotonic()
    for chosen, rate in zip(lab.progress(plan, "with pycap.nn"), rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        loss = functional.cross_entropy(twin(tensors[chosen]), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        others.append(loss.item())
    accuracy = score(twin, test, test_labels)
    rows.append(
        {"network": "pycap.nn, PyTorch", "test accuracy": accuracy, "training s": time.monotonic() - started}
    )
    lab.table(f"Fashion-MNIST, {count} pictures to learn from, {epochs} epochs", rows)
    apart = np.abs(np.subtract(losses, others))
    early = len(apart) // 10
    lab.say(
        f"the losses differ by at most {apart[:early].max():.1e} in the first {early} steps, "
        f"by {apart[:4].max():.0e} in the first 4"
    )
    drawings.draw_losses(lab, losses, others)


def shift_pictures(lab: Lab, data: FashionMNIST, stem: np.ndarray) -> None:
    """Train three networks of one size, and score them on pictures moved to the right."""
    count, epochs = (4000, 1) if lab.quick else (30000, 4)
    images = torch.from_numpy(scale(data.train_images[:count]))
    labels = torch.from_numpy(data.train_labels[:count])
    test, test_labels = torch.from_numpy(scale(data.test_images)), torch.from_numpy(data.test_labels)
    moves, rows, kept = [0, 1, 2, 3, 4, 6], [], None
    for kind in lab.progress(ShiftTested.KINDS, "three networks"):
        torch.manual_seed(lab.seed)
        network = ShiftTested(kind)
        if kind == ShiftTested.KINDS[1]:
            with torch.no_grad():
                network.body[0].weight *= 0.1  # begin small, so that what is learned shows in the picture
            before, kept = network.body[0].weight.detach().numpy().copy(), network
        train(network, images, labels, lambda: plan_batches(count, 64, epochs, lab.seed), rate=2e-3)
        row = {"network": kind, "parameters": sum(parameter.numel() for parameter in network.parameters())}
        rows.append(row | {f"{by} px": score(network, shift(test, by), test_labels) for by in moves})
    lab.table("Test accuracy when the pictures are moved to the right", rows)
    drawings.draw_shifts(lab, rows, moves)
    drawings.draw_filters(lab, before, kept.body[0].weight.detach().numpy(), stem)
    maps, out = [], test[:1]
    with torch.no_grad():
        for number, layer in enumerate(kept.body):
            out = layer(out)
            if number in (0, 2, 4):
                maps.append(out[0].numpy())
    drawings.draw_maps(lab, data.test_images[0], maps)


def list_flowers(folder: Path) -> Photos:
    """List a folder of photos, a sub-folder a class; ValueError where they are too few to have neighbours."""
    photos = list_photos(folder)
    if len(photos.paths) <= NEIGHBOURS:
        raise ValueError(f"{folder}: give more than {NEIGHBOURS} photos, got {len(photos.paths)}")
    return photos


def look_inside(lab: Lab, photos: Photos) -> None:
    """Draw what filters make of a flower, and compare photos by their pixels and by their features."""
    generator = np.random.default_rng(lab.seed)
    chosen = np.sort(generator.permutation(len(photos.paths))[: 120 if lab.quick else 600])
    paths, labels = [photos.paths[number] for number in chosen], photos.labels[chosen]
    sunny = next((i for i, path in enumerate(paths) if path.parent.name == "sunflowers"), 0)
    photo = load_pixels([paths[sunny]], pretrained.SIZE)[0]
    grey = load_pixels([paths[sunny]], 128)[0].mean(axis=2) / 255
    drawings.draw_edges(lab, grey)

    network = EfficientNetLite.pretrained("lite2")
    drawings.draw_pretrained_maps(lab, photo, pretrained.watch_layers(network, photo, (3, 7, 14, 20)))
    small = load_pixels(paths, 32)
    compared = {
        "pixels": small.reshape(len(paths), -1) / 255.0,
        "features": pretrained.extract_features(
            network, paths, lambda parts: lab.progress(parts, "features")
        ),
    }
    neighbours = {how: pretrained.find_neighbours(values, NEIGHBOURS) for how, values in compared.items()}
    rows = []
    for how, found in neighbours.items():
        rows.append(
            {
                "compared by": how,
                "numbers a photo": compared[how].shape[1],
                "nearest has the same class": float((labels[found[:, 0]] == labels).mean()),
                "vote of 5 is right": float((pretrained.vote(labels, found) == labels).mean()),
            }
        )
    lab.table(f"Nearest neighbours among {len(paths)} flower photos, nothing trained", rows)
    places = {how: pretrained.project(values) for how, values in compared.items()}
    drawings.draw_map(lab, places, labels, photos.classes)
    typical = pretrained.choose_typical(compared["features"], labels)
    drawings.draw_neighbours(lab, load_pixels(paths, 64), labels, typical[::2], neighbours)


def scale(images: np.ndarray) -> np.ndarray:
    """Turn uint8 pictures `(count, rows, cols)` into float32 from 0 to 1, `(count, 1, rows, cols)`."""
    return images[:, None].astype(np.float32) / 255
