"""Tell praise from blame: an LSTM with and without attention, beside TF-IDF and logistic regression."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from pycap.course.checkpoint4 import corpus
from pycap.course.checkpoint4.baseline import Baseline
from pycap.course.checkpoint4.network import Classifier, Ensemble, Sizes
from pycap.course.checkpoint4.pictures import draw_attention, draw_curves, draw_lengths
from pycap.course.checkpoint4.report import brief, draw, judge
from pycap.course.checkpoint4.training import BATCH, EPOCHS, classify, train
from pycap.course.checkpoint4.words import Lexicon, split_words
from pycap.course.lab import Lab

MODEL = "sentiment"
KINDS = {"LSTM, last states": False, "LSTM with attention": True}
SEEDS = 3  # classifiers of each kind whose logits are averaged
QUICK_SENTENCES = 1000
SHOWN = (
    "a fine film",
    "not a fine film",
    "the plot is thin but the acting is wonderful",
    "the acting is wonderful but the plot is a mess",
    "an utterly charming and moving story about two old friends",
    "too long , too loud and never funny",
    "it 's hard to imagine a worse way to spend two hours",
)


def run(lab: Lab) -> None:
    """Train both kinds and the baseline, score them on the held-out part, draw, and keep the best kind."""
    from pycap.course.units import find_unit

    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = corpus.read_corpus(lab.data("sst2", "rt-polarity"), lab.seed)
    train_part, held_out = data.train, data.held_out
    lab.say(
        f"{data.name}: {len(train_part.texts)} sentences to train on ({data.dropped} repeated or contradictory ones "
        f"dropped), {len(held_out.texts)} held out"
    )
    if lab.quick:
        rows = np.random.default_rng(lab.seed).permutation(len(train_part.texts))[:QUICK_SENTENCES]
        train_part = corpus.pick(train_part, rows)
        lab.say(f"quick: only {len(rows)} training sentences and one classifier of each kind")
    epochs, seeds = EPOCHS + lab.quick, 1 if lab.quick else SEEDS

    _compare_epochs(lab, train_part, epochs)
    baselines = {
        f"TF-IDF + logistic regression, {what}": Baseline(train_part.texts, train_part.labels, longest)
        for longest, what in ((1, "words"), (2, "words and pairs"))
    }
    answers = {name: baseline.classify(held_out.texts) for name, baseline in baselines.items()}
    rows = [_score(name, answer, held_out.labels) for name, answer in answers.items()]

    words, held_words = ([split_words(text) for text in part.texts] for part in (train_part, held_out))
    lexicon = Lexicon.build(words)
    networks = {}
    for name, attention in KINDS.items():
        sizes = Sizes(attention=attention)
        members = []
        for seed in range(lab.seed, lab.seed + seeds):
            title = f"{name}, {seed - lab.seed + 1} of {seeds}"
            total = epochs * math.ceil(len(words) / BATCH)
            members.append(
                train(
                    words, train_part.labels, lexicon, sizes, seed, epochs,
                    bar=lambda steps, title=title, total=total: lab.progress(steps, title, total),
                )
            )  # fmt: skip
        logits = np.array([classify(member, lexicon, held_words) for member in members])
        single = ((logits > 0) == held_out.labels).mean(1)
        rows.append(
            _score(f"{name}, one of {seeds}", logits[0] > 0, held_out.labels)
            | {"accuracy": single.mean(), "note": f"mean; {single.min():.3f} to {single.max():.3f}"}
        )
        answers[name] = logits.mean(0) > 0
        rows.append(_score(f"{name}, {seeds} averaged", answers[name], held_out.labels))
        networks[name] = Ensemble(members).eval()
    lab.table(f"Accuracy on the held-out part of {data.name}", rows)

    best = networks["LSTM with attention"]
    lab.save_model(
        MODEL, best, corpus=data.name, members=seeds, sizes=best.members[0].sizes.settings(),
        features=lexicon.features, seen=sorted({corpus.fingerprint(text) for text in train_part.texts}),
    )  # fmt: skip
    lengths = np.array([len(split) for split in held_words])
    shown = ("TF-IDF + logistic regression, words", *KINDS)
    draw_lengths(
        lab,
        lengths,
        {name.split(",")[0] if "TF" in name else name: answers[name] == held_out.labels for name in shown},
    )
    draw_attention(lab, [judge(best, lexicon, text) for text in SHOWN])
    lab.say(f'try it: pycap course run {find_unit("c4").name} --predict "a fine film"')


def _compare_epochs(lab: Lab, sentences: corpus.Sentences, epochs: int) -> None:
    """Draw accuracy by epoch on a tenth of the training part: where the number of epochs comes from."""
    part, validation = corpus.split(sentences, 0.1, lab.seed + 1)
    words, checked = ([split_words(text) for text in some.texts] for some in (part, validation))
    lexicon = Lexicon.build(words)
    curves = {}
    for name, attention in KINDS.items():
        curve: list[float] = []

        def note(epoch: int, network: Classifier, curve: list[float] = curve) -> None:
            curve.append(float(((classify(network, lexicon, checked) > 0) == validation.labels).mean()))

        total = epochs * math.ceil(len(words) / BATCH)
        train(
            words, part.labels, lexicon, Sizes(attention=attention), lab.seed, epochs, after=note,
            bar=lambda steps, name=name, total=total: lab.progress(steps, f"{name}, validation", total),
        )  # fmt: skip
        curves[name] = np.array([curve])
    line = Baseline(part.texts, part.labels, 1).classify(validation.texts)
    draw_curves(lab, curves, float((line == validation.labels).mean()))


def _score(name: str, answer: np.ndarray, labels: np.ndarray) -> dict:
    """Return a row of the table: accuracy, its standard error, and how often each label was found."""
    right = answer.astype(int) == labels
    error = math.sqrt(right.mean() * (1 - right.mean()) / len(right))
    return {
        "method": name,
        "accuracy": right.mean(),
        "+-": error,
        "of positive": right[labels == 1].mean(),
        "of negative": right[labels == 0].mean(),
        "note": "",
    }


def _load(lab: Lab) -> tuple[Ensemble, Lexicon, dict]:
    weights, settings = lab.load_model(MODEL)
    lexicon = Lexicon(settings["features"])
    members = [Classifier(len(lexicon), Sizes(**settings["sizes"])) for _ in range(settings["members"])]
    network = Ensemble(members)
    network.load_state_dict(weights)
    return network.eval(), lexicon, settings


def predict(lab: Lab, what: str) -> None:
    """Print label, probability and every word's attention of a sentence, or a line for each sentence of a file.

    Raises:
        ValueError: there is no word to judge, or the file is no text.
    """
    network, lexicon, _ = _load(lab)
    path = Path(what)
    if len(what) < 256 and path.is_file():
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not UTF-8 text; save it as UTF-8, one sentence a line") from None
        lines = [line for line in lines if line]
        if not lines:
            raise ValueError(f"{path}: no sentences in it; write one a line")
        for line in lines:
            lab.say(brief(judge(network, lexicon, line), line))
        return
    if not split_words(what):
        raise ValueError("the sentence is empty: give at least one word")
    for line in draw(judge(network, lexicon, what)):
        lab.say(line)


def evaluate(lab: Lab, path: Path) -> None:
    """Print the trained model's accuracy on a file of `LABEL sentence` lines.

    Raises:
        ValueError: broken, or of another corpus than the model's, or seen in training.
    """
    network, lexicon, settings = _load(lab)
    sentences = corpus.read_scored(Path(path), settings["corpus"], set(settings["seen"]))
    logits = classify(network, lexicon, [split_words(text) for text in sentences.texts])
    row = _score("LSTM with attention", logits > 0, sentences.labels) | {"sentences": len(logits)}
    lab.table(f"Accuracy on {path}", [{name: value for name, value in row.items() if name != "note"}])
