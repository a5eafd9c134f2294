"""Right answers to checkpoint 2."""

import numpy as np


def split_photos(digests, labels, held_out=0.2, seed=0):
    generator = np.random.default_rng(seed)
    held = []
    for label in sorted(set(labels)):
        groups = {}
        for place, digest in enumerate(digests):
            if labels[place] == label:
                groups.setdefault(digest, []).append(place)
        groups = list(groups.values())
        wanted = held_out * sum(len(group) for group in groups)
        taken = []
        for number in generator.permutation(len(groups))[:-1]:
            if len(taken) + 0.5 > wanted and taken:
                break
            taken += groups[number]
        held += taken
    train = sorted(set(range(len(labels))) - set(held))
    return train, sorted(held)


def mirror_half(images, coins):
    out = images.copy()
    out[coins] = images[coins][..., ::-1]
    return out


def batch_norm(x, scale, shift, running_mean, running_variance, training, momentum=0.1, eps=1e-5):
    mean, variance = running_mean, running_variance
    if training:
        mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_variance = (1 - momentum) * running_variance + momentum * variance
    factor = scale / np.sqrt(variance + eps)
    out = (x - mean[:, None, None]) * factor[:, None, None] + shift[:, None, None]
    return out, running_mean.copy(), running_variance.copy()


def fold_norm(weight, bias, scale, shift, mean, variance, eps=1e-5):
    factor = scale / np.sqrt(variance + eps)
    return weight * factor[:, None, None, None], (bias - mean) * factor + shift


def standardise(train, held):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return (train - mean) / deviation, (held - mean) / deviation


def score_classes(labels, guesses, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (np.asarray(labels), np.asarray(guesses)), 1)
    hits = np.diag(table)
    recall = hits / np.maximum(table.sum(axis=1), 1)
    precision = hits / np.maximum(table.sum(axis=0), 1)
    return table, recall, precision
