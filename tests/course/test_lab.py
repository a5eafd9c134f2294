"""What experiments work with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycap.course.lab import Lab, format_table
from pycap.course.units import find_unit
from pycap.nn.dense import Dense


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(find_unit("1"), tmp_path / "out", quick=True)


def test_a_table_aligns_words_left_and_numbers_right():
    rows = [{"model": "linear", "accuracy": 0.84321}, {"model": "dense network", "accuracy": np.float32(0.9)}]
    assert format_table(rows).splitlines() == [
        "model          accuracy",
        "-------------  --------",
        "linear           0.8432",
        "dense network       0.9",
    ]


def test_tables_are_kept_with_how_they_came_about(lab: Lab, capsys: pytest.CaptureFixture):
    lab.table("scores", [{"model": "linear", "accuracy": np.float64(0.5), "runs": np.int64(3)}])
    lab.finish()
    kept = json.loads((lab.folder / "results.json").read_text())
    assert (kept["unit"], kept["quick"], kept["seed"]) == ("week1", True, 0)
    assert kept["tables"] == {"scores": [{"model": "linear", "accuracy": 0.5, "runs": 3}]}
    assert "scores\nmodel" in capsys.readouterr().out


def test_a_picture_is_saved_with_its_description(lab: Lab, capsys: pytest.CaptureFixture):
    with lab.picture("curve", "A falling line", columns=2, size=(4, 2)) as (_, axes):
        axes[0].plot([2, 1])
    with Image.open(lab.folder / "curve.png") as picture:
        assert picture.text["Description"] == "A falling line"
        assert picture.size == (440, 220)
    assert "curve.png" in capsys.readouterr().out


def test_a_model_comes_back_as_it_was_kept(lab: Lab):
    model = Dense(3, 2)
    lab.save_model("network", model, classes=["a", "b"], mean=np.float32(0.5))
    weights, settings = lab.load_model("network")
    assert torch.equal(weights["weight"], model.weight)
    assert settings == {"quick": True, "seed": 0, "classes": ["a", "b"], "mean": 0.5}


def test_a_model_that_was_never_trained_says_how_to_train_it(lab: Lab):
    with pytest.raises(FileNotFoundError, match="train it: pycap course run week1"):
        lab.load_model("network")


def test_a_broken_model_is_one_line(lab: Lab):
    lab.save_model("network", Dense(3, 2))
    (lab.folder / "network.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"cannot be read .*train it again"):
        lab.load_model("network")
