"""A checkpoint folder comes back as it went, a broken one is one clear line, an old one can be completed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import run_python

from pycap import checkpoint
from pycap.checkpoint import CheckpointError
from pycap.cnn import EfficientNetLite
from pycap.config import Config, ModelConfig
from pycap.model import CaptionModel
from pycap.text import Vocabulary

MODEL = ModelConfig(
    tuned_blocks=0,
    grid=2,
    feature_dim=8,
    encoder_heads=2,
    embed_dim=8,
    hidden_dim=8,
    attention_dim=8,
)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    vocabulary = Vocabulary(["a", "dog", "café"])
    checkpoint.save(
        tmp_path / "saved",
        CaptionModel(MODEL, len(vocabulary)),
        vocabulary,
        Config(model=MODEL),
        "# card",
        half=False,
    )
    return tmp_path / "saved"


def test_saved_checkpoint_loads_the_same(folder):
    torch.manual_seed(0)
    fresh = CaptionModel(MODEL, 7).state_dict()
    loaded = checkpoint.load(folder)
    assert loaded.vocabulary.words[4:] == ("a", "dog", "café")
    assert loaded.config == Config(model=MODEL)
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, fresh[name]), name
    assert not loaded.model.training


def test_the_frozen_part_of_the_cnn_travels_along(folder):
    expected = EfficientNetLite.pretrained("lite2").split(0)[0].state_dict()
    loaded = checkpoint.load(folder)
    assert loaded.cnn.keys() == expected.keys()
    for name, value in loaded.model.frozen.state_dict().items():
        assert torch.equal(value, expected[name]), name
        np.testing.assert_array_equal(loaded.cnn[name], expected[name].numpy())
    assert not any(weight.requires_grad for weight in loaded.model.frozen.parameters())


def test_loading_imports_no_torch(folder):
    code = "import sys; from pycap import checkpoint; checkpoint.load(sys.argv[1]); sys.exit('torch' in sys.modules)"
    done = run_python(code, str(folder))
    assert done.returncode == 0, done.stderr


def test_tied_embedding_is_stored_once(folder):
    names = load_file(folder / "model.safetensors").keys()
    assert "decoder.embedding.weight" in names
    assert "decoder.output.weight" not in names


def test_half_precision_is_the_default(folder, tmp_path):
    loaded = checkpoint.load(folder)
    checkpoint.save(tmp_path / "half", loaded.model, loaded.vocabulary, loaded.config)
    for name, dtype in (("model.safetensors", torch.float16), ("cnn.safetensors", torch.float32)):
        assert {value.dtype for value in load_file(tmp_path / "half" / name).values()} == {dtype}
    assert {value.dtype for value in checkpoint.load(tmp_path / "half").model.parameters()} == {torch.float32}


def test_saving_over_an_old_checkpoint_leaves_no_remains(folder):
    loaded = checkpoint.load(folder)
    checkpoint.save(folder, loaded.model, loaded.vocabulary, loaded.config)
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]
    assert not (folder / "README.md").exists()


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "model.safetensors"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"saved: not a checkpoint, {name} is missing"):
        checkpoint.load(folder)


def test_torn_weights_are_one_line(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="broken checkpoint"):
        checkpoint.load(folder)


def test_broken_json_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: not valid JSON"):
        checkpoint.load(folder)


def test_setting_of_a_newer_version_is_named(folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["model"]["wings"] = 2
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"unknown setting model\.wings"):
        checkpoint.load(folder)


def test_words_that_do_not_fit_the_weights_are_refused(folder):
    (folder / "vocab.json").write_text(Vocabulary(["a", "dog"]).to_json())
    with pytest.raises(CheckpointError, match="do not belong together"):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "cnn.safetensors"])
def test_unexpected_tensor_is_named(folder, name):
    tensors = load_file(folder / name)
    save_file({**tensors, "wings": torch.zeros(2)}, folder / name)
    with pytest.raises(
        CheckpointError, match=rf"{name}: wings is \(2,\), .* no such tensor; the files do not belong"
    ):
        checkpoint.load(folder)


def test_the_cnn_of_another_variant_is_refused(folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["model"]["cnn"] = "lite0"
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"cnn\.safetensors: layers\.\d+.* config\.json wants "):
        checkpoint.load(folder)


def test_settings_that_describe_no_network_are_one_line(folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["model"]["tuned_blocks"] = 99
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"broken checkpoint: model\.tuned_blocks must be from 0 to"):
        checkpoint.load(folder)


def test_torn_cnn_weights_are_one_line(folder):
    path = folder / "cnn.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="broken checkpoint"):
        checkpoint.load(folder)


def test_export_completes_an_old_checkpoint_in_its_place(folder):
    whole = (folder / "cnn.safetensors").read_bytes()
    (folder / "cnn.safetensors").unlink()
    assert checkpoint.load(folder).cnn is None
    assert checkpoint.export(folder)
    assert (folder / "cnn.safetensors").read_bytes() == whole
    assert not checkpoint.export(folder), "nothing was missing any more"
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("old", [False, True])
def test_export_makes_a_whole_folder(folder, tmp_path, old):
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    if old:
        (folder / "cnn.safetensors").unlink()
    assert checkpoint.export(folder, tmp_path / "new" / "folder")
    assert {path.name: path.read_bytes() for path in (tmp_path / "new" / "folder").iterdir()} == expected
    with pytest.raises(CheckpointError, match="folder: is there already; name a new folder"):
        checkpoint.export(folder, tmp_path / "new" / "folder")
