"""BLEU, ROUGE-L and CIDEr equal the scorers of pycocoevalcap, and CIDEr its definition, on tokenised sentences."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycap.metrics import References
from pycap.metrics.bleu import score_bleu
from pycap.metrics.cider import score_cider
from pycap.metrics.rouge import score_rouge

TOLERANCE = 1e-9

few_words = st.lists(st.sampled_from(["a", "b", "c", "dd", "é", "日本", "1\xa01/2", "n't"]), max_size=9).map(
    " ".join
)
corpora = st.lists(st.tuples(few_words, st.lists(few_words, min_size=1, max_size=4)), min_size=1, max_size=6)


def prepare(corpus: list[tuple[str, list[str]]]) -> tuple[list[str], References]:
    """Take sentences that are tokens already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pycap.metrics.references.tokenize", lambda text: text)
        references = References({image: theirs for image, (_, theirs) in enumerate(corpus)})
    return [candidate for candidate, _ in corpus], references


def compare_with_pycocoevalcap(sentences: list[str], references: References) -> None:
    scorers = pytest.importorskip("pycocoevalcap.eval", reason="needs pycocoevalcap")
    starts = references.first
    theirs = {
        image: references.sentences[starts[image] : starts[image + 1]] for image in range(len(references))
    }
    ours = {image: [sentence] for image, sentence in enumerate(sentences)}
    lengths, counts = references.count(sentences)
    corpus, each = score_bleu(lengths, counts, references)
    expected_corpus, expected_each = scorers.Bleu(4).compute_score(theirs, ours, verbose=0)
    np.testing.assert_allclose(corpus, expected_corpus, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(each.T, expected_each, rtol=0, atol=TOLERANCE)
    rouge = scorers.Rouge().compute_score(theirs, ours)[1]
    np.testing.assert_allclose(score_rouge(sentences, references), rouge, rtol=0, atol=TOLERANCE)
    if any(references.lengths):  # pycocoevalcap's CIDEr stops on references without any word
        cider = scorers.Cider().compute_score(theirs, ours)[1]
        np.testing.assert_allclose(score_cider(lengths, counts, references), cider, rtol=0, atol=TOLERANCE)


@settings(deadline=None)
@given(corpora)
def test_random_corpora_score_as_pycocoevalcap_scores_them(corpus):
    compare_with_pycocoevalcap(*prepare(corpus))


SYSTEMS = {
    "first reference": lambda references, image: references[image][0],
    "last reference, cut": lambda references, image: " ".join(references[image][-1].split()[:5]),
    "words backwards": lambda references, image: " ".join(references[image][1].split()[::-1]),
    "three times over": lambda references, image: " ".join([references[image][2]] * 3),
    "another image's": lambda references, image: references[sorted(references)[len(image) * 7]][3],
    "nothing": lambda references, image: "",
    "always the same": lambda references, image: "A man in a red shirt is standing .",
}


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_on_the_dev_images_score_as_pycocoevalcap_scores_them(dev_references, system: str):
    references = References(dev_references)
    sentences = references.arrange(
        {image: SYSTEMS[system](dev_references, image) for image in dev_references}
    )
    compare_with_pycocoevalcap(sentences, references)


def define_cider(sentence: str, references: list[str], everything: list[list[str]], variant: str) -> float:
    """CIDEr of one sentence, written down from Vedantam et al. 2015, section 4 and appendix."""

    def count(text: str, order: int) -> Counter:
        words = text.split()
        return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))

    def weigh(text: str, order: int) -> dict:
        rarity = {}
        for gram in count(text, order):
            images = sum(any(gram in count(other, order) for other in others) for others in everything)
            rarity[gram] = math.log(len(everything) / max(1, images))
        return {gram: times * rarity[gram] for gram, times in count(text, order).items()}

    total = 0.0
    for order in range(1, 5):
        ours = weigh(sentence, order)
        for reference in references:
            theirs = weigh(reference, order)
            clip = min if variant == "cider-d" else lambda mine, _: mine
            dot = sum(
                clip(weight, theirs.get(gram, 0)) * theirs.get(gram, 0) for gram, weight in ours.items()
            )
            norm = math.hypot(*ours.values()) * math.hypot(*theirs.values())
            gap = sum(count(sentence, 2).values()) - sum(count(reference, 2).values())
            penalty = math.exp(-(gap**2) / 72) if variant == "cider-d" else 1
            total += penalty * dot / norm if norm else 0
    return 10 * total / (4 * len(references))


@settings(deadline=None)
@given(corpora, st.sampled_from(["cider", "cider-d"]))
def test_cider_follows_its_definition(corpus, variant: str):
    sentences, references = prepare(corpus)
    everything = [theirs for _, theirs in corpus]
    expected = [define_cider(candidate, theirs, everything, variant) for candidate, theirs in corpus]
    lengths, counts = references.count(sentences)
    np.testing.assert_allclose(
        score_cider(lengths, counts, references, variant=variant), expected, rtol=0, atol=1e-9
    )


@settings(deadline=None)
@given(corpora, st.data())
def test_several_candidates_of_some_images_score_as_each_alone(corpus, data):
    _, references = prepare(corpus)
    images = np.array(data.draw(st.lists(st.integers(0, len(corpus) - 1), min_size=1, max_size=8)))
    sentences = [data.draw(few_words) for _ in images]
    lengths, counts = references.count(sentences)
    together = [
        *score_bleu(lengths, counts, references, images)[1].T,
        score_cider(lengths, counts, references, images),
        score_rouge(sentences, references, images),
    ]
    for place, (sentence, image) in enumerate(zip(sentences, images, strict=True)):
        length, count = references.count([sentence])
        alone = [
            *score_bleu(length, count, references, images[place : place + 1])[1].T,
            score_cider(length, count, references, images[place : place + 1]),
            score_rouge([sentence], references, [image]),
        ]
        np.testing.assert_allclose(
            [scores[place] for scores in together], np.ravel(alone), rtol=0, atol=1e-12
        )


def test_cider_names_an_unknown_variant():
    _, references = prepare([("a", ["a"])])
    lengths, counts = references.count(["a"])
    with pytest.raises(ValueError, match="variant must be 'cider' or 'cider-d', got 'spice'"):
        score_cider(lengths, counts, references, variant="spice")
