"""What the autograder asks of checkpoint 2's assignments."""

from __future__ import annotations

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_unchanged


def check_split_photos(split_photos):
    generator = np.random.default_rng(0)
    sizes = (40, 25, 10, 5)
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    digests = [f"photo {number}" for number in range(len(labels))]
    for first, copies in ((0, 3), (45, 2), (66, 2), (76, 2)):  # copies, some far from each other
        for copy in range(1, copies):
            digests[first + copy * 2] = digests[first]
    order = generator.permutation(len(labels)).tolist()
    cases = (
        ("80 photos sorted by class, some of them copies", digests, labels, 0.2),
        (
            "80 photos in mixed order, some of them copies",
            [digests[i] for i in order],
            [labels[i] for i in order],
            0.2,
        ),
        ("80 photos, none of them copies", [str(i) for i in order], [labels[i] for i in order], 0.4),
    )
    for words, names, classes, share in cases:
        given = f"split_photos({words}, held_out={share}, seed=1)"
        before = (list(names), list(classes))
        train, held = _take_two(split_photos(names, classes, share, 1), given)
        expect_equal(
            (names, classes), before, f"digests and labels after {given}", "they belong to the caller"
        )
        _check_split(names, classes, share, train, held, given)
        again = _take_two(split_photos(names, classes, share, 1), given)
        expect_equal(
            again, (train, held), f"{given}, again", "draw from a generator that begins with the seed"
        )
        others = []
        for seed in (2, 3, 4, 5):
            train, other = _take_two(split_photos(names, classes, share, seed), given)
            _check_split(names, classes, share, train, other, given.replace("seed=1", f"seed={seed}"))
            others.append(other)
        if all(other == held for other in others):
            hint = "a split without chance follows the order of the files: those of one camera or day stay together"
            raise Wrong("another split", "the same for the seeds 1 to 5", given, hint)
        for label in range(len(sizes)):
            of_class = [i for i in range(len(classes)) if classes[i] == label]
            tail = of_class[-sum(i in held for i in of_class) :]
            if label == 0 and [i for i in held if i in of_class] in (tail, of_class[: len(tail)]):
                hint = "shuffle within each class before cutting"
                raise Wrong("photos from all over the class", "one end of the class", given, hint)


def _check_split(names, classes, share, train, held, given):
    if sorted(train + held) != list(range(len(names))):
        both, lost = sorted(set(train) & set(held)), sorted(set(range(len(names))) - set(train) - set(held))
        raise Wrong(
            "every position once",
            f"on both sides: {both}, on none: {lost}",
            given,
            "each photo belongs to exactly one side, and positions are counted from 0",
        )
    for part, name in ((train, "train"), (held, "held")):
        expect_equal(part, sorted(part), f"{name} of {given}", "return positions in order")
    shared = {names[i] for i in train} & {names[i] for i in held}
    if shared:
        hint = "a network that has seen the copy has seen the photo: move whole groups of copies"
        raise Wrong("copies on the same side", f"{sorted(shared)} on both sides", given, hint)
    for label in sorted(set(classes)):
        count = classes.count(label)
        biggest = max(names.count(name) for name, other in zip(names, classes, strict=True) if other == label)
        found = sum(classes[i] == label for i in held)
        slack = max(1, biggest)
        if not 0 < found < count or abs(found - share * count) > slack + 1e-9:
            raise Wrong(
                f"about {share * count:g} of the {count} photos of class {label} held out, and some on either side",
                found,
                given,
                "hold out the same share of each class, and count photos, not groups",
            )


def _take_two(answer, given):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("two lists of positions, train and held", answer, given, "return both")
    parts = tuple([int(i) for i in np.asarray(part).ravel()] for part in answer)
    if any(np.asarray(part).dtype == bool for part in answer):
        raise Wrong("positions", "truth values", given, "return where, not whether")
    return parts


def check_mirror_half(mirror_half):
    for number, (shape, kind) in enumerate(
        (((4, 3, 2, 5), float), ((3, 1, 4, 4), np.uint8), ((1, 2, 3, 2), np.float32))
    ):
        images = np.random.default_rng(number).integers(0, 255, size=shape).astype(kind)
        for coins in (np.arange(shape[0]) % 2 == 0, np.zeros(shape[0], bool), np.ones(shape[0], bool)):
            given = f"mirror_half(images {shape} of {images.dtype}, {coins.tolist()})"
            with expect_unchanged(given, images=images, coins=coins):
                got = mirror_half(images, coins)
            expected = images.copy()
            for place in np.flatnonzero(coins):
                expected[place] = np.asarray([[row[::-1] for row in channel] for channel in images[place]])
            hint = (
                "left to right: each row is read backwards; rows, channels and pictures stay in their order"
            )
            expect_close(got, expected, given, hint)
            if str(getattr(got, "dtype", images.dtype)).split(".")[-1] != str(images.dtype):
                raise Wrong(
                    f"type {images.dtype}",
                    f"type {got.dtype}",
                    given,
                    "mirroring moves numbers, it changes none",
                )
            if isinstance(got, np.ndarray) and np.shares_memory(got, images):
                hint = "who changes the result would change the data set"
                raise Wrong("a new array", "a view of images", given, hint)


