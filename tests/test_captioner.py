"""The Python interface: anything that is a picture goes in, plain captions come out."""

from __future__ import annotations

import dataclasses
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tiny import CONFIG, GRID, draw_picture, save_checkpoint

import pycap
from pycap.captioner import Caption, Captioner
from pycap.checkpoint import CheckpointError
from pycap.data.images import ImageError
from pycap.ops import library

ATTENTION = 2e-4  # float32 through a CNN in another order, then random weights that magnify it; observed 4e-5


@pytest.fixture(params=library.BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Both engines: each keeps every promise of this file."""
    if request.param == "native" and not library.native_available():
        pytest.skip(library.missing_reason())
    return request.param


def assert_same(left: Caption, right: Caption) -> None:
    assert (left.text, left.words) == (right.text, right.words)
    np.testing.assert_allclose(left.attention, right.attention, atol=ATTENTION)
    np.testing.assert_allclose(left.encoder_attention, right.encoder_attention, atol=ATTENTION)
    assert [text for text, _ in left.n_best] == [text for text, _ in right.n_best]
    np.testing.assert_allclose([s for _, s in left.n_best], [s for _, s in right.n_best], atol=1e-4)


def encode_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_public_names_are_there():
    assert pycap.Captioner is Captioner
    assert set(pycap.__all__) <= set(dir(pycap))
    with pytest.raises(AttributeError, match="no attribute 'Capshun'"):
        pycap.Capshun  # noqa: B018


def test_caption_holds_plain_consistent_values(captioner):
    caption = captioner(draw_picture(0), n_best=3)
    assert str(caption) == caption.text == " ".join(caption.words)
    assert caption.n_best[0] == (caption.text, caption.score)
    assert len(caption.n_best) == 3
    assert [score for _, score in caption.n_best] == sorted((s for _, s in caption.n_best), reverse=True)
    assert type(caption.score) is float
    assert caption.attention.shape == (len(caption.words), GRID, GRID)
    assert caption.attention.dtype == caption.encoder_attention.dtype == np.float32
    np.testing.assert_allclose(caption.attention.sum((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(caption.encoder_attention.sum(1), 1, atol=1e-5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        caption.text = "another"


def test_every_kind_of_input_gives_the_same_caption(captioner, tmp_path):
    picture = draw_picture(1)
    picture.save(tmp_path / "a.png")
    data = encode_png(picture)
    expected = captioner(picture)
    inputs = [tmp_path / "a.png", str(tmp_path / "a.png"), np.asarray(picture), data, io.BytesIO(data)]
    for same in inputs:
        assert_same(captioner(same), expected)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_a_list_gives_what_its_pictures_give_alone(captioner, batch_size):
    pictures = [draw_picture(seed) for seed in range(7)]
    captions = captioner(pictures, batch_size=batch_size, beam=4, n_best=2)
    assert len({caption.text for caption in captions}) > 2, "pictures must matter, or this test shows nothing"
    for picture, caption in zip(pictures, captions, strict=True):
        assert_same(caption, captioner(picture, beam=4, n_best=2))


def test_an_encoded_batch_can_be_searched_again_and_again(captioner, tmp_path):
    pictures = [draw_picture(0), tmp_path / "absent.jpg", draw_picture(1), draw_picture(2)]
    batches = list(captioner.encode_each(pictures, batch_size=2, ahead=0))
    assert [len(batch.problems) for batch in batches] == [2, 2]
    for beam in (1, 3, 1):
        found = [result for batch in batches for result in captioner.search_batch(batch, beam=beam)]
        assert isinstance(found[1], ImageError)
        for place in (0, 2, 3):
            assert_same(found[place], captioner(pictures[place], beam=beam))


def test_a_batch_without_a_readable_picture_gives_its_problems(captioner, tmp_path):
    (batch,) = captioner.encode_each([tmp_path / "absent.jpg"])
    assert batch.features is None
    assert captioner.search_batch(batch) == list(batch.problems)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"ahead": -1}, "ahead must be at least 0, got -1"),
    ],
)
def test_wrong_settings_of_encoding_are_refused_at_once(captioner, settings, message):
    with pytest.raises(ValueError, match=message):
        captioner.encode_each([], **settings)


def test_an_empty_list_gives_an_empty_list(captioner):
    assert captioner([]) == []


def test_threads_share_one_captioner(tiny_checkpoint, backend):
    pictures = [draw_picture(seed) for seed in range(12)]
    expected = Captioner.load(tiny_checkpoint, backend=backend)(pictures, batch_size=1)
    shared = Captioner.load(tiny_checkpoint, backend=backend)
    together = threading.Barrier(6)

    def work(_: int) -> list[Caption]:
        together.wait()  # all meet the cold model at once
        return shared(pictures, batch_size=1)

    with ThreadPoolExecutor(6) as pool:
        for captions in pool.map(work, range(6)):
            for found, wanted in zip(captions, expected, strict=True):
                assert_same(found, wanted)


def test_a_stream_goes_on_after_a_broken_picture(captioner, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    pictures = [draw_picture(0), tmp_path / "broken.jpg", draw_picture(1), tmp_path / "absent.jpg"]
    results = list(captioner.caption_each(pictures, batch_size=2))
    assert [type(result) for result in results] == [Caption, ImageError, Caption, ImageError]
    assert "broken.jpg" in str(results[1])
    assert "absent.jpg: no such file" in str(results[3])
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        captioner(pictures)


def test_a_stream_takes_pictures_only_as_it_needs_them(captioner):
    taken = []

    def endless():
        while True:
            taken.append(draw_picture(len(taken)))
            yield taken[-1]

    stream = captioner.caption_each(endless(), batch_size=2)
    assert isinstance(next(stream), Caption)
    assert len(taken) <= 6
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("pycap-read")]
    assert readers
    stream.close()
    for reader in readers:
        reader.join(10)
        assert not reader.is_alive()


def test_pictures_are_read_while_the_model_works(captioner, monkeypatch):
    reading = threading.Event()
    engine = captioner._engine
    original = engine.search

    def slow_search(*args):
        assert reading.wait(10), "no picture was read while the model worked"
        return original(*args)

    def pictures():
        yield draw_picture(0)
        yield SignallingFile(reading)

    monkeypatch.setattr(engine, "search", slow_search)
    assert len(list(captioner.caption_each(pictures(), batch_size=1))) == 2


class SignallingFile(io.BytesIO):
    """A picture file that tells when it is read."""

    def __init__(self, event: threading.Event):
        super().__init__(encode_png(draw_picture(1)))
        self.event = event

    def read(self, *args):
        self.event.set()
        return super().read(*args)


def test_search_settings_reach_the_search(captioner):
    picture = draw_picture(0)
    assert len(captioner(picture, max_length=3, beam=1).words) <= 3
    assert len(captioner(picture).words) <= CONFIG.search.max_length
    pictures = [draw_picture(seed) for seed in range(6)]
    short, long = (captioner(pictures, length_penalty=penalty, beam=8) for penalty in (0.0, 2.0))
    assert sum(len(caption.words) for caption in short) < sum(len(caption.words) for caption in long)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_best": 6, "beam": 5}, r"n_best must be from 1 to beam=5, got 6; widen the beam"),
        ({"n_best": 0}, r"n_best must be from 1"),
        ({"beam": 0}, r"beam must be from 1 to 1000, got 0"),
        ({"beam": 99_999}, r"beam must be from 1 to 1000, got 99999"),
        ({"phrase_weight": 1e308}, r"phrase_weight must be from 0 to 100, got 1e\+308"),
        ({"length_penalty": float("nan")}, r"length_penalty must be from 0 to 100, got nan"),
        ({"max_length": 0}, r"max_length must be from 1 to 1000, got 0"),
        ({"batch_size": 0}, r"batch_size must be at least 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(captioner, settings, message):
    with pytest.raises(ValueError, match=message):
        captioner(draw_picture(0), **settings)


def test_a_model_without_encoder_attention_says_none(tmp_path, backend):
    plain = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, encoder_layers=0))
    caption = Captioner.load(save_checkpoint(tmp_path / "plain", plain), backend=backend)(draw_picture(0))
    assert caption.encoder_attention is None
    assert caption.text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"junk"), "broken checkpoint"),
        (lambda folder: (folder / "vocab.json").write_text('["a"]'), "broken checkpoint"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_line(tmp_path, damage, message):
    folder = save_checkpoint(tmp_path / "damaged")
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as raised:
        Captioner.load(folder, backend="reference")
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_kernels_warn_once_and_captions_still_come(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(library, "cpu", None)
    with pytest.warns(UserWarning, match="`pycap info` says why and how to build") as caught:
        captioner = Captioner.load(tiny_checkpoint)
    assert [warning.filename for warning in caught] == [__file__]
    assert len(captioner([draw_picture(0), draw_picture(1)])) == 2  # a second warning would be an error
    with pytest.raises(RuntimeError, match="_cpu is missing"):
        Captioner.load(tiny_checkpoint, backend="native")


def test_unknown_backend_is_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="backend must be one of native, reference, got 'fast'"):
        Captioner.load(tiny_checkpoint, backend="fast")
