"""Checkpoint 1: the classifier learns, is kept, names photos, and is scored on files; mistakes are one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycap.course.checkpoint1.experiment import evaluate, predict, run
from pycap.course.checkpoint1.files import find_pair
from pycap.course.checkpoint1.metrics import bound_accuracy, count_confusions
from pycap.course.checkpoint1.network import DenseClassifier, score_images
from pycap.course.checkpoint1.photo import convert_photo
from pycap.course.checkpoint1.pictures import paint_shirt
from pycap.course.checkpoint1.recipe import Recipe, learn, split_rows
from pycap.course.lab import Lab
from pycap.course.units import find_unit


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write uint8 values as IDX, compressed if the name ends in .gz."""
    raw = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def draw_bars(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten classes that anything can learn: a bright row at the class's height, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=count).astype(np.uint8)
    images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 3] = 220
    return images, labels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    for part, count in (("train", 600), ("t10k", 100)):
        images, labels = draw_bars(count, seed=count)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(scope="module")
def lab(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A quick run on the bars."""
    lab = Lab(find_unit("checkpoint1"), tmp_path_factory.mktemp("out"), quick=True, data=data)
    run(lab)
    return lab


def test_a_run_keeps_model_and_pictures(lab: Lab):
    kept = {path.name for path in lab.folder.iterdir()}
    assert {"network.safetensors", "confusion.png", "curves.png", "mistakes.png", "photo.png"} <= kept


def test_the_kept_model_is_scored_on_a_folder_or_a_pair(lab: Lab, data: Path, capsys: pytest.CaptureFixture):
    for path in (data, data / "t10k-images-idx3-ubyte.gz"):
        evaluate(lab, str(path))
        assert "of 100; 95 %" in capsys.readouterr().out
    evaluate(lab, data / "train-images-idx3-ubyte.gz")
    assert "of 600" in capsys.readouterr().out


def test_the_kept_model_names_a_photo(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture):
    images, _ = draw_bars(1, seed=3)
    Image.fromarray(images[0]).save(tmp_path / "ready.png")
    predict(lab, str(tmp_path / "ready.png"))
    first, second = capsys.readouterr().out.splitlines()
    assert second.startswith(first)
    assert second.count("%") == 3


def test_an_untrained_checkpoint_says_how_to_train(tmp_path: Path, data: Path):
    empty = Lab(find_unit("checkpoint1"), tmp_path)
    with pytest.raises(FileNotFoundError, match="pycap course run checkpoint1"):
        evaluate(empty, data)


def test_the_network_learns_more_than_guessing_and_repeats_itself():
    images, labels = (torch.from_numpy(part) for part in draw_bars(400, seed=1))
    labels, recipe = labels.long(), Recipe(hidden=(32,), epochs=4, batch=16, dropout=0.1)
    train, held_out = split_rows(400, 100, seed=0)
    runs = [
        [
            numbers
            for _, *numbers in learn(
                recipe, (images[train], labels[train]), (images[held_out], labels[held_out]), 10, 0
            )
        ]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0][-1][2] > 0.9


def test_split_rows_loses_and_repeats_nothing():
    rows, held_out = split_rows(50, 10, seed=0)
    assert sorted([*rows.tolist(), *held_out.tolist()]) == list(range(50))
    assert len(held_out) == 10


def test_a_pictures_scores_do_not_depend_on_the_others():
    network = DenseClassifier(784, (16,), 10, dropout=0.5)
    images = torch.from_numpy(draw_bars(1200, seed=0)[0])
    network.fit_normalisation(images)
    together = score_images(network, images)
    assert torch.allclose(together[1100], score_images(network, images[1100:1101])[0], atol=1e-6)
    assert torch.allclose(together.sum(dim=1), torch.ones(1200), atol=1e-5)


def test_a_photo_becomes_centred_bright_on_black():
    small = convert_photo(paint_shirt()).small
    assert small.shape == (28, 28)
    assert (small[:, 0] > 60).sum() <= 4  # nothing but the tip of a sleeve
    assert small[14, 14] > 120
    lit = np.flatnonzero(small.max(axis=1) > 60)
    assert (lit[0], lit[-1]) == (0, 27)  # the longer side fills the square
    lit = np.flatnonzero(small.max(axis=0) > 60)
    assert abs(lit[0] - (27 - lit[-1])) <= 1  # as much black on the left as on the right


def test_a_photo_on_black_and_its_negative_come_out_alike():
    photo = paint_shirt().convert("L")
    negative = Image.fromarray(255 - np.asarray(photo))
    assert np.array_equal(convert_photo(photo).small, convert_photo(negative).small)


def test_a_picture_of_the_networks_size_is_left_alone():
    image = draw_bars(1, seed=0)[0][0]
    assert np.array_equal(convert_photo(Image.fromarray(image)).small, image)


@pytest.mark.parametrize(("shape", "rows", "columns"), [((300, 40), 28, 4), ((40, 300), 4, 28)])
def test_long_photos_keep_their_shape(shape: tuple[int, int], rows: int, columns: int):
    photo = np.full((shape[0] + 400, shape[1] + 400), 240, np.uint8)
    photo[200:-200, 200:-200] = 30
    small = convert_photo(Image.fromarray(photo)).small
    lit = small > 40
    assert abs(int(lit.any(axis=1).sum()) - rows) <= 1
    assert abs(int(lit.any(axis=0).sum()) - columns) <= 1


def test_a_photo_of_nothing_or_no_photo_is_one_line(tmp_path: Path):
    Image.new("RGB", (90, 60), "white").save(tmp_path / "white.png")
    with pytest.raises(ValueError, match=r"white.png: shows one plain tone"):
        convert_photo(tmp_path / "white.png")
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(ValueError, match=r"text.jpg: not a picture"):
        convert_photo(tmp_path / "text.jpg")


def test_a_lone_pair_of_any_name_is_found(tmp_path: Path):
    images, labels = draw_bars(5, seed=0)
    write_idx(tmp_path / "hidden-images-idx3-ubyte", images)
    write_idx(tmp_path / "hidden-labels-idx1-ubyte", labels)
    for path in (tmp_path, tmp_path / "hidden-images-idx3-ubyte"):
        got = find_pair(path, (28, 28), 10)
        assert np.array_equal(got[0], images)
        assert np.array_equal(got[1], labels)


def test_files_that_are_no_pair_are_named(tmp_path: Path):
    images, labels = draw_bars(5, seed=0)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_pair(tmp_path / "nowhere", (28, 28), 10)
    with pytest.raises(ValueError, match="holds no IDX file of pictures"):
        find_pair(tmp_path, (28, 28), 10)
    write_idx(tmp_path / "a-images", images)
    with pytest.raises(FileNotFoundError, match=r"a-labels: no such file"):
        find_pair(tmp_path, (28, 28), 10)
    write_idx(tmp_path / "a-labels", labels[:4])
    with pytest.raises(ValueError, match=r"a-labels: 5 pictures need as many labels"):
        find_pair(tmp_path, (28, 28), 10)
    write_idx(tmp_path / "a-labels", labels + np.uint8(20))
    with pytest.raises(ValueError, match="labels must be 0 to 9"):
        find_pair(tmp_path, (28, 28), 10)
    write_idx(tmp_path / "a-images", images[:, :20])
    with pytest.raises(ValueError, match="pictures must be uint8 28 x 28"):
        find_pair(tmp_path, (28, 28), 10)
    write_idx(tmp_path / "b-images", images)
    with pytest.raises(ValueError, match="holds several sets"):
        find_pair(tmp_path, (28, 28), 10)
    with pytest.raises(ValueError, match="name contains 'images'"):
        find_pair(tmp_path / "a-labels", (28, 28), 10)


def test_confusions_are_truth_by_row():
    table = count_confusions(np.array([0, 0, 1, 0]), np.array([1, 1, 1, 0]), 3)
    assert table.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_the_interval_of_an_accuracy_holds_the_accuracy_and_narrows():
    assert bound_accuracy(9000, 10000) == pytest.approx((0.89397, 0.90573), abs=1e-5)
    low, high = bound_accuracy(10, 10)
    assert 0.7 < low < 0.75
    assert high == pytest.approx(1)