def check_batch_norm(batch_norm):
    for number, shape in enumerate(((4, 3, 5, 6), (2, 4, 3, 3), (1, 2, 4, 2))):
        generator = np.random.default_rng(number)
        x = generator.normal(size=shape) * 3 + generator.normal(size=(shape[1], 1, 1)) * 5
        scale, shift, mean = generator.normal(size=(3, shape[1]))
        variance = generator.uniform(0.5, 2, size=shape[1])
        for training, momentum, eps in (
            (True, 0.1, 1e-5),
            (False, 0.1, 1e-5),
            (True, 0.25, 0.1),
            (False, 0.25, 0.1),
        ):
            given = f"batch_norm(x {shape}, ..., training={training}, momentum={momentum}, eps={eps})"
            with expect_unchanged(given, x=x, running_mean=mean, running_variance=variance, scale=scale):
                got = batch_norm(x, scale, shift, mean, variance, training, momentum=momentum, eps=eps)
            if not isinstance(got, (tuple, list)) or len(got) != 3:
                raise Wrong("out, running_mean, running_variance", got, given, "return all three")
            used_mean, used_variance = _moments(x) if training else (mean, variance)
            columns = [np.asarray(part)[:, None, None] for part in (used_mean, used_variance, scale, shift)]
            expected = (x - columns[0]) / (columns[1] + eps) ** 0.5 * columns[2] + columns[3]
            hint = (
                "one mean and one variance a channel, over pictures, rows and columns; eps is under the root"
                if training
                else "outside training a photo's answer must not depend on the photos beside it"
            )
            expect_close(got[0], expected, f"{given}: out", hint, 1e-5)
            share = momentum if training else 0.0
            for part, old, new, name in (
                (got[1], mean, used_mean, "running_mean"),
                (got[2], variance, used_variance, "running_variance"),
            ):
                hint = "momentum is the share of the new batch; outside training nothing moves"
                expect_close(
                    part, (1 - share) * old + share * np.asarray(new), f"{given}: {name}", hint, 1e-5
                )

    x = generator.normal(size=(3, 2, 4, 4)) * [[[[1e-2]], [[1.0]]]]  # small numbers: eps is felt
    ones, zeros = np.ones(2), np.zeros(2)
    got = batch_norm(x, ones, zeros, zeros, ones, True)
    mean, variance = _moments(x)
    expected = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5) ** 0.5
    given = "batch_norm(x (3, 2, 4, 4), ..., training=True), momentum and eps not given"
    hint = "leave momentum=0.1 and eps=1e-5 in the first line as they were"
    for part, right in zip(got, (expected, 0.1 * mean, 0.9 + 0.1 * variance), strict=True):
        expect_close(part, right, given, hint, 1e-5)


def _moments(x):
    rows = np.stack([x[:, channel].ravel() for channel in range(x.shape[1])])
    mean = np.array([sum(row) / len(row) for row in rows.tolist()])
    return mean, np.array(
        [sum((v - m) ** 2 for v in row) / len(row) for row, m in zip(rows.tolist(), mean, strict=True)]
    )


def check_fold_norm(fold_norm):
    import torch
    from torch.nn import functional

    for number, (outputs, inputs, kernel) in enumerate(((4, 3, 3), (2, 5, 1), (3, 3, 2))):
        generator = np.random.default_rng(number)
        weight = generator.normal(size=(outputs, inputs, kernel, kernel))
        bias, scale, shift, mean = generator.normal(size=(4, outputs))
        variance = generator.uniform(0.01, 3, size=outputs)
        images = torch.from_numpy(generator.normal(size=(2, inputs, 6, 5)))
        for eps in (1e-5, 0.1):
            given = f"fold_norm(weight {weight.shape}, bias, scale, shift, mean, variance, eps={eps})"
            with expect_unchanged(given, weight=weight, bias=bias, scale=scale):
                got = fold_norm(weight, bias, scale, shift, mean, variance, eps=eps)
            if not isinstance(got, (tuple, list)) or len(got) != 2:
                raise Wrong("weight and bias", got, given, "return both")
            folded = [torch.as_tensor(np.asarray(part, dtype=float)) for part in got]
            for part, old, name in zip(folded, (weight, bias), ("weight", "bias"), strict=True):
                expect_equal(tuple(part.shape), old.shape, f"shape of the {name} of {given}", "shapes stay")
            norm = [torch.from_numpy(part) for part in (mean, variance, scale, shift)]
            both = functional.conv2d(images, torch.from_numpy(weight), torch.from_numpy(bias))
            both = functional.batch_norm(both, *norm, training=False, eps=eps)
            hint = (
                "sort norm(conv(x)) into what is multiplied with x and what is added; where is the old bias?"
            )
            alone = functional.conv2d(images, *folded)
            expect_close(alone, both, f"a convolution with {given}", hint, 1e-4)


