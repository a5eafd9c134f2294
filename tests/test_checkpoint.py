"""A checkpoint folder comes back as it went, and a broken one is one clear line."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pycap import checkpoint
from pycap.checkpoint import CheckpointError
from pycap.config import Config, ModelConfig
from pycap.model import CaptionModel
from pycap.text import Vocabulary

MODEL = ModelConfig(
    tuned_blocks=0,
    grid=2,
    region_channels=6,
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


def test_tied_embedding_is_stored_once(folder):
    names = load_file(folder / "model.safetensors").keys()
    assert "decoder.embedding.weight" in names
    assert "decoder.output.weight" not in names


def test_half_precision_is_the_default(folder, tmp_path):
    loaded = checkpoint.load(folder)
    checkpoint.save(tmp_path / "half", loaded.model, loaded.vocabulary, loaded.config)
    assert {value.dtype for value in load_file(tmp_path / "half" / "model.safetensors").values()} == {
        torch.float16
    }
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


def test_unexpected_tensor_is_named(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "wings": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="wings is"):
        checkpoint.load(folder)
