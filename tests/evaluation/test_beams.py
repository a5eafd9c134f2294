"""A sweep encodes every picture once, times each beam by itself, and changes no caption."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import draw_picture

from pycap.data.dataset import CaptionDataset, Example
from pycap.evaluation import evaluate, sweep


@pytest.fixture
def dataset(tmp_path) -> CaptionDataset:
    """Five dev pictures, the second unreadable."""
    examples = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        draw_picture(number).save(path)
        examples.append(Example(path, (f"a red dog runs {number}", "a cat"), "dev", number))
    examples[1].image.write_bytes(b"no picture")
    return CaptionDataset("blocks", tuple(examples))


def test_each_picture_is_encoded_once_whatever_the_beams(captioner, dataset, monkeypatch):
    shown = []
    encode = captioner._engine.encode
    monkeypatch.setattr(captioner._engine, "encode", lambda made: shown.append(len(made)) or encode(made))
    done = []
    found = sweep(captioner, dataset, "dev", [1, 2, 3], meteor=False, batch_size=2, progress=done.append)
    assert sum(shown[3:]) == 4  # three before the clock starts
    assert done == [2, 2, 1]
    assert [evaluation.scores["beam"] for evaluation in found] == [1, 2, 3]


def test_beams_of_a_sweep_say_what_they_say_alone(captioner, dataset):
    for evaluation in sweep(captioner, dataset, "dev", [1, 3], meteor=False, max_length=6):
        alone = evaluate(
            captioner, dataset, "dev", meteor=False, beam=evaluation.scores["beam"], max_length=6
        )
        assert evaluation.captions == alone.captions
        assert evaluation.sentences == alone.sentences
        assert len(evaluation.failures) == 1
        assert "1.png" in evaluation.failures[0]
        assert list(evaluation.captions) == [0, 2, 3, 4]


def test_attention_is_kept_only_when_asked_for(captioner, dataset):
    assert evaluate(captioner, dataset, "dev", meteor=False).found == {}
    kept = evaluate(captioner, dataset, "dev", meteor=False, keep=True)
    for image, caption in kept.found.items():
        assert caption.text == kept.captions[image]
        assert len(caption.attention) == len(caption.words)


def test_speed_counts_the_search_and_the_whole(captioner, dataset, monkeypatch):
    clock = iter(np.arange(0, 100, 1.0))  # every look at the clock takes a second
    monkeypatch.setattr("pycap.evaluation.beams.perf_counter", lambda: next(clock))
    (found,) = sweep(captioner, dataset, "dev", [2], meteor=False, batch_size=5)
    # looks: beginning, search starts, search ends, all done: 3 seconds, 1 of them the search
    assert found.scores["searches_per_second"] == 4
    assert found.scores["captions_per_second"] == 4 / 3


def test_the_worst_caption_ranks_first(captioner, dataset):
    found = evaluate(captioner, dataset, "dev", meteor=False)
    ranked = [found.sentences[example.id]["cider"] for example in found.ranked()]
    assert ranked == sorted(found.sentences[image]["cider"] for image in found.captions)


@pytest.mark.parametrize("beams", [[], [2, 2]])
def test_beams_must_be_different(captioner, dataset, beams):
    with pytest.raises(ValueError, match="beams must be different numbers, at least one, got"):
        sweep(captioner, dataset, "dev", beams)


def test_a_split_of_unreadable_pictures_is_one_line(captioner, dataset):
    for example in dataset:
        example.image.unlink()
    with pytest.raises(ValueError, match=r"no picture of split 'dev' could be read; first: .*0\.png"):
        evaluate(captioner, dataset, "dev", meteor=False)


def test_missing_java_is_said_once_in_a_sweep(captioner, dataset, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = sweep(captioner, dataset, "dev", [1, 2, 3], spice=True)
    assert [evaluation.scores["meteor"] for evaluation in found] == [None] * 3
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["METEOR", "SPICE"]
