"""From pixels to features: EfficientNet-Lite2 and the region encoder of the default recipe.

Every contender also returns where regions looked (the mean over heads), as the captioner shows it. OpenVINO's
default precision is listed and is no peer: on CPUs that multiply in bf16 it computes in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.floors import FLOAT, Work
from bench.peers import runtimes
from pycap.cnn import EfficientNetLite
from pycap.config import Config
from pycap.model import CaptionModel
from pycap.ops.encode import NativeEncoder, supports_bfloat16
from pycap.window import zoom_middle

TOLERANCE = 1e-3  # of a feature, relative to the largest one
Seen = tuple[Tensor, Tensor]  # features and attention


class Pixels(nn.Module):
    """The whole encoder as one module.

    Args:
        model: holds the CNN's tail and the region encoder.
        frozen: the CNN's frozen part.
    """

    def __init__(self, model: CaptionModel, frozen: nn.Module):
        super().__init__()
        self.frozen, self.tail, self.encoder = frozen, model.tail, model.encoder
        self.window = model.config.window

    def forward(self, pixels: Tensor) -> Seen:
        """Return features `(images, regions, feature_dim)` and attention `(images, regions, regions)`."""
        cells = zoom_middle(self.frozen(pixels), self.window)
        features, attention = self.encoder(cells if self.tail is None else self.tail(cells), True)
        return features, attention.mean(dim=1)


def cases(settings: Settings) -> Iterator[Case]:
    """Batches of one picture and of eight."""
    config = Config()
    if settings.quick:
        model = replace(config.model, grid=2, feature_dim=16, encoder_heads=2, hidden_dim=8, attention_dim=8)
        config = replace(config, model=model, preprocess=replace(config.preprocess, size=64))
    torch.manual_seed(0)
    model = CaptionModel(config.model, 8).eval().requires_grad_(False)
    model.load_pretrained_tail()
    size = config.preprocess.size
    frozen = EfficientNetLite.pretrained(config.model.cnn).split(config.model.tuned_blocks)[0]
    module = Pixels(model, frozen).eval().to(memory_format=torch.channels_last)
    for batch in (2,) if settings.quick else (1, 8):
        pixels = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
        yield make_case(config, model, module, pixels, settings)


def make_case(
    config: Config, model: CaptionModel, module: Pixels, pixels: Tensor, settings: Settings
) -> Case:
    """Return the case of one batch of pixels."""
    contenders = native_contenders(config, model, module, pixels)
    absent = {}
    if "eager" in settings.peers:
        contenders.append(
            Contender("eager", partial(run_module, module, pixels), "eager", note="channels last")
        )
    if "compile" in settings.peers:
        for name, tuned in (("torch.compile", False), ("torch.compile, tuned", True)):
            run = partial(run_module, runtimes.compiled(module, tuned), pixels)
            contenders.append(Contender(name, run, "compile", note="channels last"))
    exported: dict[Any, bytes] = {}
    for kind in ("onnxruntime", "openvino"):
        if kind not in settings.peers:
            continue
        if why := runtimes.missing(kind):
            absent[kind] = why
        elif kind == "onnxruntime":
            build = partial(runtimes.run_onnxruntime, threads=settings.threads)
            contenders.append(Contender("ONNX Runtime", exported_run(module, build, exported, pixels), kind))
        else:
            build = partial(runtimes.run_openvino, threads=settings.threads)
            contenders.append(Contender("OpenVINO", exported_run(module, build, exported, pixels), kind))
            run = exported_run(module, partial(build, precision=None), exported, pixels)
            name = "OpenVINO, its default precision"
            contenders.append(Contender(name, run, kind, "default", counts=False, required=0.0))
    side = pixels.shape[-1]
    return Case(
        title=f"batch {len(pixels)}, {config.model.cnn} at {side} x {side}, {config.model.grid**2} regions, "
        f"{config.model.encoder_layers} layer of self-attention, width {config.model.feature_dim}",
        shape={"batch": len(pixels), "size": side, "regions": config.model.grid**2},
        contenders=contenders,
        agree=compare_features,
        items=len(pixels),
        item="picture",
        goals=() if settings.quick else (Goal("speedup", 1.0, ("onnxruntime", "openvino")),),
        absent=absent,
    )


def native_contenders(config: Config, model: CaptionModel, module: Pixels, pixels: Tensor) -> list[Contender]:
    """Return pycap's own encoder in each precision that this machine has."""
    weights = {f"cnn.{name}": value.numpy() for name, value in module.frozen.state_dict().items()}
    weights |= {name: value.numpy() for name, value in model.state_dict().items()}
    array = pixels.numpy()

    def contender(precision: str, **more: Any) -> Contender:
        native = NativeEncoder(weights, config.model, precision=precision)

        def run() -> Seen:
            features, attention = native(array, with_attention=True)
            return torch.from_numpy(features), torch.from_numpy(attention)

        return Contender(f"pycap {precision}", run, dtype=precision, **more)

    full = contender("float32", required=1.0, work=count_work(module, pixels))
    reduced = ["int16", "bfloat16"] if supports_bfloat16() else ["int16"]
    return [full, *(contender(precision, required=0.0) for precision in reduced)]


def run_module(module: Callable[[Tensor], Seen], pixels: Tensor) -> Seen:
    """Run the encoder in PyTorch."""
    with torch.inference_mode():
        return module(pixels.to(memory_format=torch.channels_last))


def exported_run(
    module: Pixels, build: Callable, exported: dict[Any, bytes], pixels: Tensor
) -> Callable[[], Seen]:
    """Return the encoder as another runtime runs it."""
    return partial(runtimes.by_shape(module, build, exported), pixels)


def count_work(module: Pixels, pixels: Tensor) -> Work:
    """Operations of convolutions and products as PyTorch counts them; weights, pixels and features moved once."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        features, _ = module(pixels)
    weights = FLOAT * sum(value.numel() for value in module.state_dict().values())
    moved = weights + FLOAT * (pixels.numel() + features.numel())
    return Work({"float32": float(counter.get_total_flops())}, moved, moved)


def compare_features(first: Seen, other: Seen) -> Agreement:
    """Count pictures whose features and attention agree; the error is relative to the largest value."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(first, other, strict=True)]
    errors = [np.abs(a - b).max(axis=(1, 2)) / np.abs(a).max() for a, b in pairs]
    worst = np.maximum(*errors)
    return Agreement(int((worst < TOLERANCE).sum()), len(worst), "pictures", float(worst.max()))
