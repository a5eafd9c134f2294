"""Checkpoint 4 in another style: torch, loops, logarithms."""

import math
import random as chance
from collections import Counter

import torch


def split_sentences(sentences, labels, held_out, seed):
    names = [tuple(text.lower().split()) for text in sentences]
    draw = chance.Random(seed)
    hidden = set()
    for label in sorted(set(int(x) for x in labels)):
        own = sorted({name for name, value in zip(names, labels, strict=True) if value == label})
        hidden |= set(draw.sample(own, int(held_out * len(own) + 0.5)))
    train, held = [], []
    for i, name in enumerate(names):
        (held if name in hidden else train).append(i)
    return train, held


def tfidf(train, other):
    sentences_with = Counter()
    for words in train:
        sentences_with.update(set(words))
    columns = sorted(sentences_with)
    result = []
    for part in (train, other):
        table = []
        for words in part:
            counts = Counter(words)
            row = [counts[w] * (1 + math.log((1 + len(train)) / (1 + sentences_with[w]))) for w in columns]
            size = math.hypot(*row) or 1.0
            table.append([value / size for value in row])
        result.append(table)
    return result


def reverse_padded(ids, lengths):
    rows = []
    for row, length in zip(ids.tolist(), lengths.tolist(), strict=True):
        rows.append(list(reversed(row[:length])) + row[length:])
    return rows


def attend(scores, states, lengths):
    scores, states = torch.tensor(scores), torch.tensor(states)
    weights = torch.zeros_like(scores)
    context = []
    for i, n in enumerate(lengths.tolist()):
        weights[i, :n] = scores[i, :n].softmax(0)
        context.append(weights[i, :n] @ states[i, :n])
    return torch.stack(context), weights


def word_effects(classify, words):
    effects = []
    for place in range(len(words)):
        rest = [word for i, word in enumerate(words) if i != place]
        effects.append(classify(list(words)) - classify(rest))
    return torch.tensor(effects, dtype=torch.float64)


def compare(labels, first, second):
    one = sum(1 for y, a, b in zip(labels, first, second, strict=True) if a == y and b != y)
    two = sum(1 for y, a, b in zip(labels, first, second, strict=True) if b == y and a != y)
    n = one + two

    def chance_of(i):
        return math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2))

    p = min(1.0, 2 * math.fsum(chance_of(i) for i in range(min(one, two) + 1)))
    size = len(labels)
    return sum(labels == first) / size, sum(labels == second) / size, p