def check_standardise(standardise):
    generator = np.random.default_rng(0)
    train = generator.normal(size=(20, 4)) * [1, 1e-4, 0.1, 3] + [0, 5e-4, -2, 100]
    train[:, 2] = 7.0
    for held in (generator.normal(size=(6, 4)) + 3, generator.normal(size=(1, 4)) * 50, train[:3] + 1):
        given = f"standardise(train {train.shape}, held {held.shape})"
        with expect_unchanged(given, train=train, held=held), np.errstate(all="ignore"):
            got = standardise(train, held)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("train and held", got, given, "return both")
        mine, other = (np.asarray(part, dtype=float) for part in got)
        expect_equal(mine.shape, train.shape, f"shape of train of {given}", "shapes stay")
        expect_equal(other.shape, held.shape, f"shape of held of {given}", "shapes stay")
        if not (np.isfinite(mine).all() and np.isfinite(other).all()):
            hint = "one feature is the same for all training photos: what do you divide by?"
            raise Wrong("finite numbers", "NaN or infinity", given, hint)
        vary = [0, 1, 3]
        hint = "each feature by itself: subtract the mean over photos, divide by the deviation, in this order"
        mean, deviation = train.mean(0)[vary], (((train - train.mean(0)) ** 2).mean(0) ** 0.5)[vary]
        expect_close(mine[:, vary], (train[:, vary] - mean) / deviation, f"{given}: train", hint, 1e-4)
        expect_close(mine[:, 2], np.zeros(len(train)), f"{given}: the feature that does not vary", hint, 1e-4)
        hint = "what do you know about photos that you have not met yet? Only what the training photos tell"
        expect_close(other[:, vary], (held[:, vary] - mean) / deviation, f"{given}: held", hint, 1e-4)


def check_score_classes(score_classes):
    generator = np.random.default_rng(0)
    cases = [
        ([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 2),
        ([0, 0, 2], [2, 2, 2], 4),
        ([1], [0], 2),
    ]
    labels = generator.integers(0, 5, size=200)
    guesses = np.where(generator.random(200) < 0.7, labels, generator.integers(0, 5, size=200))
    cases.append((labels, guesses, 6))
    for true, said, classes in cases:
        given = f"score_classes({_short(true)}, {_short(said)}, {classes})"
        with np.errstate(all="ignore"):
            got = score_classes(true, said, classes)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Wrong("table, recall, precision", got, given, "return all three")
        pairs = list(zip(np.asarray(true).tolist(), np.asarray(said).tolist(), strict=True))
        table = [[pairs.count((t, g)) for g in range(classes)] for t in range(classes)]
        hint = "rows are true classes, columns are guesses; every class has its row and column, also an absent one"
        expect_close(got[0], table, f"{given}: table", hint)
        recall = [row[i] / max(1, sum(row)) for i, row in enumerate(table)]
        precision = [table[i][i] / max(1, sum(row[i] for row in table)) for i in range(classes)]
        hint = "a share of nothing is 0, not NaN"
        expect_close(got[1], recall, f"{given}: recall", f"divide hits by the photos of the class; {hint}")
        expect_close(
            got[2], precision, f"{given}: precision", f"divide hits by the guesses of the class; {hint}"
        )


def _short(values):
    return f"{len(values)} ints" if len(values) > 10 else list(values)


TASKS = (
    Task("split_photos", "Hold photos out honestly", check_split_photos),
    Task("mirror_half", "Mirror some pictures of a batch", check_mirror_half),
    Task("batch_norm", "Batch normalisation, learning and answering", check_batch_norm),
    Task("fold_norm", "Fold batch normalisation into the filters", check_fold_norm),
    Task("standardise", "Scale features without a leak", check_standardise),
    Task("score_classes", "Confusion, recall and precision", check_score_classes),
)
