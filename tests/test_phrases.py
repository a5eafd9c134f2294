"""Expected CIDEr-D: the scorer's own where a picture's references are known, and never a matter of batches."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from tiny import CONFIG, WORDS, draw_picture, save_checkpoint

from pycap import checkpoint
from pycap.captioner import Captioner
from pycap.checkpoint import CheckpointError
from pycap.config import END, POOLS
from pycap.metrics import References
from pycap.metrics.cider import score_cider
from pycap.phrases import LONGEST, ORDERS, Phrases, check_phrases, join_words
from pycap.text import Vocabulary

CHANNELS = 1280


def list_phrases(sentence: list[int], order: int) -> list[int]:
    """Return the keys of a sentence's phrases, END behind its last word."""
    return join_words(np.array([[*sentence, END]], np.uint64), order)[0].tolist()


def make_phrases(references: list[list[list[int]]]) -> dict[str, np.ndarray]:
    """Return phrases that know the references of picture n, which is channel n of the pooled maximum."""
    pictures = len(references)
    seen = [{} for _ in range(ORDERS)]
    for picture, sentences in enumerate(references):
        for sentence in sentences:
            for order in range(ORDERS):
                for key in list_phrases(sentence, order + 1):
                    seen[order].setdefault(key, set()).add(picture)
    rarity = {key: np.log(pictures / len(where)) for part in seen for key, where in part.items()}
    keys = sorted(rarity)
    weights = np.zeros((len(keys), pictures))
    for picture, sentences in enumerate(references):
        for sentence in sentences:
            for order in range(1, ORDERS + 1):
                found = list_phrases(sentence, order)
                norm = np.sqrt(sum((found.count(key) * rarity[key]) ** 2 for key in set(found))) or 1
                for key in set(found):
                    share = found.count(key) * rarity[key] / norm / len(sentences)
                    weights[keys.index(key), picture] += share
    codes = np.rint(weights / weights.max() * 127)
    projection = np.zeros((POOLS * CHANNELS, pictures), np.int8)
    projection[CHANNELS + np.arange(pictures), np.arange(pictures)] = 1
    return {
        "centre": np.zeros((POOLS, CHANNELS), np.float32),
        "projection": projection,
        "projection.scale": np.ones(pictures, np.float32),
        "keys": np.array(keys, np.uint64),
        "weights": codes.astype(np.int8),
        "weights.scale": np.full(len(keys), weights.max() / 127, np.float32),
        "mean": np.zeros(len(keys), np.float16),
        "rarity": np.array([rarity[key] for key in keys], np.float32),
        "unseen": np.full(ORDERS, np.log(pictures), np.float32),
        "lengths": np.ones(LONGEST + 1, np.float32),
    }


def show(pictures: int) -> np.ndarray:
    """Return pooled maps of pictures that `make_phrases` knows, in the mean's channels what must not matter."""
    pooled = np.random.default_rng(0).random((pictures, POOLS, CHANNELS), np.float32)
    pooled[:, 1] = np.eye(pictures, CHANNELS)
    return pooled


def draw_sentences(random: np.random.Generator, count: int, words: int) -> list[list[int]]:
    """Return sentences of equal length in which no phrase of a reference comes twice."""
    return [(random.permutation(len(WORDS))[:words] + 4).tolist() for _ in range(count)]


def pad(sentences: list[list[int]], longest: int = 12) -> np.ndarray:
    tokens = np.zeros((len(sentences), longest), np.int64)
    for row, sentence in zip(tokens, sentences, strict=True):
        row[: len(sentence)] = sentence
    return tokens


def test_known_references_give_the_scorers_cider_d():
    """Of sentences that say nothing twice, without CIDEr-D's factor for lengths."""
    random = np.random.default_rng(0)
    references = [draw_sentences(random, 3, 8) for _ in range(6)]
    candidates = []
    for sentences in references:
        others = [word for word in random.permutation(len(WORDS)) + 4 if word not in sentences[0][:5]]
        candidates.append([*sentences[0][:5], *others[:3]])
    candidates[2] = references[2][1]
    vocabulary = Vocabulary(WORDS)

    def spell(words: list[int]) -> str:
        return " ".join([*(vocabulary.words[word] for word in words), "end"])

    known = References({number: [spell(words) for words in some] for number, some in enumerate(references)})
    expected = score_cider(*known.count([spell(words) for words in candidates]), known, variant="cider")
    scorer = Phrases(make_phrases(references))
    pooled = show(len(references))
    tokens = pad(candidates)[:, None]
    found = scorer.score(pooled, tokens, np.array([[len(words)] for words in candidates]))
    np.testing.assert_allclose(found[:, 0], expected, atol=0.06)  # weights have 7 bits
    assert found[2] == found.max() > 3


def test_a_phrase_said_twice_counts_once_and_lengthens():
    references = [draw_sentences(np.random.default_rng(seed), 2, 6) for seed in range(4)]
    scorer, pooled = Phrases(make_phrases(references)), show(4)[:1]
    once = references[0][0]
    twice = [*once, *once]
    tokens, lengths = pad([once, twice])[None], np.array([[len(once), len(twice)]])
    right, repeated = scorer.score(pooled, tokens, lengths)[0]
    assert repeated < 0.8 * right


