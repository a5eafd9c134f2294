"""Checkpoint 2: what makes a trained CNN's accuracy true, and what makes it high.

Fill in the functions in any order (each is graded by itself), then:

    pycap course check checkpoint2 DIR

NumPy suffices. Do not change what you are given.
"""

import numpy as np  # noqa: F401


def split_photos(digests, labels, held_out=0.2, seed=0):
    """Split photos into some to learn from and some to be scored on.

    Args:
        digests: list of strings, one a photo; two photos with the same digest are copies of one file.
        labels: list of ints, the class of each photo; copies have the same class.
        held_out: share of each class to hold out.
        seed: the same seed gives the same split, another seed another split.

    Returns:
        two lists of positions, `(train, held)`, each sorted. Together they hold every position exactly once, copies
        are on the same side, and of every class about `held_out` of its photos are held out: the share may be off
        by one photo or by one group of copies, but each class has photos on both sides.
    """
    raise NotImplementedError("split_photos: your turn")


def mirror_half(images, coins):
    """Mirror some pictures left to right.

    Args:
        images: array `(batch, channels, rows, cols)`.
        coins: array of bools `(batch,)`, true where the picture is to be mirrored.

    Returns:
        a new array of the same shape and type; `images` stays as it is.
    """
    raise NotImplementedError("mirror_half: your turn")


def batch_norm(x, scale, shift, running_mean, running_variance, training, momentum=0.1, eps=1e-5):
    """Normalise each channel, then scale and shift it: `scale * (x - mean) / sqrt(variance + eps) + shift`.

    In training, mean and variance are those of the batch, over pictures, rows and columns (the variance divided by
    the count, not by count - 1). Afterwards the running statistics move towards them:
    `running = (1 - momentum) * running + momentum * statistic`. PyTorch puts the variance divided by count - 1 in
    there; here take the same one that was used. Not in training, mean and variance are the running ones, which stay.

    Args:
        x: `(batch, channels, rows, cols)`.
        scale, shift, running_mean, running_variance: `(channels,)`.
        training: True or False.

    Returns:
        `(out, running_mean, running_variance)`, the new running statistics as new arrays.
    """
    raise NotImplementedError("batch_norm: your turn")


def fold_norm(weight, bias, scale, shift, mean, variance, eps=1e-5):
    """Turn a convolution and the batch normalisation behind it, not in training, into one convolution.

    The captioner's CNN is stored like that: `pycap.nn.conv.SameConv2d.load_folded`.

    Args:
        weight: filters `(outputs, inputs, kernel, kernel)`.
        bias: of the convolution, `(outputs,)`.
        scale, shift, mean, variance: of the normalisation, `(outputs,)`.

    Returns:
        `(weight, bias)` of a convolution that alone gives the same outputs.
    """
    raise NotImplementedError("fold_norm: your turn")


def standardise(train, held):
    """Bring features to mean 0 and standard deviation 1, as they are before a dense layer learns from them.

    A held-out photo stands for one that will be met later: nothing may be learned from it, its mean neither.

    Args:
        train: array `(photos, features)`, to learn from.
        held: array `(others, features)`, to be scored on; may have a single row.

    Returns:
        both, changed by the same mean and deviation (divided by the count) of each feature. A feature that is the same
        for all training photos becomes 0 for them, and stays finite for the others.
    """
    raise NotImplementedError("standardise: your turn")


def score_classes(labels, guesses, classes):
    """Count who is taken for whom.

    Args:
        labels: true classes, ints from 0, list or array.
        guesses: guessed classes, as many.
        classes: how many classes there are, also if some do not occur.

    Returns:
        `(table, recall, precision)`: `table[t, g]`, shape `(classes, classes)`, counts photos of class `t` guessed as
        `g`. `recall` `(classes,)`: share of a class's photos that were found. `precision` `(classes,)`: share of the
        guesses of a class that were right. A share of nothing is 0.
    """
    raise NotImplementedError("score_classes: your turn")
