"""Checkpoint 4: sentiment with an LSTM. The method around the network: splits, baselines, masks, honest comparison.

Fill in the functions, then check:  pycap course check checkpoint4 DIR
Only NumPy is needed.
"""

import numpy as np


def split_sentences(sentences, labels, held_out, seed):
    """Hold out a part of the sentences; the same sentence is never on both sides.

    Two sentences are the same when they have the same words, split at white space, in small letters.

    Args:
        sentences: strings.
        labels: 1 or 0 for each.
        held_out: share to hold out, between 0 and 1. Hold out this share of each label's *different* sentences,
            rounded; all repetitions of a held-out sentence are held out with it.
        seed: the same seed gives the same split, another seed another one.

    Returns:
        Two lists of indices into `sentences`, training and held out, that together hold every index once.
    """
    raise NotImplementedError("split_sentences: your turn")


def tfidf(train, other):
    """Weigh the words of sentences by how much they tell.

    Everything about words is learnt from `train` alone. With n training sentences of which d contain a word, the word's
    weight is `idf = log((1 + n) / (1 + d)) + 1`. An entry is the word's count in the sentence times idf; then each row
    is divided by its length (the square root of the sum of squares); a row without known words stays zero.

    Args:
        train, other: lists of sentences, each a list of words.

    Returns:
        Two arrays, `(len(train), words)` and `(len(other), words)`; the columns are the different words of `train`, in
        alphabetical order.
    """
    raise NotImplementedError("tfidf: your turn")


def reverse_padded(ids, lengths):
    """Turn sentences round for the LSTM that reads from the end.

    Args:
        ids: `(batch, time)`, padded behind each row's end; it must not change.
        lengths: real words of each row, `(batch,)`.

    Returns:
        An array of the same shape, the real part of each row in the opposite order, what lies behind it untouched:
        reverse_padded([[5, 6, 7, 0]], [3]) gives [[7, 6, 5, 0]].
    """
    raise NotImplementedError("reverse_padded: your turn")


def attend(scores, states, lengths):
    """Average the states of each sentence by attention, padding left out.

    The weights of a row are the softmax of its first `lengths` scores, and 0 behind them.

    Args:
        scores: `(batch, time)`; may be as large as 1000, or -1000.
        states: `(batch, time, hidden_dim)`. What lies behind a row's length is arbitrary, even nan.
        lengths: real words of each row, at least 1, `(batch,)`.

    Returns:
        context `(batch, hidden_dim)` and weights `(batch, time)`. The arguments must not change.
    """
    raise NotImplementedError("attend: your turn")


def word_effects(classify, words):
    """Ask a classifier how much each word matters, by leaving it out.

    Args:
        classify: a function from a list of words to a number, the logit of "positive"; it accepts an empty list.
        words: one sentence, a list of words; it must not change.

    Returns:
        A number for each *place* of the sentence: the logit of the whole sentence minus the logit without the word at
        that place. Above 0: the word praises.
    """
    raise NotImplementedError("word_effects: your turn")


def compare(labels, first, second):
    """Say whether the second classifier is better than the first, or just luckier (McNemar's test, exact).

    Look only at sentences where exactly one of the two is right. If both were equally good, each of these n sentences
    would go to either with chance 1/2. With k the smaller of both numbers of wins, the two-sided p-value is
    `min(1, 2 * sum over i = 0 .. k of binomial(n, i) / 2^n)`; with n = 0 it is 1.

    Args:
        labels, first, second: true labels, and what the two classifiers said, `(sentences,)` each. n may be 5,000.

    Returns:
        Accuracy of the first, accuracy of the second, p-value.
    """
    raise NotImplementedError("compare: your turn")


assert np  # you will want it
