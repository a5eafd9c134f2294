"""Checkpoint 1: the method around a network. Splits, scaling, scores and their doubt, and a classifier of your own.

After each function:

    pycap course check checkpoint1 DIR

NumPy is enough; PyTorch and scikit-learn are welcome.
"""

import numpy as np  # noqa: F401


def split_rows(labels, held_out, seed):
    """Divide rows into those to learn from and those to choose by, the same share of every class in each.

    Of a class with n rows, round(held_out * n) go to the held-out part, drawn at random, and the rest to the other.
    The same seed gives the same split; another seed draws other rows. No row is in both parts, none is lost.

    Args:
        labels: integers (count,), sorted by class or not.
        held_out: share, above 0 and below 1.
        seed: integer; use it for a generator of your own, such as np.random.default_rng(seed), and leave the
            one that all code shares (np.random.seed, np.random.shuffle, ...) alone.

    Returns:
        two arrays of row numbers: to learn from, and held out; in any order.

    Example: labels [0, 0, 0, 0, 1, 1, 1, 1], held_out 0.25: one row of each class is held out, six rows remain.
    """
    raise NotImplementedError("split_rows: your turn")


def scale_pixels(train, other):
    """Bring every pixel to mean 0 and standard deviation 1, without letting anything leak out of `other`.

    Mean and standard deviation (over n, not n - 1) of each pixel are taken from the training rows alone, and used on
    both. A pixel that is the same in all training rows has no deviation to divide by: divide by 1 there.

    Args:
        train: array (count, pixels), integers of 0-255 or floats; leave it as it is.
        other: array (rows, pixels), e.g. the held-out pictures, perhaps only one of them; leave it as it is.

    Returns:
        both, scaled, as floats.

    Example: train [[0, 5], [2, 5]], other [[4, 6]]: [[-1, 0], [1, 0]] and [[3, 1]].
    """
    raise NotImplementedError("scale_pixels: your turn")


def confusion_matrix(labels, answers, classes):
    """Count which class is taken for which.

    Args:
        labels: integers (count,), what the pictures show.
        answers: integers (count,), what the network says.
        classes: number of classes; a class may occur in neither.

    Returns:
        array of integers (classes, classes): in row r and column c, how many pictures of class r were called c.

    Example: labels [0, 0, 1], answers [0, 1, 1], classes 2: [[1, 1], [0, 1]].
    """
    raise NotImplementedError("confusion_matrix: your turn")


def class_scores(confusions):
    """Return each class's precision, recall and F1, and the accuracy.

    Precision of a class: of the pictures that were called it, the share that are it. Recall: of the pictures that
    are it, the share that were called it. F1 = 2 precision recall / (precision + recall). Where a denominator is 0,
    the score is 0. Accuracy: the share of all pictures that were called what they are.

    Args:
        confusions: integers (classes, classes), truth by row, answer by column.

    Returns:
        precision (classes,), recall (classes,), F1 (classes,), accuracy (a number), all from 0 to 1.

    Example: [[1, 1], [0, 2]]: precision [1, 2/3], recall [1/2, 1], F1 [2/3, 4/5], accuracy 3/4.
    """
    raise NotImplementedError("class_scores: your turn")


def accuracy_interval(right, count):
    """Say how sure an accuracy is: Wilson's interval at 95 %.

    With p = right / count, n = count and z = 1.96:

        centre = (p + z**2 / (2 n)) / (1 + z**2 / n)
        half   = z / (1 + z**2 / n) * sqrt(p (1 - p) / n + z**2 / (4 n**2))

    Unlike p +- z sqrt(p (1 - p) / n), it is not empty at 10 right of 10, and never leaves 0..1.

    Args:
        right: number of right answers, 0 to count.
        count: number of pictures, at least 1. Raise ValueError for count below 1, and for right below 0 or above count.

    Returns:
        low and high, centre - half and centre + half.

    Example: 9000 right of 10000: 0.894 to 0.906. Differences of a few tenths of a percent may be chance.
    """
    raise NotImplementedError("accuracy_interval: your turn")


def train_classifier(images, labels, seed):
    """Learn to name small pictures; any method will do that gets at least 94 % of unseen ones right.

    The check gives you 1,297 of scikit-learn's handwritten digits and asks about others. A network with one hidden
    layer gets there within a second; so does your train_network of week 1, if you copy it over.

    Args:
        images: array (count, 8, 8), integers from 0 to 16; leave it as it is.
        labels: integers (count,), 0 to 9. Learn from these: in the check another number stands for each digit.
        seed: of all random numbers; the same seed must give the same answers.

    Returns:
        a function: it takes pictures (number, 8, 8), one or more, as above, leaves them as they are, and returns
        their labels, integers (number,). What it says of a picture must not depend on the other pictures it is
        asked about.
    """
    raise NotImplementedError("train_classifier: your turn")
