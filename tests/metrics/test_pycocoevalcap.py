"""From raw text to scores, all equals pycocoevalcap with its Java tokeniser: random strings, whole systems."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pycap.metrics import score_both

TOLERANCE = 1e-9
NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
MISSING = [name for name in ("pycocoevalcap",) if importlib.util.find_spec(name) is None]
MISSING += [name for name in ("java",) if shutil.which(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}"),
]


def tokenize_by_java(captions: Sequence[str]) -> list[str]:
    """Tokenise as pycocoevalcap does; a plain word after each caption keeps it from looking into the next one."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    lines = [{"caption": text} for caption in captions for text in (caption, "x")]
    return PTBTokenizer().tokenize({"all": lines})["all"][::2]


def compare(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> None:
    """Score raw captions by both, corpus and sentences."""
    from pycocoevalcap.eval import Bleu, Cider, Rouge

    raw = [*candidates.values(), *(caption for captions in references.values() for caption in captions)]
    tokens = iter(tokenize_by_java(raw))
    ours = {image: [next(tokens)] for image in candidates}
    theirs = {image: [next(tokens) for _ in captions] for image, captions in references.items()}
    ours = {image: ours[image] for image in theirs}
    bleu, bleus = Bleu(4).compute_score(theirs, ours, verbose=0)
    rouge, rouges = Rouge().compute_score(theirs, ours)
    expected, each = [*bleu, rouge], [*bleus, rouges]
    if any(caption for captions in theirs.values() for caption in captions):
        cider, ciders = Cider().compute_score(theirs, ours)
        expected, each = [*expected, cider], [*each, ciders]
    corpus, sentences = score_both(candidates, references)
    for number, (name, value) in enumerate(zip(NAMES, expected, strict=False)):
        assert corpus[name] == pytest.approx(value, abs=TOLERANCE), name
        found = [sentences[image][name] for image in theirs]
        assert found == pytest.approx(list(each[number]), abs=TOLERANCE), name


PIECES = ["a", "the", "dog", "Dog's", "can't", "two", "2", "red-haired", "U.S.", "$5", "50%"]
PIECES += [",", ".", "!", "--", "(", ")", "é", "日本", "½"]
PIECES += ["www.bbc.co.uk/x.y-1", "x.com/{a}", "\xa0x.com", "e.g.,a-b.,", "ΟΔΟΣ-X", "the-Σ"]
words = st.lists(st.sampled_from(PIECES))
# line ends would shift the program's lines
odd = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
few = st.sampled_from(["a dog", "A dog .", "a dog runs"])
captions = st.one_of(st.just(""), words.map(" ".join), few, odd, few.map(lambda text: f"{text} " * 9))
corpora = st.lists(st.tuples(captions, st.lists(captions, min_size=1, max_size=5)), min_size=20, max_size=60)


@settings(
    deadline=None,
    max_examples=12,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # an example starts Java: shrinking would take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(corpora)
def test_random_empty_repeated_and_unicode_captions_score_the_same(corpus):
    candidates = {str(number): candidate for number, (candidate, _) in enumerate(corpus)}
    compare(candidates, {str(number): references for number, (_, references) in enumerate(corpus)})


def hold_out(references: Mapping[str, Sequence[str]], number: int) -> tuple[dict, dict]:
    """Make one person a system: its captions against those of the others."""
    candidates = {image: captions[number] for image, captions in references.items()}
    return candidates, {
        image: [*captions[:number], *captions[number + 1 :]] for image, captions in references.items()
    }


@pytest.mark.parametrize("person", range(5))
def test_people_on_the_dev_images_score_the_same(dev_references, person: int):
    compare(*hold_out(dev_references, person))


def test_captions_of_the_wrong_dev_images_score_the_same(dev_references):
    captions = [captions[0] for captions in dev_references.values()]
    random.Random(0).shuffle(captions)
    compare(dict(zip(dev_references, captions, strict=True)), dev_references)


def test_the_shipped_model_on_the_dev_images_scores_the_same(dev_references):
    said = json.loads((Path(__file__).parent / "model_captions.json").read_text())
    compare({row["image_id"]: row["caption"] for row in said}, dev_references)


@pytest.mark.filterwarnings("ignore")  # pycocoevalcap leaves pipes open
def test_meteor_of_each_caption_equals_pycocoevalcap(dev_references):
    from pycocoevalcap.meteor.meteor import Meteor

    from pycap.metrics import tokenize

    candidates, references = hold_out(dict(list(dev_references.items())[:12]), 0)
    corpus, sentences = score_both(candidates, references, meteor=True)
    expected, each = Meteor().compute_score(
        {image: [tokenize(caption) for caption in captions] for image, captions in references.items()},
        {image: [tokenize(caption)] for image, caption in candidates.items()},
    )
    assert corpus["meteor"] == pytest.approx(expected, abs=TOLERANCE)
    found = [row["meteor"] for row in sentences.values()]
    assert found == pytest.approx(each, abs=TOLERANCE)
