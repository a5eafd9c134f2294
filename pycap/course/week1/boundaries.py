"""Where a perceptron and networks of growing width draw the border between two classes in the plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pycap.course.scratch.dense import Network, fit_perceptron, softmax
from pycap.course.week1.toys import TOYS
from pycap.course.week1.training import train

Decision = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # points (count, 2) -> how much class 1, 0..1
POINTS, FRESH = 300, 2000  # learnt from, and drawn anew to score on
SIDE = 2.8  # half the side of the square that is drawn


def learn_line(points: NDArray, labels: NDArray[np.int64]) -> Decision:
    """Return the perceptron's decision after at most 50 passes."""
    weights, bias, _ = fit_perceptron(points, 2 * labels - 1, epochs=50)
    return lambda x: (x @ weights + bias > 0).astype(float)


def learn_curve(points: NDArray, labels: NDArray[np.int64], width: int, seed: int, epochs: int) -> Decision:
    """Return the decision of a network with two hidden layers of `width` ReLU units."""
    rng = np.random.default_rng(seed)
    network = Network((2, width, width, 2), rng=rng)
    for _ in train(network, (points, labels), None, epochs=epochs, learning_rate=0.05, rng=rng):
        pass
    return lambda x: softmax(network.forward(x))[:, 1]


def compare_borders(lab) -> None:
    """Learn every toy with every model, draw the borders and print the accuracy on fresh points."""
    epochs = 100 if lab.quick else 300
    models: dict[str, Callable[[NDArray, NDArray], Decision]] = {
        "perceptron": learn_line,
        **{
            f"{width} + {width} units": lambda x, y, width=width: learn_curve(x, y, width, lab.seed, epochs)
            for width in (3, 8, 32)
        },
    }
    rows = [{"model": name} for name in models]
    alt = (
        "Four sets of points by column, four models by row, the plane coloured by the class each model gives"
    )
    with lab.picture("boundaries", alt, rows=len(models), columns=len(TOYS), size=(7.4, 7.8)) as (_, axes):
        for column, (toy, draw) in enumerate(TOYS.items()):
            points, labels = draw(POINTS, np.random.default_rng(lab.seed))
            fresh, truth = draw(FRESH, np.random.default_rng(lab.seed + 1))
            for row, (name, learn) in enumerate(models.items()):
                decide = learn(points, labels)
                accuracy = float(((decide(fresh) > 0.5) == truth).mean())
                rows[row][toy] = f"{accuracy:.3f}"
                _draw_plane(axes[row, column], decide, points, labels)
                axes[row, column].set_xlabel(f"{accuracy:.3f} of fresh points right")
                if row == 0:
                    axes[row, column].set_title(toy)
                if column == 0:
                    axes[row, column].set_ylabel(name)
    lab.table(f"Accuracy on {FRESH} fresh points", rows)


def _draw_plane(axis, decide: Decision, points: NDArray, labels: NDArray[np.int64]) -> None:
    line = np.linspace(-SIDE, SIDE, 121)
    grid = np.stack(np.meshgrid(line, line), axis=-1)  # (rows, columns, 2)
    heat = decide(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    shade = heat.round(1)  # few tones make a small file
    axis.imshow(
        shade, origin="lower", extent=(-SIDE, SIDE, -SIDE, SIDE), cmap="coolwarm", vmin=-0.25, vmax=1.25
    )
    if heat.min() < 0.5 < heat.max():
        axis.contour(line, line, heat, levels=[0.5], colors="black", linewidths=1.2)
    for label, colour in enumerate(("#1f3f94", "#9c1127")):
        axis.scatter(*points[labels == label].T, s=4, color=colour, linewidths=0)
    axis.set(xticks=[], yticks=[], xlim=(-SIDE, SIDE), ylim=(-SIDE, SIDE))
    axis.grid(False)
