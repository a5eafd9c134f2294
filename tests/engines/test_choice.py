"""Which engine captions: native where it can, torch where it must, one clear line where neither can."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import WITHOUT_TORCH, draw_picture, run_python

from pycap import checkpoint, engines
from pycap.captioner import Captioner
from pycap.engines.device import choose_device
from pycap.engines.native import NativeEngine
from pycap.engines.torch import TorchEngine
from pycap.ops import library
from pycap.ops.encode import supports_bfloat16

LOAD = "from pycap.captioner import Captioner\n"
needs_native = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())


@pytest.fixture
def old_checkpoint(tiny_checkpoint, tmp_path) -> Path:
    """A checkpoint from before the frozen part of the CNN was stored."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "old")
    (folder / checkpoint.CNN).unlink()
    return folder


@needs_native
@pytest.mark.parametrize("backend", [None, "native"])
def test_native_runs_where_it_can(tiny_checkpoint, backend):
    assert isinstance(engines.choose(checkpoint.load(tiny_checkpoint), backend), NativeEngine)


@needs_native
def test_precision_reaches_the_kernels(tiny_checkpoint):
    loaded, isa = checkpoint.load(tiny_checkpoint), library.describe()["isa"]
    integers = isa == "amx" or isa.endswith("vnni")
    narrow = "bfloat16" if supports_bfloat16() else "int16" if integers else "float32"
    assert engines.choose(loaded, precision="full")._encoder.precision == "float32"
    assert engines.choose(loaded)._encoder.precision == narrow
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    features = engines.choose(loaded, precision="full").encode(pixels).features
    found = [
        engines.choose(loaded, precision=name).search(features, loaded.config.search, 1).scores
        for name in engines.PRECISIONS
    ]
    assert (found[0] == found[1]).all() == (library.describe()["isa"] == "generic")


def test_unknown_precision_is_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="precision must be reduced or full, got 'half'"):
        Captioner.load(tiny_checkpoint, precision="half")


def test_the_reference_is_torch_alone(tiny_checkpoint, monkeypatch):
    captioner = Captioner.load(tiny_checkpoint, backend="reference")
    assert isinstance(captioner._engine, TorchEngine)
    model, seen = captioner.checkpoint.model, []
    search = model.search
    monkeypatch.setattr(model, "search", lambda *args: seen.append(library.backend()) or search(*args))
    before = library.backend()
    captioner(draw_picture(0))
    assert seen == ["reference"]
    assert library.backend() == before


def test_a_captioner_made_where_the_reference_is_wanted_keeps_to_it(tiny_checkpoint):
    with library.use("reference"):
        engine = Captioner.load(tiny_checkpoint)._engine
    assert (type(engine), engine.backend) == (TorchEngine, "reference")


@needs_native
def test_what_is_asked_for_outweighs_what_is_wanted_around_it(tiny_checkpoint):
    with library.use("reference"):
        assert isinstance(Captioner.load(tiny_checkpoint, backend="native")._engine, NativeEngine)


def test_another_device_is_torchs(tiny_checkpoint):
    assert isinstance(engines.choose(checkpoint.load(tiny_checkpoint, "meta")), TorchEngine)


@needs_native
def test_an_old_checkpoint_captions_through_torch_and_says_so_once(old_checkpoint, tiny_checkpoint):
    with pytest.warns(UserWarning, match=rf"`pycap export {old_checkpoint}` adds it") as caught:
        captioner = Captioner.load(old_checkpoint)
    assert [warning.filename for warning in caught] == [__file__]
    picture = draw_picture(1)
    assert captioner(picture).text == Captioner.load(tiny_checkpoint)(picture).text


@pytest.mark.parametrize("backend", library.BACKENDS)
def test_threads_are_set_for_whatever_computes(tiny_checkpoint, backend, monkeypatch):
    if backend == "native" and not library.native_available():
        pytest.skip(library.missing_reason())
    kernels, network = [], []
    monkeypatch.setattr(library, "set_threads", kernels.append)
    monkeypatch.setattr(torch, "set_num_threads", network.append)
    Captioner.load(tiny_checkpoint, backend=backend, threads=3)
    assert (kernels, network) == ([3], [] if backend == "native" else [3])


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(ValueError, match=r"device 'cuda' cannot be used: torch .* take cpu or auto"):
        choose_device("cuda")
    with pytest.raises(ValueError, match="device must be cpu, cuda, cuda:NUMBER or auto, got 'toaster'"):
        choose_device("toaster")


@needs_native
def test_without_torch_pictures_are_captioned_all_the_same(tiny_checkpoint, tmp_path):
    draw_picture(1).save(tmp_path / "photo.png")
    code = """
import json
for device in ("cpu", "auto"):
    caption = Captioner.load(sys.argv[1], device)(sys.argv[2], n_best=2)
print(json.dumps([caption.text, caption.attention.shape, caption.encoder_attention.shape]))
assert "torch" not in sys.modules
"""
    done = run_python(WITHOUT_TORCH + LOAD + code, str(tiny_checkpoint), str(tmp_path / "photo.png"))
    assert done.returncode == 0, done.stderr
    expected = Captioner.load(tiny_checkpoint)(tmp_path / "photo.png", n_best=2)
    shapes = [list(expected.attention.shape), list(expected.encoder_attention.shape)]
    assert json.loads(done.stdout) == [expected.text, *shapes]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "device='cuda'",
            "device 'cuda' needs PyTorch, which is not installed; pip install torch, or take cpu",
        ),
        (
            "backend='reference'",
            "backend 'reference' needs PyTorch, which is not installed; pip install torch",
        ),
    ],
)
def test_without_torch_what_needs_it_says_so(tiny_checkpoint, settings, message):
    done = run_python(WITHOUT_TORCH + LOAD + f"Captioner.load(sys.argv[1], {settings})", str(tiny_checkpoint))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].partition(": ")[2] == message


def test_without_torch_an_old_checkpoint_says_what_it_needs(old_checkpoint):
    done = run_python(WITHOUT_TORCH + LOAD + "Captioner.load(sys.argv[1])", str(old_checkpoint))
    assert done.returncode == 1
    expected = f"{old_checkpoint}: captioning without cnn.safetensors needs PyTorch, which is not installed"
    assert expected in done.stderr.splitlines()[-1]


def test_without_torch_nor_kernels_the_line_says_so(tiny_checkpoint):
    code = "from pycap.ops import library; library.cpu = None; Captioner.load(sys.argv[1])"
    done = run_python(WITHOUT_TORCH + LOAD + code, str(tiny_checkpoint))
    expected = (
        "captioning without the compiled kernels needs PyTorch, which is not installed; pip install torch"
    )
    assert done.stderr.splitlines()[-1].endswith(expected)
