"""Week 4: skip-gram by hand agrees with autograd, vectors learn who stands beside whom, phrases are said backwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pycap.config import END, PAD
from pycap.course.lab import Lab
from pycap.course.scratch.embedding import (
    SkipGram,
    nearest,
    negative_samples,
    noise_distribution,
    skip_gram_pairs,
)
from pycap.course.units import find_unit
from pycap.course.week4 import experiment, reversal
from pycap.course.week4.embeddings import count, encode, learn
from pycap.text import Vocabulary


def test_skip_gram_gradients_agree_with_autograd_also_for_repeated_words():
    random = np.random.default_rng(0)
    model = SkipGram(6, 4, random)
    model.centre, model.neighbour = random.normal(size=(2, 6, 4))
    centres, neighbours = np.array([1, 1, 2, 5]), np.array([2, 3, 2, 1])
    negatives = np.array([[3, 3], [2, 0], [1, 4], [2, 2]])
    centre, neighbour = (torch.tensor(t, requires_grad=True) for t in (model.centre, model.neighbour))
    near = (centre[centres] * neighbour[neighbours]).sum(1)
    far = (centre[centres][:, None] * neighbour[negatives]).sum(2)
    expected = -(torch.nn.functional.logsigmoid(near) + torch.nn.functional.logsigmoid(-far).sum(1)).mean()
    expected.backward()
    loss, kept = model.forward(centres, neighbours, negatives)
    assert loss == pytest.approx(expected.item())
    model.step(model.backward(kept), rate=0.1)
    torch.testing.assert_close(torch.from_numpy(model.centre), (centre - 0.1 * centre.grad).detach())
    torch.testing.assert_close(torch.from_numpy(model.neighbour), (neighbour - 0.1 * neighbour.grad).detach())


def test_pairs_are_of_places_and_end_with_the_sentence():
    assert sorted(skip_gram_pairs([5, 5, 6], 1)) == [(5, 5), (5, 5), (5, 6), (6, 5)]
    assert skip_gram_pairs([4], 3) == []


def test_negatives_are_never_the_neighbour_and_never_unseen_words():
    noise = noise_distribution(np.array([0, 0, 0, 0, 9, 3, 0, 1]))
    neighbours = np.repeat([4, 5, 7], 50)
    drawn = negative_samples(np.random.default_rng(0), noise, neighbours, 20)
    assert drawn.shape == (150, 20)
    assert not (drawn == neighbours[:, None]).any()
    assert set(np.unique(drawn)) == {4, 5, 7}


def test_one_word_has_no_negatives():
    with pytest.raises(ValueError, match="at least two words"):
        negative_samples(np.random.default_rng(0), np.array([0.0, 1.0]), np.array([1]), 2)


def test_words_in_the_same_places_become_neighbours():
    random = np.random.default_rng(0)
    things = [f"thing{i}" for i in range(40)]  # two halves, each beside its own kind of word
    sentences = []
    for i in random.integers(0, 40, 3000):
        kind = "alive" if i < 20 else "driven"
        sentences.append(f"{kind}{random.integers(9)} {things[i]} {kind}{random.integers(9)}")
    vocabulary = Vocabulary.build(sentences, min_count=1)
    encoded = encode(sentences, vocabulary)
    vectors, losses = learn(encoded, len(vocabulary), 16, epochs=30, seed=0)
    assert losses[-1] < losses[0]
    assert count(encoded, len(vocabulary))[:4].sum() == 0
    rows = [vocabulary.words.index(word) for word in things]
    near = [rows.index(row) for row, _ in nearest(vectors, rows[0], 12) if row in rows]
    assert len(near) >= 5
    assert all(i < 20 for i in near)


def test_nearest_leaves_the_word_itself_out():
    table = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.0, 0.0]])
    assert [row for row, _ in nearest(table, 0, 2)] == [1, 2]


def test_a_padded_batch_keeps_lengths():
    ids, lengths = reversal.pad([[7, END], [8, 9, END]])
    assert ids.tolist() == [[7, END, PAD], [8, 9, END]]
    assert lengths.tolist() == [2, 3]


def test_padding_does_not_change_what_the_translator_says():
    network = reversal.Translator(12)
    alone = network.write(*reversal.pad([[5, 6]]))
    together = network.write(*reversal.pad([[5, 6], [7, 8, 9, 10, 11]]))
    assert alone[0] == together[0]


def test_short_phrases_are_learnt_backwards():
    random = np.random.default_rng(0)
    phrases = [random.integers(4, 9, random.integers(2, 4)).tolist() for _ in range(1000)]
    network = reversal.fit(phrases, 9, epochs=10, seed=0)
    right, said = reversal.score(network, phrases[:200])
    assert right.mean() > 0.9
    assert said[0] == phrases[0][::-1] or not right[0]


def test_phrases_are_different_and_of_all_lengths():
    encoded = [np.random.default_rng(i).integers(4, 30, 14).tolist() for i in range(40)]
    phrases = reversal.cut_phrases(encoded, 200, np.random.default_rng(0))
    assert len({tuple(phrase) for phrase in phrases}) == 200
    assert {len(phrase) for phrase in phrases} == set(range(2, reversal.LONGEST + 1))


def test_a_folder_with_neither_data_set_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"stsa\.binary\.train"):
        experiment.run(Lab(find_unit("week4"), tmp_path / "out", quick=True, data=tmp_path))
