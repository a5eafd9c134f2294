"""The same answers in other styles: loops, lists, dictionaries, torch, float32, a class."""

import random
from collections import Counter, defaultdict

import numpy as np
import torch


def split_photos(digests, labels, held_out=0.2, seed=0):
    by_class = defaultdict(dict)
    for i, (digest, label) in enumerate(zip(digests, labels, strict=True)):
        by_class[label].setdefault(digest, []).append(i)
    chance, sides = random.Random(seed), ([], [])
    for groups in by_class.values():
        groups = list(groups.values())
        chance.shuffle(groups)
        total = sum(map(len, groups))
        held = list(groups[0])
        for group in groups[1:]:
            fits = len(held) + len(group) <= held_out * total
            (held if fits else sides[0]).extend(group)
        sides[1].extend(held)
    return np.array(sorted(sides[0])), tuple(sorted(sides[1]))


def mirror_half(images, coins):
    return np.where(coins[:, None, None, None], np.flip(images, axis=3), images)


class Norm:
    def __call__(self, x, scale, shift, running_mean, running_variance, training, momentum=0.1, eps=1e-5):
        out = torch.empty(x.shape, dtype=torch.float32)
        means, variances = [], []
        for c in range(x.shape[1]):
            channel = torch.tensor(x[:, c], dtype=torch.float32)
            mean = channel.mean() if training else torch.tensor(running_mean[c])
            variance = channel.var(unbiased=False) if training else torch.tensor(running_variance[c])
            out[:, c] = (channel - mean) / (variance + eps).sqrt() * scale[c] + shift[c]
            keep = 1 - momentum if training else 1
            means.append(keep * running_mean[c] + (1 - keep) * float(mean))
            variances.append(keep * running_variance[c] + (1 - keep) * float(variance))
        return [out, means, variances]


batch_norm = Norm()


def fold_norm(weight, bias, scale, shift, mean, variance, eps=1e-5):
    new, added = [], []
    for o in range(len(weight)):
        root = (variance[o] + eps) ** 0.5
        new.append((weight[o] * scale[o] / root).tolist())
        added.append(shift[o] + scale[o] * (bias[o] - mean[o]) / root)
    return new, added


def standardise(train, held):
    columns, others = [], []
    for old, other in zip(train.T, held.T, strict=True):
        mean, deviation = np.mean(old), max(float(np.std(old)), 1e-12)
        columns.append((old - mean) / deviation)
        others.append((other - mean) / deviation)
    return np.stack(columns, axis=1), np.stack(others, axis=1)


def score_classes(labels, guesses, classes):
    pairs = Counter((int(t), int(g)) for t, g in zip(labels, guesses, strict=True))
    table = [[float(pairs[t, g]) for g in range(classes)] for t in range(classes)]
    recall, precision = [], []
    for k in range(classes):
        of, said = sum(table[k]), sum(row[k] for row in table)
        recall.append(table[k][k] / of if of else 0)
        precision.append(table[k][k] / said if said else 0)
    return table, recall, precision
