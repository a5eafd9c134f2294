"""Checkpoint 2: networks learn, answer and are kept; what a user gives is recognised or refused in one line."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycap.course.checkpoint2 import experiment, transfer
from pycap.course.checkpoint2.network import ConvNorm, FashionNet, FlowerNet, Residual, TransferNet
from pycap.course.checkpoint2.recipe import (
    Recipe,
    ask,
    both_sides,
    fit,
    mirror_half,
    rate_at,
    scale,
    vary_photos,
)
from pycap.course.checkpoint2.sources import count_by_class, is_idx, read_clothes, read_garment
from pycap.course.lab import Lab
from pycap.course.units import find_unit

FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
COLOURS = ((250, 250, 250), (250, 220, 30), (200, 20, 40), (120, 80, 10), (160, 40, 200))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(find_unit("checkpoint2"), tmp_path / "lab", quick=True)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of one colour a class on a noisy ground, six of each class."""
    folder, generator = tmp_path_factory.mktemp("flowers"), np.random.default_rng(0)
    for name, colour in zip(FLOWERS, COLOURS, strict=True):
        (folder / name).mkdir()
        for number in range(6):
            pixels = generator.integers(0, 90, (40, 48, 3)).astype(np.uint8)
            pixels[8:32, 10:38] = colour
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four IDX files in which the label says how far the picture is lit from the top."""
    folder, generator = tmp_path_factory.mktemp("clothes"), np.random.default_rng(0)
    for part, count in (("train", 400), ("t10k", 60)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = generator.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[: 2 * label + 4] += 200
        head = struct.pack(">IIII", 0x0803, count, 28, 28)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
        head = struct.pack(">II", 0x0801, count)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return folder


def keep_networks(lab: Lab, size: int = 64) -> None:
    """Keep untrained networks as if they were trained."""
    torch.manual_seed(0)
    for name, network, classes in (
        ("fashion", FashionNet(), list(experiment.CLASSES)),
        ("flowers", FlowerNet(), list(FLOWERS)),
        ("transfer", TransferNet(), list(FLOWERS)),
    ):
        lab.save_model(name, network, classes=classes, accuracy=0.5, size=size)


def test_a_new_residual_block_changes_nothing():
    x = torch.rand(2, 8, 5, 6)
    assert torch.equal(Residual(8)(x), x)


def test_a_photos_answer_does_not_depend_on_its_neighbours():
    network, photos = FlowerNet().eval(), torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(network(photos)[:1], network(photos[:1]))


@pytest.mark.parametrize("size", [33, 64, 96])
def test_the_flower_network_takes_any_size(size: int):
    assert FlowerNet().eval()(torch.zeros(1, 3, size, size)).shape == (1, 5)


def test_the_norm_is_behind_every_filter():
    assert [type(layer).__name__ for layer in ConvNorm(1, 2)] == ["SameConv2d", "BatchNorm2d", "ReLU"]


def test_the_rate_rises_then_falls_to_nothing():
    factors = [rate_at(step, 200, 20) for step in range(200)]
    assert factors[0] < 0.1
    assert 0.95 < max(factors) <= 1
    assert factors[-1] < 1e-3
    assert rate_at(0, 1, 2) == pytest.approx(1)


def test_about_half_the_pictures_are_mirrored_and_none_changed_otherwise():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(200, 1, 1, 1)
    out = mirror_half(pixels)
    plain = (out == scale(pixels)).flatten(1).all(1)
    turned = (out == scale(pixels.flip(3))).flatten(1).all(1)
    assert (plain ^ turned).all()
    assert 60 < plain.sum() < 140


def test_variants_of_a_photo_differ_and_keep_its_range():
    photo = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8).repeat(6, 1, 1, 1)
    seen = vary_photos(photo, 32)
    assert seen.shape == (6, 3, 32, 32)
    assert seen.abs().max() < 2.5
    assert all(not torch.allclose(seen[0], other, atol=0.05) for other in seen[1:])


def test_training_learns_keeps_an_average_and_repeats():
    labels = torch.arange(96) % 3
    images = torch.randint(0, 60, (96, 1, 28, 28), dtype=torch.uint8)
    for place, label in enumerate(labels.tolist()):
        images[place, :, 6 * label : 6 * label + 10] += 150
    answers = []
    for _ in range(2):
        torch.manual_seed(0)
        network, losses = fit(
            FashionNet(3), images, labels, Recipe(epochs=8, batch=16, average=0.9), mirror_half
        )
        assert losses[-1] < 0.7 * losses[0]
        answers.append(ask(network, images, both_sides, batch=50))
    assert (answers[0].argmax(1) == labels).float().mean() > 0.9
    torch.testing.assert_close(answers[0].sum(1), torch.ones(96))
    assert torch.equal(*answers)


def test_the_frozen_part_stays_and_the_end_learns():
    first, last = transfer.cut_network()
    before = [parameter.clone() for parameter in first.parameters()]
    network = TransferNet(2)
    network.tail.load_state_dict(last.state_dict())
    cells, labels = torch.rand(4, 2, 4, 120), torch.tensor([0, 1, 0, 1])
    recipe = Recipe(epochs=1, batch=2, average=0)
    fit(network.requires_grad_(True), cells, labels, recipe, transfer.pick_side)
    moved = zip(network.tail.parameters(), last.parameters(), strict=True)
    assert not all(torch.equal(new, old) for new, old in moved)
    assert all(torch.equal(old, new) for old, new in zip(before, first.parameters(), strict=True))


def test_both_sides_of_a_symmetric_photo_look_the_same(tmp_path: Path):
    half = np.random.default_rng(0).integers(0, 256, (32, 16, 3)).astype(np.uint8)
    Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1)).save(tmp_path / "photo.png")
    cells = transfer.run_frozen_part([tmp_path / "photo.png"], 32)
    assert cells.shape == (1, 2, transfer.count_regions(32), 120)
    assert torch.equal(cells[:, 0], cells[:, 1])
    assert transfer.pool_features(cells).shape == (1, 1280)


def test_a_linear_layer_learns_from_features():
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 3
    features = generator.normal(size=(90, 6)).astype(np.float32) + 3 * np.eye(6, dtype=np.float32)[labels]
    scores = transfer.fit_linear(features[:60], labels[:60], 3)(features[60:])
    assert (scores.argmax(1) == labels[60:]).mean() > 0.8


def test_recall_and_precision_count_hits():
    rows = count_by_class(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b", "c"])
    assert [row["recall"] for row in rows] == [0.5, 1.0, None]
    assert [row["precision"] for row in rows] == [1.0, 0.5, None]


def test_colour_decides_between_garment_and_flower(tmp_path: Path, flowers: Path):
    grey = np.zeros((28, 28), np.uint8)
    grey[5:20, 5:20] = 180
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(255 - grey).resize((56, 56), Image.Resampling.NEAREST).save(tmp_path / "bright.png")
    assert np.array_equal(read_garment(str(tmp_path / "grey.png")), grey)
    inverted = read_garment(str(tmp_path / "bright.png"))
    assert inverted[0, 0] == 0
    assert inverted[10, 10] == 180
    assert read_garment(str(flowers / "roses" / "0.png")) is None


def test_clothes_are_found_in_a_folder_or_by_their_file(clothes: Path, flowers: Path):
    images, labels = read_clothes(clothes)
    assert images.shape == (60, 28, 28)
    assert labels[:3].tolist() == [0, 1, 2]
    assert len(read_clothes(clothes / "train-images-idx3-ubyte.gz")[1]) == 400
    assert is_idx(clothes)
    assert read_clothes(flowers) is None


def test_labels_of_another_set_are_refused(tmp_path: Path, clothes: Path):
    images = "t10k-images-idx3-ubyte.gz"
    (tmp_path / images).write_bytes((clothes / images).read_bytes())
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes((clothes / "train-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ValueError, match="60 pictures need as many labels"):
        read_clothes(tmp_path)


def test_run_trains_what_there_is_data_for_then_scores_and_names(
    lab: Lab, clothes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def locate(_: Lab, name: str) -> Path:
        if name == "flowers":
            raise FileNotFoundError("flowers: not found")
        return clothes

    monkeypatch.setattr(experiment, "locate", locate)
    experiment.run(lab)
    shown = capsys.readouterr().out
    assert "left out: flowers: not found" in shown
    assert "Fashion-MNIST, 60 test pictures" in shown
    assert (lab.folder / "confusion-fashion.png").is_file()
    experiment.evaluate(lab, clothes)
    assert "accuracy " in capsys.readouterr().out
    Image.fromarray(np.full((28, 28), 100, np.uint8)).save(lab.folder / "garment.png")
    experiment.predict(lab, str(lab.folder / "garment.png"))
    lines = capsys.readouterr().out.splitlines()
    assert "garment" in lines[0]
    assert len(lines) == 6
    with pytest.raises(FileNotFoundError, match="pycap course run checkpoint2"):
        experiment.evaluate(lab, lab.folder.parent)


def test_photos_are_named_and_folders_scored(lab: Lab, flowers: Path, capsys: pytest.CaptureFixture[str]):
    keep_networks(lab)
    experiment.predict(lab, str(flowers / "tulips" / "3.png"))
    lines = capsys.readouterr().out.splitlines()
    assert sum(float(line.split("%")[0]) for line in lines[1:]) == pytest.approx(100, abs=0.3)
    assert {line.split()[-1] for line in lines[1:]} == set(FLOWERS)
    experiment.evaluate(lab, flowers)
    shown = capsys.readouterr().out
    assert "accuracy from scratch" in shown
    assert "accuracy by transfer" in shown


def test_a_wrong_picture_or_folder_is_one_line(lab: Lab, tmp_path: Path):
    keep_networks(lab)
    (tmp_path / "photo.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"photo\.jpg"):
        experiment.predict(lab, str(tmp_path / "photo.jpg"))
    (tmp_path / "set" / "orchids").mkdir(parents=True)
    with pytest.raises(ValueError, match="orchids"):
        experiment.evaluate(lab, tmp_path / "set")


def test_before_training_one_line_says_how(lab: Lab, flowers: Path):
    with pytest.raises(FileNotFoundError, match="pycap course run checkpoint2"):
        experiment.predict(lab, str(flowers / "tulips" / "3.png"))


def test_flowers_are_learned_quickly_on_real_photos(
    lab: Lab, shared_data: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole path on few photos: split, train, tune, score, draw."""
    monkeypatch.setattr(experiment, "SEEN", (32, 32))
    monkeypatch.setattr(
        experiment, "thin_out", lambda part, _: keep_every(part, 20 if len(part.paths) > 1000 else 10)
    )
    monkeypatch.setattr(experiment, "FLOWERS", Recipe(epochs=4, batch=16))
    experiment.run_flowers(lab, shared_data / "flowers" / "train")
    table = next(iter(lab._tables.values()))
    assert [row["network"] for row in table][-1] == "ImageNet CNN, its end tuned"
    assert table[-2]["accuracy"] > 0.6
    assert table[-1]["accuracy"] > 0.5
    assert {path.stem for path in lab.folder.glob("*.png")} >= {"variants", "losses", "confusion-transfer"}


def keep_every(photos, step: int):
    return type(photos)(photos.paths[::step], photos.labels[::step], photos.classes)
