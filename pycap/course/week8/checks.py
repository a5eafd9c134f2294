"""What the autograder asks of week 8's assignments."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np

from pycap.course.grading import Task, Wrong, expect_equal, expect_unchanged
from pycap.course.grading import expect_close as expect_exact
from pycap.course.week8.searches import make_step, search_all, search_by_the_rules
from pycap.metrics import References
from pycap.metrics.bleu import score_bleu
from pycap.metrics.cider import score_cider

expect_close = partial(expect_exact, tolerance=2e-5)  # an answer may be computed in float32
WORDS = ["a", "the", "dog", "man", "runs", "sits", "on", "in", "grass", "red", "ball"]


def check_caption_loss(caption_loss):
    expect_close(
        caption_loss(np.zeros((2, 3, 4)), np.ones((2, 3), int), np.array([3, 1])),
        np.log(4),
        "all logits 0, 4 words, lengths [3, 1]",
        "every word is as likely as any other: log 4, however many there are",
    )
    random = np.random.default_rng(1)
    for batch, time, size in ((1, 1, 2), (2, 5, 3), (4, 3, 7), (3, 6, 2)):
        logits, targets = random.normal(size=(batch, time, size)) * 3, random.integers(0, size, (batch, time))
        lengths = random.integers(1, time + 1, batch)
        lengths[-1] = 1
        surprises = [
            np.log(np.exp(logits[b, t]).sum()) - logits[b, t, targets[b, t]]
            for b in range(batch)
            for t in range(lengths[b])
        ]
        given = f"random logits {logits.shape}, lengths {lengths.tolist()}"
        hint = "sum over real words, then divide once by their number: no padding, no mean of captions' means"
        with expect_unchanged(given, logits=logits, targets=targets, lengths=lengths):
            got = caption_loss(logits, targets, lengths)
        expect_close(got, np.mean(surprises), given, hint)
        behind = np.arange(time) >= lengths[:, None]
        logits[behind], targets[behind] = np.nan, -100
        given += ", logits nan and targets -100 behind every caption's end"
        expect_close(
            caption_loss(logits, targets, lengths), np.mean(surprises), given,
            "nan times 0 is nan, and -100 is no word: choose the real steps instead of multiplying by a mask",
        )  # fmt: skip
    expect_close(
        caption_loss(np.array([[[1e4, 0.0, 1e4 - 1]]]), np.array([[2]]), np.array([1])),
        np.log(1 + np.e),
        "logits [10000, 0, 9999], target 2",
        "subtract the largest logit before exp; and take the logarithm of the sum, not of a rounded probability",
    )
    expect_close(
        caption_loss(np.array([[[1e4, 0.0]]]), np.array([[1]]), np.array([1])),
        1e4,
        "logits [10000, 0], target 1",
        "softmax gives exactly 0 here and log(0) is -inf: stay with logarithms, log softmax = x - log(sum(exp(x)))",
    )
    expect_close(
        caption_loss(np.array([[[1e4, 1e4], [-1e4, -1e4]]]), np.array([[0, 1]]), np.array([2])),
        np.log(2),
        "logits [10000, 10000] and [-10000, -10000]",
        "each step has a largest logit of its own",
    )


def check_attention_penalty(attention_penalty):
    for looks, expected in (([[1.0, 0.0], [0.0, 1.0]], 0.0), ([[1.0, 0.0], [1.0, 0.0]], 1.0)):
        got = attention_penalty(np.array([looks]), np.array([2]))
        expect_close(got, expected, f"one caption of two steps, attention {looks}", "seen is 1 on average")
    random = np.random.default_rng(2)
    for batch, time, regions in ((1, 1, 1), (2, 4, 3), (3, 2, 5), (3, 3, 3)):
        attention = random.dirichlet(np.ones(regions) * 0.5, size=(batch, time))
        lengths = random.integers(1, time + 1, batch)
        lengths[0] = time
        lengths[-1] = 1
        penalties = []
        for b in range(batch):
            seen = [
                regions / lengths[b] * sum(attention[b, t, r] for t in range(lengths[b]))
                for r in range(regions)
            ]
            penalties.append(sum((1 - s) ** 2 for s in seen) / regions)
        given = f"random attention {attention.shape}, lengths {lengths.tolist()}"
        behind = np.arange(time) >= lengths[:, None]
        for fill in (None, 0.0, np.nan):
            if fill is not None:
                attention[behind] = fill
            with expect_unchanged(given, attention=attention, lengths=lengths):
                got = attention_penalty(attention, lengths)
            expect_close(
                got, np.mean(penalties), given if fill is None else f"{given}, {fill} behind the ends",
                "sum each caption's real steps, over time and not over regions, and scale by its own length; then "
                "square, and only then average",
            )  # fmt: skip


def _expect_sentence(beam_search, step, settings, expected, given, hint):
    got = beam_search(step, *settings)
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Wrong("two things: a list of tokens and its score", got, given)
    if not hasattr(got[0], "__len__"):
        raise Wrong("the sentence, a list of ints, in front of its score", got, given)
    expect_equal(
        list(got[0]), expected[0], f"{given}: sentence (its score should be {expected[1]:.4f})", hint
    )
    expect_close(got[1], expected[1], f"{given}: score", hint)


def check_beam_search(beam_search):
    probabilities = {
        (1,): [0.1, 1e-9, 0.5, 0.4],
        (1, 2): [0.2, 1e-9, 0.45, 0.35],
        (1, 3): [0.9, 1e-9, 0.06, 0.04],
    }

    def step(tokens):
        return np.log(probabilities.get(tuple(int(token) for token in tokens), [0.97, 1e-9, 0.02, 0.01]))

    words = (
        "start=1, end=0; likelihoods of the next token "
        + str(probabilities)
        + ", else [0.97, 1e-9, 0.02, 0.01]"
    )
    for settings, expected, hint in (
        (
            (1, 0, 1, 4, 0.0),
            ([2, 2], np.log(0.5 * 0.45 * 0.97)),
            "a beam of 1 takes the likeliest token each time",
        ),
        (
            (1, 0, 2, 4, 0.0),
            ([3], np.log(0.4 * 0.9)),
            "with a beam of 2 the second-best first word wins in the end",
        ),
        (
            (1, 0, 1, 1, 1.0),
            ([2], np.log(0.5) / 2),
            "no sentence has ended when the words run out: the live ones count as finished as they are",
        ),
    ):
        given = f"beam={settings[2]}, max_length={settings[3]}, length_penalty={settings[4]}, {words}"
        _expect_sentence(beam_search, step, settings, expected, given, hint)
    for seed in range(6):
        step = make_step(seed, 3)
        for power in (0.0, 0.7, 1.5):
            given = f"random step {seed} of 3 tokens, beam=200, max_length=4, length_penalty={power}"
            _expect_sentence(
                beam_search, step, (1, 0, 200, 4, power), search_all(step, 1, 0, 4, power), given,
                "so wide a beam loses nothing: the answer is the best of all sentences by normalised score. Do not "
                "stop at the first finished one, and rank at the end by score, not by log-probability",
            )  # fmt: skip
    for seed in range(40):
        start, end = ((1, 0), (0, 3), (4, 2), (5, 1))[seed % 4]
        step = make_step(seed, 6, end, end_bias=-1.0 + seed % 3)
        for beam, power in ((1, 0.0), (2, 0.0), (2, 1.0), (3, 0.7), (4, 1.0)):
            settings = (start, end, beam, 5, power)
            given = (
                f"random step {seed} of 6 tokens, start={start}, end={end}, beam={beam}, max_length=5, "
                f"length_penalty={power}"
            )
            hint = (
                "go through the rules one by one: what competes are total log-probabilities over all live sentences "
                "together; a finished sentence uses a place in its round; words = tokens without start and end"
            )
            _expect_sentence(beam_search, step, settings, search_by_the_rules(step, *settings), given, hint)

    def forbidding(tokens):
        if list(tokens) not in ([1], [1, 2], [1, 2, 2]):
            raise Wrong(
                "step called with [1], [1, 2] and [1, 2, 2] alone",
                list(tokens),
                "one token possible in each step, the others -inf",
                "what has probability 0 must not be taken even if the beam has room",
            )
        scores = np.full(4, -np.inf)
        scores[2 if len(tokens) < 3 else 0] = 0.0
        return scores

    _expect_sentence(
        beam_search, forbidding, (1, 0, 3, 6, 1.0), ([2, 2], 0.0), "one token possible in each step, the others -inf",
        "what has probability 0 must not be taken even if the beam has room",
    )  # fmt: skip


def _write(random, count):
    """Return pictures, each a caption and a few references that share words with it."""
    candidates, references = [], []
    for _ in range(count):
        base = random.choice(WORDS, random.integers(5, 9)).tolist()
        refs = []
        for _ in range(random.integers(1, 5)):
            ref = list(base)
            for _ in range(random.integers(0, 3)):
                ref[random.integers(len(ref))] = str(random.choice(WORDS))
            refs.append(ref + random.choice(WORDS, random.integers(0, 4)).tolist())
        candidates.append(
            [*base[: random.integers(4, len(base) + 1)], *random.choice(WORDS[:3], random.integers(0, 3))]
        )
        candidates[-1] = [str(word) for word in candidates[-1]]
        references.append([[str(word) for word in ref] for ref in refs])
    return candidates, references


def _prepare(references):
    return References({i: [" ".join(ref) for ref in known] for i, known in enumerate(references)})


def check_bleu(bleu):
    def split(text):
        return [caption.split() for caption in text.split(" / ")]

    short = "references equally close in length: the shorter one counts"
    for candidate, known, order, expected, hint in (
        (
            "the the the the",
            "the dog sits / the man on the grass",
            1,
            0.5,
            "'the' counts twice: as often as in the one reference that has it most, not in all together",
        ),
        ("a dog", "a dog", 1, 1.0, ""),
        ("a dog", "a dog", 2, 1.0, ""),
        ("a dog", "a dog", 3, 0.0, "there is no 3-gram: precision 0, and no division by zero"),
        ("a dog sits", "a dog runs on grass", 1, 2 / 3 * np.exp(-2 / 3), "3 words against 5: exp(1 - 5/3)"),
        ("a dog on grass", "a dog on the grass / a dog on", 1, 1.0, short),
        ("a dog on grass", "a dog on grass in a / a ball", 1, 1.0, short),
        ("red", "a dog sits on grass", 2, 0.0, "nothing matches: 0"),
        ("", "a dog", 2, 0.0, "an empty caption is worth 0"),
    ):
        given = f"candidate {candidate!r}, references {known!r}, order {order}"
        expect_close(bleu([candidate.split()], [split(known)], order), expected, given, hint)
    expect_close(
        bleu([["a", "dog", "sits"], []], [[["a", "dog", "sits"]], [["a", "man"]]], 1),
        np.exp(-2 / 3),
        "candidates 'a dog sits' and '', references 'a dog sits' and 'a man', order 1",
        "an empty caption has no words, but its picture's reference has a length: 3 words against 5",
    )
    random = np.random.default_rng(3)
    for count in (1, 2, 5, 30):
        for _ in range(3):
            candidates, references = _write(random, count)
            prepared = _prepare(references)
            lengths, counts = prepared.count([" ".join(words) for words in candidates])
            expected, each = score_bleu(lengths, counts, prepared)
            kept = copy.deepcopy((candidates, references))
            for order in (1, 2, 3, 4):
                if expected[order - 1] < 1e-3:
                    continue
                hint = "matches, guesses and lengths are summed over all captions before anything is divided"
                if abs(each[:, order - 1].mean() - expected[order - 1]) < 1e-6:
                    hint = "the geometric mean of the precisions 1 to order, times the penalty"
                given = f"{count} captions, the first {' '.join(candidates[0])!r}, order {order}"
                expect_close(
                    bleu(candidates, references, order), expected[order - 1], given, hint, tolerance=1e-5
                )
            expect_equal(
                [candidates, references],
                list(kept),
                "the lists behind the call",
                "they are not yours to change",
            )


def check_document_frequencies(document_frequencies):
    references = [
        [["a", "dog", "a", "dog"], ["a", "dog", "runs"]],
        [["a", "man"]],
        [["the", "dog"], ["the", "man"], ["the", "ball"]],
        [["a", "man"]],
    ]
    pairs = [("a", "dog"), ("dog", "a"), ("dog", "runs"), ("a", "man"), ("the", "dog"), ("the", "man")]
    pairs.append(("the", "ball"))
    for n, expected in (
        (1, {("a",): 3, ("dog",): 2, ("runs",): 1, ("man",): 3, ("the",): 1, ("ball",): 1}),
        (2, {pair: 1 + (pair == ("a", "man")) for pair in pairs}),
        (4, {("a", "dog", "a", "dog"): 1}),
        (5, {}),
    ):  # fmt: skip
        kept = copy.deepcopy(references)
        got = document_frequencies(references, n)
        if not hasattr(got, "items"):
            raise Wrong("a dict", got, f"references {references}, n={n}")
        hint = "a picture counts once for an n-gram; keys are tuples of n words, with n = 1 as well; nothing at 0"
        strange = [key for key in got if not isinstance(key, tuple)]
        if strange:
            raise Wrong("keys that are tuples of words", strange[0], f"n={n}", hint)
        expect_equal(dict(got.items()), expected, f"references {references}, n={n}", hint)
        expect_equal(references, kept, "the references behind the call", "they are not yours to change")


def _frequencies(references):
    """Return the tables that `cider` is given, counted here."""
    tables = {n: {} for n in range(1, 5)}
    for n, table in tables.items():
        for known in references:
            for gram in {tuple(ref[i : i + n]) for ref in known for i in range(len(ref) - n + 1)}:
                table[gram] = table.get(gram, 0) + 1
    return tables


def check_cider(cider):
    corpus = [[["a", "dog", "runs", "on", "grass"]], [["a", "man", "sits"]], [["the", "red", "ball"]]]
    tables = _frequencies(corpus)
    for candidate, known, expected, hint in (
        (
            ["a", "dog", "runs", "on", "grass"],
            corpus[0],
            10.0,
            "a caption equal to its only reference scores 10",
        ),
        (["the", "red", "ball"], corpus[0], 0.0, "nothing in common: 0"),
        ([], corpus[0], 0.0, "an empty caption has zero vectors: 0, not nan"),
        (["the", "red", "ball"], corpus[2], 7.5, "there is no 4-gram in three words: that quarter is 0"),
        (
            ["in", "in", "in", "in"],
            corpus[0],
            0.0,
            "an n-gram that no picture has counts as seen in one picture",
        ),
    ):
        expect_close(
            cider(candidate, known, tables, 3), expected, f"candidate {candidate}, references {known}", hint
        )
    expect_close(
        cider(["a", "a"], [["a", "a"]], {1: {("a",): 2}, 2: {("a", "a"): 2}, 3: {}, 4: {}}, 2),
        0.0,
        "an n-gram that every picture has",
        "log(2 / 2) = 0: what everybody says is worth nothing; a zero vector has similarity 0, not nan",
    )
    random = np.random.default_rng(4)
    for count in (3, 8, 25):
        candidates, references = _write(random, count)
        prepared, tables = _prepare(references), _frequencies(references)
        lengths, counts = prepared.count([" ".join(words) for words in candidates])
        expected = score_cider(lengths, counts, prepared, variant="cider")
        for candidate, known, wanted in zip(candidates, references, expected, strict=True):
            kept = copy.deepcopy(tables)
            got = cider(candidate, known, tables, count)
            expect_equal(tables, kept, "the frequencies behind the call", "they belong to the caller")
            expect_close(
                got, wanted, f"candidate {' '.join(candidate)!r}, {len(known)} references, {count} pictures",
                "a cosine for each reference and each n, each divided by both lengths; mean over references, then "
                "over the four n, times 10; repeated n-grams count as often as they stand there",
            )  # fmt: skip


TASKS = (
    Task("caption_loss", "Cross-entropy of captions, without the padding", check_caption_loss),
    Task("attention_penalty", "Attention that leaves no region out", check_attention_penalty),
    Task("document_frequencies", "In how many pictures is an n-gram said?", check_document_frequencies),
    Task("bleu", "BLEU of a corpus, with clipping and brevity", check_bleu),
    Task("cider", "CIDEr: agreement that counts rare words more", check_cider),
    Task("beam_search", "Beam search, with all its traps", check_beam_search),
)
