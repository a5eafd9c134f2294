"""Slow searches with plain answers, to which the autograder compares a beam search."""

from __future__ import annotations

from itertools import product

import numpy as np


def search_all(step, start, end, max_length, power):
    """Return the best of all sentences there are, with its score."""
    size = len(step([start]))
    best = ([], -np.inf)
    for count in range(max_length + 1):
        for words in product([token for token in range(size) if token != end], repeat=count):
            tokens, total = [start], 0.0
            for word in words:
                total += step(list(tokens))[word]
                tokens.append(word)
            if count < max_length:
                total += step(list(tokens))[end]
            score = total / (count + 1) ** power
            if score > best[1]:
                best = (list(words), score)
    return best


def search_by_the_rules(step, start, end, beam, max_length, power):
    """Return what the rules of the task lead to."""
    live, done = {(start,): 0.0}, {}
    for _ in range(max_length):
        every = {
            (*old, new): total + value
            for old, total in live.items()
            for new, value in enumerate(step(list(old)))
        }
        ranked = sorted((key for key in every if every[key] > -np.inf), key=every.get, reverse=True)[:beam]
        done |= {key: every[key] for key in ranked if key[-1] == end}
        live = {key: every[key] for key in ranked if key[-1] != end}
    done |= live
    scores = {key: total / (len(key) - (key[-1] == end)) ** power for key, total in done.items()}
    best = max(scores, key=scores.get)
    return [word for word in best[1:] if word != end], scores[best]


def make_step(seed, size, end=0, end_bias=0.0):
    """Return a step function whose distribution depends on the last two tokens and the length."""

    def step(tokens):
        last = [int(token) for token in tokens[-2:]]
        random = np.random.default_rng([seed, len(tokens), *last])
        scores = random.normal(size=size) * 2
        scores[end] += end_bias
        return scores - np.log(np.exp(scores).sum())

    return step
