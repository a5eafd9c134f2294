"""Words as numbers: three tokenisers, vectors that know what words mean, and phrases squeezed through one state."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from nltk.stem import PorterStemmer, SnowballStemmer
from nltk.tokenize import TreebankWordTokenizer, TweetTokenizer, WordPunctTokenizer

from pycap.course.lab import Lab
from pycap.course.readers.sentences import read_polarity, read_sst
from pycap.course.scratch.embedding import nearest
from pycap.course.week4 import reversal
from pycap.course.week4.embeddings import count, encode, is_word, learn, map_to_plane
from pycap.data.flickr8k import load_flickr8k
from pycap.text import Vocabulary, tokenize

SENTENCE = "It's a well-made film, but I didn't cry... :-) 3.5 stars!"
ASKED = {
    "captions": ("dog", "girl", "running", "red", "water"),
    "reviews": ("film", "funny", "actor", "bad", "heart"),
}
REVIEWS = ("sst2", "rt-polarity")  # either will do
MARKS = {  # by which the data sets are known
    "sst2": "stsa.binary.train",
    "rt-polarity": "rt-polarity.pos",
    "flickr8k": "Flickr8k.token.txt",
}
MAPPED = 130  # words on the map
COLOURS = {
    "people": "man woman boy girl people child men women children boys girls lady person kids adults group crowd",
    "animals": "dog dogs puppy horse bird cat cow sheep animal",
    "colours": "red blue green white black brown yellow orange pink purple grey tan gray blonde",
    "doing": "running jumping standing sitting walking playing riding holding looking wearing swimming climbing "
    "smiling throwing catching runs jumps plays stands sits walks rides holds looks wears leaps swims chases",
    "places": "water beach snow street field grass park pool mountain road ocean sand rock river building sidewalk",
}


def run(lab: Lab) -> None:
    """Split a sentence by three rules, count words, learn vectors of captions and reviews, train the reversal."""
    torch.set_num_threads(1)
    reviews = _read_reviews(_find(lab, *REVIEWS))
    pictures = load_flickr8k(_find(lab, "flickr8k")).split("train")
    captions = [caption for example in pictures for caption in example.captions]
    _show_tokens(lab)
    if lab.quick:
        random = np.random.default_rng(lab.seed)
        captions = [captions[i] for i in random.permutation(len(captions))[:6000]]
    vocabularies = {
        "captions": Vocabulary.build(captions, min_count=5),
        "reviews": Vocabulary.build(reviews, min_count=5),
    }
    texts = {"captions": captions, "reviews": reviews}
    encoded = {name: encode(texts[name], vocabularies[name]) for name in texts}
    _show_vocabularies(lab, texts, vocabularies)
    _show_embeddings(lab, encoded, vocabularies)
    _show_reversal(lab, captions)


def _find(lab: Lab, *names: str) -> Path:
    """Return the folder of the first data set that is there; `--data` may name reviews or captions."""
    held = {name for name, mark in MARKS.items() if lab.given is not None and (lab.given / mark).exists()}
    if not held or held & set(names):
        return lab.data(*names)  # where --data holds neither, this says so
    from pycap.catalog import find_any

    return find_any(names)


def _read_reviews(folder: Path) -> list[str]:
    """Return the different sentences of SST-2's training part, or of the polarity data."""
    train = folder / MARKS["sst2"]
    return list(dict.fromkeys((read_sst(train) if train.exists() else read_polarity(folder)).texts))


def _show_tokens(lab: Lab) -> None:
    rules = {
        "str.split": str.split,
        "WordPunctTokenizer": WordPunctTokenizer().tokenize,
        "TreebankWordTokenizer": TreebankWordTokenizer().tokenize,
        "TweetTokenizer": TweetTokenizer().tokenize,
        "pycap.text.tokenize": tokenize,
    }
    rows = [{"rule": name, "tokens": " | ".join(rule(SENTENCE))} for name, rule in rules.items()]
    lab.table(f"Tokens of: {SENTENCE}", rows)
    porter, snowball = PorterStemmer(), SnowballStemmer("english")
    words = ("running", "runs", "ran", "happily", "generously", "movies", "unfunny", "university", "universe")
    lab.table("Stems", [{"word": w, "Porter": porter.stem(w), "Snowball": snowball.stem(w)} for w in words])


def _show_vocabularies(lab: Lab, texts: dict[str, list[str]], vocabularies: dict[str, Vocabulary]) -> None:
    rows = []
    for name, sentences in texts.items():
        words = [word for sentence in sentences for word in tokenize(sentence)]
        different = set(words)
        once = len(Vocabulary.build(sentences, min_count=2))
        known = sum(word in vocabularies[name] for word in words)
        rows.append(
            {
                "text": name,
                "sentences": len(sentences),
                "words": len(words),
                "different": len(different),
                "seen once": 1 - (once - 4) / len(different),
                "kept (5 times)": len(vocabularies[name]) - 4,
                "of all words": known / len(words),
            }
        )
    lab.table("What a vocabulary keeps", rows)