def test_what_stands_behind_a_sentence_counts_for_nothing():
    random = np.random.default_rng(1)
    references = [draw_sentences(random, 2, 6) for _ in range(4)]
    scorer, pooled = Phrases(make_phrases(references)), random.random((3, POOLS, CHANNELS), np.float32)
    sentences = draw_sentences(random, 6, 7)
    tokens, lengths = pad(sentences).reshape(3, 2, -1), np.array([[7, 3], [1, 0], [5, 2]])
    other = np.where(np.arange(tokens.shape[2]) < lengths[..., None], tokens, 9)
    found = scorer.score(pooled, tokens, lengths)
    np.testing.assert_array_equal(scorer.score(pooled, other, lengths), found)
    wide = np.pad(other, ((0, 0), (0, 0), (0, 100_000)))  # with its square, 480 GB
    np.testing.assert_array_equal(scorer.score(pooled, wide, lengths), found)
    nothing = scorer.score(pooled, other, 0 * lengths)
    assert np.isfinite(nothing).all()
    assert (nothing[:, 0] == nothing[:, 1]).all()
    alone = [scorer.score(pooled[n : n + 1], tokens[n : n + 1], lengths[n : n + 1])[0] for n in range(3)]
    np.testing.assert_array_equal(np.stack(alone), found)


def test_arrays_that_do_not_fit_are_refused():
    arrays = make_phrases([draw_sentences(np.random.default_rng(seed), 2, 6) for seed in range(4)])
    check_phrases(arrays, CHANNELS)
    with pytest.raises(ValueError, match=r"phrases: centre must be \(2, 640\), got \(2, 1280\)"):
        check_phrases(arrays, 640)
    with pytest.raises(ValueError, match="phrases: keys must be uint64 and ascend"):
        check_phrases({**arrays, "keys": arrays["keys"][::-1]})
    with pytest.raises(ValueError, match=r"phrases: mean must be \(\d+,\), got \(3,\)"):
        check_phrases({**arrays, "mean": arrays["mean"][:3]})
    for name in arrays:
        with pytest.raises(ValueError, match=rf"phrases: {re.escape(name)} "):
            check_phrases({key: array for key, array in arrays.items() if key != name})


@pytest.fixture
def folder(tmp_path):
    """A checkpoint that expects the same of every picture: each word with a weight of its own, no longer phrase."""
    saved = save_checkpoint(tmp_path / "tiny")
    words = [word for word in range(4, len(WORDS) + 4)]
    arrays = make_phrases([[[word]] for word in words])
    arrays |= {
        "projection": np.zeros_like(arrays["projection"]),
        "mean": np.zeros(len(arrays["keys"]), np.float16),
    }
    arrays["mean"][np.isin(arrays["keys"], words)] = np.random.default_rng(3).random(len(words))
    checkpoint.add_phrases(saved, arrays)
    return saved


def test_the_best_of_the_beam_is_the_likeliest_that_phrases_speak_for(folder):
    captioner = Captioner.load(folder)
    pictures = [draw_picture(seed) for seed in range(6)]
    likely = captioner(pictures, n_best=5, phrase_weight=0)
    assert all(list(c.n_best) == sorted(c.n_best, key=lambda pair: -pair[1]) for c in likely)
    moved = 0
    for weight in (0.1, 1.0, 100.0):
        for before, after in zip(likely, captioner(pictures, n_best=5, phrase_weight=weight), strict=True):
            assert sorted(before.n_best) == sorted(after.n_best)
            worth = [score + weight * expect(captioner, text) for text, score in after.n_best]
            assert worth == sorted(worth, reverse=True)
            assert (after.text, after.score) == after.n_best[0]
            assert " ".join(after.words) == after.text
            assert len(after.attention) == len(after.words)
            moved += after.text != before.text
    assert 0 < moved < 18
    first = captioner(pictures, phrase_weight=1.0)
    assert [c.text for c in first] == [
        c.n_best[0][0] for c in captioner(pictures, n_best=3, phrase_weight=1.0)
    ]


def expect(captioner: Captioner, text: str) -> float:
    """Return what the phrases of `folder` expect of a sentence, whatever the picture."""
    words = [captioner.checkpoint.vocabulary.words.index(word) for word in text.split()]
    scorer = Phrases(captioner.checkpoint.phrases)
    seen = np.ones((1, POOLS, CHANNELS), np.float32)
    return scorer.score(seen, pad([words])[None], np.array([[len(words)]]))[0, 0]


def test_without_phrases_their_weight_changes_nothing(tmp_path):
    captioner = Captioner.load(save_checkpoint(tmp_path / "plain"))
    one, other = (captioner(draw_picture(0), n_best=4, phrase_weight=weight).n_best for weight in (0, 50))
    assert one == other


def test_a_copy_keeps_phrases_and_a_torn_file_is_one_line(folder, tmp_path):
    checkpoint.export(folder, tmp_path / "copy")
    copied = checkpoint.load(tmp_path / "copy").phrases
    for name, array in checkpoint.load(folder).phrases.items():
        np.testing.assert_array_equal(copied[name], array)
    torn = tmp_path / "copy" / checkpoint.PHRASES
    torn.write_bytes(torn.read_bytes()[:-9])
    wanted = (
        r"copy/phrases\.safetensors: torn, or of another version: .*; train again, or move it away to go by"
    )
    with pytest.raises(CheckpointError, match=wanted) as error:
        checkpoint.load(tmp_path / "copy")
    assert len(str(error.value).splitlines()) == 1
    checkpoint.add_phrases(tmp_path / "copy", {**copied, "centre": copied["centre"][0]})
    with pytest.raises(CheckpointError, match=r"centre must be \(2, 1280\), got \(1280,\); train again"):
        checkpoint.load(tmp_path / "copy")
    torn.unlink()
    assert checkpoint.load(tmp_path / "copy").phrases is None


def test_settings_bound_the_weight():
    search = dataclasses.replace(CONFIG.search, phrase_weight=-1.0)
    with pytest.raises(ValueError, match=r"search\.phrase_weight must be from 0 to 100, got -1\.0"):
        dataclasses.replace(CONFIG, search=search).check()
