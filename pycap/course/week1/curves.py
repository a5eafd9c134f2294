"""Networks of NumPy learn digits and clothes: loss curves by learning rate, first weights and epoch."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pycap.course.scratch.dense import Network
from pycap.course.week1.training import History, score, train

Part = tuple[NDArray, NDArray[np.int64]]  # pictures (count, pixels) from 0 to 1, labels (count,)
RATES = {"0.003, too small": 0.003, "0.3, good": 0.3, "3, too large": 3.0}
FIRST_WEIGHTS = {"all zero": 0.0, "50 times too large": 50 * 2**0.5, "He: sqrt(2 / inputs)": 2**0.5}


def load_digits(seed: int) -> tuple[Part, Part, Part]:
    """Return scikit-learn's 1,797 digits of 8 x 8 pixels: 1,197 to train, 300 to choose by, 300 to test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    train, held_out, test = np.split(order, [len(order) - 600, len(order) - 300])
    return (pixels[train], labels[train]), (pixels[held_out], labels[held_out]), (pixels[test], labels[test])


def flatten(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pictures `(count, rows, columns)` of 0-255 as rows of numbers from 0 to 1, `(count, pixels)`."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def draw_rates(lab, parts: tuple[Part, Part, Part]) -> None:
    """Draw what the learning rate and the first weights do to the loss on the digits; print test accuracies."""
    learn, held_out, test = parts
    epochs = 15 if lab.quick else 40

    def fit(rate: float, gain: float, sizes=(64, 64, 10)) -> tuple[Network, History]:
        rng = np.random.default_rng(lab.seed)
        network = Network(sizes, rng=rng, gain=gain)
        *_, history = train(network, learn, held_out, epochs=epochs, learning_rate=rate, rng=rng, momentum=0)
        return network, history

    rows = []
    alt = "Loss on held-out digits by epoch. Left: three learning rates. Right: three kinds of first weights"
    with lab.picture("rates", alt, rows=1, columns=2, size=(8.2, 3.4)) as (_, axes):
        runs = {
            **{name: (axes[0], fit(rate, 2**0.5)) for name, rate in RATES.items()},
            **{name: (axes[1], fit(0.3, gain)) for name, gain in FIRST_WEIGHTS.items()},
        }
        for name, (axis, (_, history)) in runs.items():
            axis.semilogy(range(1, epochs + 1), history.held_out_loss, label=name)
        axes[1].set_ylim(0.03, 1e4)  # room for the legend
        for axis, title in zip(axes, ("Learning rate", "First weights"), strict=True):
            axis.axhline(np.log(10), color="gray", linestyle=":", linewidth=1, label="guessing: ln 10")
            axis.set(xlabel="epoch", ylabel="loss on held-out digits", title=title)
            axis.legend(loc="upper right" if axis is axes[1] else "center right")
    for name, (_, (network, history)) in runs.items():
        rows.append(_digits_row(name, network, history, test))
    rows.append(_digits_row("no hidden layer (linear)", *fit(0.3, 1.0, (64, 10)), test))
    lab.table(
        f"Digits: 64 hidden units, {epochs} epochs; learning rates, then first weights, then linear", rows
    )


def _digits_row(name: str, network: Network, history: History, test: Part) -> dict[str, str]:
    return {
        "run": name,
        "training loss": f"{history.loss[-1]:.4f}",
        "held-out loss": f"{history.held_out_loss[-1]:.4f}",
        "held-out accuracy": f"{history.held_out_accuracy[-1]:.3f}",
        "test accuracy": f"{score(network, *test)[1]:.3f}",
    }


def draw_clothes(
    lab, images: NDArray[np.uint8], labels: NDArray, test: tuple[NDArray[np.uint8], NDArray]
) -> None:
    """Train a line and a network on Fashion-MNIST, draw their loss curves and print the accuracies.

    Args:
        lab: where progress, pictures and tables go.
        images, labels: training pictures `(count, 28, 28)` and labels; the last tenth after a shuffle is held out.
        test: scored once, when training is over.
    """
    rng = np.random.default_rng(lab.seed)
    order = rng.permutation(len(labels))[: 12000 if lab.quick else None]
    pixels, labels = flatten(images[order]), labels[order]
    cut = len(labels) - len(labels) // 10
    learn, held_out = (pixels[:cut], labels[:cut]), (pixels[cut:], labels[cut:])
    epochs = 8 if lab.quick else 25
    models = {"linear": ((784, 10), 0.02), "256 hidden units": ((784, 256, 10), 0.03)}
    rows = []
    alt = "Loss by epoch on training and held-out clothes: the network's held-out loss turns up while training goes on"
    with lab.picture("clothes", alt, rows=1, columns=2, size=(8.2, 3.4)) as (_, axes):
        for (name, (sizes, rate)), colour in zip(models.items(), ("tab:orange", "tab:blue"), strict=True):
            start = perf_counter()
            network = Network(sizes, rng=rng, dtype=np.float32)
            epoch = train(network, learn, held_out, epochs=epochs, learning_rate=rate, rng=rng, batch=64)
            *_, history = lab.progress(epoch, name, total=epochs)
            seconds = perf_counter() - start
            x = range(1, epochs + 1)
            axes[0].plot(x, history.loss, color=colour, label=f"{name}, training")
            axes[0].plot(x, history.held_out_loss, "--", color=colour, label=f"{name}, held out")
            axes[1].plot(x, history.held_out_accuracy, color=colour, label=name)
            best = int(np.argmin(history.held_out_loss))
            rows.append(
                {
                    "model": name,
                    "numbers": sum(parameter.size for parameter in network.parameters),
                    "training loss": f"{history.loss[-1]:.3f}",
                    "held-out loss": f"{history.held_out_loss[-1]:.3f}",
                    "lowest": f"{history.held_out_loss[best]:.3f} (epoch {best + 1})",
                    "held-out accuracy": f"{history.held_out_accuracy[-1]:.4f}",
                    "test accuracy": f"{score(network, flatten(test[0]), test[1])[1]:.4f}",
                    "seconds": f"{seconds:.1f}",
                }
            )
        axes[0].set(xlabel="epoch", ylabel="loss", title="Loss", ylim=(0.1, 0.8))  # room for the legend
        axes[1].set(xlabel="epoch", ylabel="held-out accuracy", title="Accuracy on held-out clothes")
        axes[0].legend(loc="upper right")
        axes[1].legend()
    lab.table(f"Fashion-MNIST in NumPy, {len(learn[1])} pictures to learn from", rows)