def _show_embeddings(
    lab: Lab, encoded: dict[str, list[list[int]]], vocabularies: dict[str, Vocabulary]
) -> None:
    losses, rows, speeds = {}, [], []
    for name, sentences in encoded.items():
        vocabulary = vocabularies[name]
        epochs = 4 if lab.quick else {"captions": 10, "reviews": 15}[name]
        started = time.monotonic()
        vectors, losses[name] = learn(
            sentences, len(vocabulary), 64, epochs, lab.seed, bar=lambda e, name=name: lab.progress(e, name)
        )
        speeds.append(f"{name} {time.monotonic() - started:.0f} s")
        for word in ASKED[name]:
            if word in vocabulary:
                found = nearest(vectors, vocabulary.words.index(word), 6)
                found = [(i, cosine) for i, cosine in found if i >= 4][:5]
                rows.append(
                    {
                        "text": name,
                        "word": word,
                        "nearest (cosine)": ", ".join(f"{vocabulary.words[i]} {c:.2f}" for i, c in found),
                    }
                )
        if name == "captions":
            _draw_map(lab, vectors, count(sentences, len(vocabulary)), vocabulary)
            np.savez_compressed(
                lab.folder / "embeddings.npz", vectors=vectors, words=np.array(vocabulary.words)
            )
    lab.table("Nearest neighbours", rows)
    lab.say(f"skip-gram in NumPy: {', '.join(speeds)}")
    with lab.picture("loss", "Loss of skip-gram by epoch on captions and on reviews", size=(5.6, 3.2)) as (
        _,
        axes,
    ):
        for name, curve in losses.items():
            axes.plot(range(1, len(curve) + 1), curve, marker="o", markersize=3, label=name)
        axes.axhline(
            6 * np.log(2), color="0.5", linewidth=0.8, linestyle="--", label="knowing nothing, 6 log 2"
        )
        axes.set(xlabel="epoch", ylabel="loss of a pair and its 5 negatives", title="Skip-gram")
        axes.legend()


def _draw_map(lab: Lab, vectors: np.ndarray, counts: np.ndarray, vocabulary: Vocabulary) -> None:
    """Draw the frequent words of captions where t-SNE puts them; kinds of words have a colour only for our eyes."""
    kinds = {word: kind for kind, words in COLOURS.items() for word in words.split()}
    chosen = [
        i
        for i in np.argsort(-counts, kind="stable")
        if is_word(vocabulary, i) and vocabulary.words[i] in kinds
    ]
    chosen = chosen[:MAPPED]
    places = map_to_plane(vectors[chosen], lab.seed)
    palette = dict(zip(COLOURS, ("#c8553d", "#8a5a2b", "#7a3fb0", "#2b7bba", "#2e8b57"), strict=True))
    with lab.picture(
        "map",
        "Words of captions on a plane: people, animals, colours, actions and places lie together",
        size=(7.4, 6.0),
    ) as (figure, axes):
        axes.scatter(*places.T, s=0)
        axes.set_axis_off()
        axes.set_title("Words of captions, placed by t-SNE from their neighbours alone")
        figure.draw_without_rendering()
        taken = []
        for (x, y), i in zip(places, chosen, strict=True):
            word = vocabulary.words[i]
            _write_apart(figure, axes, taken, x, y, word, palette[kinds[word]])
        for kind, colour in palette.items():
            axes.scatter([], [], color=colour, s=18, label=kind)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=5)


def _write_apart(figure, axes, taken: list, x: float, y: float, word: str, colour: str) -> None:
    """Write a word at its place, or, where another one is in the way, at the free place closest to it."""
    renderer = figure.canvas.get_renderer()
    text = axes.text(x, y, word, fontsize=8, color=colour, ha="center", va="center")
    wide = text.get_window_extent(renderer).width
    centre = axes.transData.transform((x, y))
    for ring in range(40):
        for turn in range(12 if ring else 1):
            angle = 2 * np.pi * turn / 12
            shift = ring * 3.0 * np.array([np.cos(angle), np.sin(angle)])
            place = centre + shift
            box = (place[0] - wide / 2 - 1, place[1] - 7, place[0] + wide / 2 + 1, place[1] + 7)
            if all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in taken):
                text.set_position(axes.transData.inverted().transform(place))
                taken.append(box)
                return


def _show_reversal(lab: Lab, captions: list[str]) -> None:
    """Train sequence to sequence on phrases of captions, and score phrases it has not seen, by length."""
    random = np.random.default_rng(lab.seed)
    counted = Vocabulary.build(captions, min_count=5)
    vocabulary = Vocabulary(counted.words[4 : 4 + 300])
    known = [
        ids for ids in (vocabulary.encode(tokenize(caption))[:-1] for caption in captions) if 3 not in ids
    ]
    phrases = reversal.cut_phrases(known, 8000 if lab.quick else 16000, random)
    held_out, phrases = phrases[: len(phrases) // 12], phrases[len(phrases) // 12 :]
    network = reversal.fit(
        phrases, len(vocabulary), 8 if lab.quick else 10, lab.seed, bar=lambda e: lab.progress(e, "reversal")
    )
    right, said = reversal.score(network, held_out)
    lengths = np.array([len(phrase) for phrase in held_out])
    rows, at = [], range(2, reversal.LONGEST + 1)
    for length in at:
        rows.append(
            {
                "words": length,
                "phrases": int((lengths == length).sum()),
                "exact": right[lengths == length].mean(),
            }
        )
    lab.table("Phrases said backwards without a mistake, by length (not in the training data)", rows)
    wrong = [i for i in np.argsort(-lengths, kind="stable") if not right[i]][:3]
    examples = [
        {"phrase": vocabulary.decode(held_out[i]), "said backwards": vocabulary.decode(said[i])}
        for i in wrong
    ]
    if examples:
        lab.table("Mistakes", examples)
    with lab.picture(
        "reversal", "Exact answers by length of the phrase: they fall as it grows", size=(5.6, 3.2)
    ) as (
        _,
        axes,
    ):
        axes.bar(list(at), [row["exact"] for row in rows], color="#2b7bba", width=0.7)
        axes.set(
            xlabel="words in the phrase", ylabel="share without a mistake", ylim=(0, 1.05), xticks=list(at),
            title="64 numbers and a cell have to hold the phrase",
        )  # fmt: skip
