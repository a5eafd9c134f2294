"""Wrong solutions to checkpoint 1 that students hand in: task, text of the right solution, what they wrote instead."""

MUTANTS = [
    ("split_rows", "rng.permutation(np.flatnonzero(labels == label))", "np.flatnonzero(labels == label)"),
    ("split_rows", "np.random.default_rng(seed)\n    learn", "np.random.default_rng()\n    learn"),
    (
        "split_rows",
        "rng = np.random.default_rng(seed)\n    learn",
        "rng = np.random.RandomState(0)\n    learn",
    ),
    ("split_rows", "learn.append(rows[cut:])", "learn.append(rows)"),
    ("split_rows", "round(held_out * len(rows))", "int(held_out * len(rows))"),
    (
        "split_rows",
        "rng = np.random.default_rng(seed)\n    learn",
        "rng = np.random\n    rng.seed(seed)\n    learn",
    ),
    (
        "split_rows",
        "rng.permutation(np.flatnonzero(labels == label))",
        "np.roll(np.flatnonzero(labels == label), rng.integers(1000))",
    ),
    (
        "split_rows",
        "return np.concatenate(learn), np.concatenate(choose)",
        "return np.concatenate(choose), np.concatenate(learn)",
    ),
    (
        "split_rows",
        "return np.concatenate(learn), np.concatenate(choose)",
        "return labels[np.concatenate(learn)], labels[np.concatenate(choose)]",
    ),
    ("split_rows", "for label in np.unique(labels):", "for label in range(3):"),
    (
        "split_rows",
        "    learn, choose = [], []\n",
        "    rows = rng.permutation(len(labels))\n    cut = round(held_out * len(rows))\n"
        "    return rows[cut:], rows[:cut]\n    learn, choose = [], []\n",
    ),
    (
        "split_rows",
        "        rows = rng.permutation",
        "        rng = np.random.default_rng(seed)\n        rows = rng.permutation",
    ),
    (
        "scale_pixels",
        "(other - mean) / spread",
        "(other - other.mean(axis=0)) / np.maximum(other.std(axis=0), 1)",
    ),
    ("scale_pixels", "spread = np.where(spread == 0, 1, spread)", "spread = spread"),
    ("scale_pixels", "spread = np.where(spread == 0, 1, spread)", "spread = spread + 1e-3"),
    ("scale_pixels", "train.mean(axis=0), train.std(axis=0)", "train.mean(), train.std()"),
    ("scale_pixels", "train.std(axis=0)", "train.std(axis=0, ddof=1)"),
    ("scale_pixels", "spread == 0", "spread < 0.1"),
    (
        "scale_pixels",
        "mean, spread = train.mean(axis=0), train.std(axis=0)",
        "both = np.concatenate([train, other])\n    mean, spread = both.mean(axis=0), both.std(axis=0)",
    ),
    ("scale_pixels", "(other - mean) / spread", "other / spread - mean"),
    ("confusion_matrix", "(labels, answers)", "(answers, labels)"),
    ("confusion_matrix", "np.add.at(table, (labels, answers), 1)", "table[labels, answers] += 1"),
    (
        "confusion_matrix",
        "np.zeros((classes, classes), dtype=int)",
        "np.zeros((max(labels) + 1,) * 2, dtype=int)",
    ),
    ("confusion_matrix", "return table", "return table / max(1, table.sum())"),
    ("confusion_matrix", "dtype=int", "dtype=float"),
    ("confusion_matrix", "dtype=int", "dtype=np.uint8"),
    (
        "class_scores",
        "precision = right / np.maximum(confusions.sum(axis=0), 1)",
        "precision = right / np.maximum(confusions.sum(axis=1), 1)",
    ),
    ("class_scores", "np.maximum(confusions.sum(axis=0), 1)", "confusions.sum(axis=0)"),
    ("class_scores", "2 * precision * recall / np.where(both == 0, 1, both)", "both / 2"),
    ("class_scores", "np.where(both == 0, 1, both)", "both"),
    ("class_scores", "right.sum() / confusions.sum()", "recall.mean()"),
    ("class_scores", "np.maximum(confusions.sum(axis=1), 1)", "confusions.sum()"),
    ("accuracy_interval", "if count < 1 or not 0 <= right <= count:", "if False:"),
    ("accuracy_interval", "not 0 <= right <= count", "right < 0"),
    ("accuracy_interval", "centre = (p + z**2 / (2 * count)) / scale", "centre = p"),
    ("accuracy_interval", "z**2 / (4 * count**2)", "z**2 / (4 * count)"),
    ("accuracy_interval", "half = z / scale", "half = z"),
    (
        "accuracy_interval",
        "return centre - half, centre + half",
        "return p - z * np.sqrt(p * (1 - p) / count), p + z * np.sqrt(p * (1 - p) / count)",
    ),
    ("accuracy_interval", "return centre - half, centre + half", "return centre, half"),
    ("train_classifier", "/ 16 - mean\n", "/ 16\n        pixels = pixels - pixels.mean(axis=0)\n"),
    ("train_classifier", "rng = np.random.default_rng(seed)\n    x", "rng = np.random.default_rng()\n    x"),
    (
        "train_classifier",
        "pictures.reshape(len(pictures), -1) / 16 - mean",
        "pictures.reshape(len(pictures), -1) - mean",
    ),
    ("train_classifier", ".argmax(axis=1)\n\n    return name", "\n\n    return name"),
    ("train_classifier", "/ 16 - mean\n", "/ pictures.max() - mean\n"),
    (
        "train_classifier",
        ".argmax(axis=1)\n\n    return name",
        ".argmax(axis=1).squeeze()\n\n    return name",
    ),
    (
        "train_classifier",
        "    return name",
        "    from sklearn import datasets, neighbors\n\n    digits = datasets.load_digits()\n"
        "    known = neighbors.KNeighborsClassifier(1).fit(digits.data, digits.target)\n"
        "    return lambda pictures: known.predict(pictures.reshape(len(pictures), -1))",
    ),
    ("train_classifier", "    return name", "    return name(images)"),
    (
        "train_classifier",
        "    x = images.reshape(len(images), -1) / 16\n",
        "    x = images.reshape(len(images), -1) / 16\n    labels -= labels.min() - 1\n    labels %= 10\n",
    ),
]
