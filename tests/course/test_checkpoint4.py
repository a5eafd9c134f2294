"""Checkpoint 4: padding changes nothing, corpora stay apart, and a trained model can be asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pycap.course.checkpoint4 import corpus, experiment
from pycap.course.checkpoint4.network import Classifier, Ensemble, Sizes, reverse
from pycap.course.checkpoint4.report import judge
from pycap.course.checkpoint4.training import classify, random_batches, train
from pycap.course.checkpoint4.words import Lexicon, pairs, split_words, word_pieces
from pycap.course.lab import Lab
from pycap.course.readers.sentences import Sentences
from pycap.course.units import find_unit

SMALL = Sizes(embed_dim=16, hidden_dim=8, attention_dim=5, word_dropout=0.1, dropout=0.2)
GOOD = ("fine", "good", "charming", "moving", "funny", "great")
BAD = ("bad", "dull", "awful", "boring", "silly", "poor")
FILLERS = ("the", "film", "a", "story", "it", "was", "with", "and", "plot", "actors")


def make_lines(number: int, seed: int) -> list[str]:
    """Return `LABEL sentence` lines in which one word decides."""
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(number):
        label = int(random.integers(2))
        words = [*random.choice(FILLERS, random.integers(3, 9)), random.choice(GOOD if label else BAD)]
        lines.append(f"{label} {' '.join(random.permutation(words))} {random.integers(1000000)}")
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in SST-2's form."""
    place = tmp_path_factory.mktemp("sst")
    (place / corpus.TRAIN).write_text("\n".join(make_lines(220, 0)) + "\n")
    (place / corpus.DEV).write_text("\n".join(make_lines(80, 1)) + "\n")
    return place


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab in which a small ensemble learnt that corpus."""
    lab = Lab(find_unit("checkpoint4"), tmp_path_factory.mktemp("lab"), quick=True)
    data = corpus.read_corpus(folder, 0)
    words = [split_words(text) for text in data.train.texts]
    lexicon = Lexicon.build(words)
    members = [train(words, data.train.labels, lexicon, SMALL, seed, epochs=40) for seed in (0, 1)]
    lab.save_model(
        experiment.MODEL, Ensemble(members), corpus=data.name, members=2, sizes=SMALL.settings(),
        features=lexicon.features, seen=[corpus.fingerprint(text) for text in data.train.texts],
    )  # fmt: skip
    return lab


def test_words_are_split_as_in_the_published_data():
    spoken = split_words("It's a GREAT film. Don’t miss it!")
    assert " ".join(spoken) == "it 's a great film . do n't miss it !"
    published = "it 's a great film , but -lrb- not much -rrb- more ."
    assert " ".join(split_words(published)) == published.replace("-lrb-", "(").replace("-rrb-", ")")
    assert split_words(" <br/> ") == []


def test_pieces_join_words_of_one_stem():
    assert set(word_pieces("moving")) & set(word_pieces("moved")) >= {"stem move", "part <mov"}
    assert pairs(["not", "moving"]) == ["pair <s> not", "pair not move"]


def test_reverse_keeps_padding_behind():
    rows = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]])
    assert reverse(rows, torch.tensor([3, 4])).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


@pytest.mark.parametrize("attention", [True, False])
def test_padding_changes_neither_logits_nor_attention(attention: bool):
    sentences = [["a", "fine", "film"], ["a", "film", "that", "is", "not", "good", "at", "all"]]
    lexicon = Lexicon.build(sentences)
    sizes = Sizes(attention, embed_dim=8, hidden_dim=6, attention_dim=5)
    network = Classifier(len(lexicon), sizes).eval()
    together, weights = network(lexicon.batch(sentences))
    alone, own = network(lexicon.batch(sentences[:1]))
    torch.testing.assert_close(together[:1], alone)
    if attention:
        torch.testing.assert_close(weights[0, :3], own[0])
        assert weights[0, 3:].abs().sum() == 0
        torch.testing.assert_close(weights.sum(1), torch.ones(2))
    else:
        assert weights is None


def test_every_sentence_is_in_one_batch():
    batches = random_batches(np.arange(103) % 7, 10, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(103))


def test_the_same_seed_trains_the_same_network():
    words = [line.split()[1:] for line in make_lines(60, 3)]
    labels = np.arange(60) % 2
    lexicon = Lexicon.build(words)
    first, second = (classify(train(words, labels, lexicon, SMALL, 5, 1), lexicon, words) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_duplicates_contradictions_and_held_out_sentences_leave_the_training_part():
    texts = ["A fine film .", "a fine film", "it 's bad", "It's bad!", "dull", "moving", "held (out) ."]
    train_part = Sentences(texts, np.array([1, 1, 0, 1, 0, 1, 0]))
    held_out = Sentences(["held -lrb- out -rrb-"], np.array([0]))
    kept = corpus.drop_duplicates(train_part, held_out)
    assert kept.texts == ["A fine film .", "dull", "moving"]
    assert kept.labels.tolist() == [1, 0, 1]


def test_a_split_never_divides_repetitions():
    sentences = Sentences([f"number {i % 40}" for i in range(100)], np.arange(100) % 2)
    one, two = corpus.split(sentences, 0.25, 0)
    assert not set(one.texts) & set(two.texts)
    assert len(set(two.texts)) == 10


def test_a_sentence_gets_label_probability_and_attention(trained: Lab, capsys: pytest.CaptureFixture):
    experiment.predict(trained, "a charming film")
    out = capsys.readouterr().out
    assert out.startswith("positive (probability 0.")
    rows = [line.split() for line in out.splitlines()[3:]]
    assert [row[0] for row in rows] == ["a", "charming", "film"]
    assert sum(float(row[1]) for row in rows) == pytest.approx(1, abs=2e-3)


def test_the_effect_of_the_deciding_word_is_the_largest(trained: Lab):
    network, lexicon, _ = experiment._load(trained)
    verdict = judge(network, lexicon, "the plot was awful")
    assert verdict.label == "negative"
    assert verdict.words[int(verdict.effect.argmin())] == "awful"


def test_one_word_and_unknown_words_are_judged(trained: Lab, capsys: pytest.CaptureFixture):
    experiment.predict(trained, "Zyxwv")
    assert "zyxwv" in capsys.readouterr().out


def test_a_file_gives_one_line_a_sentence(trained: Lab, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "reviews.txt"
    path.write_text("a charming film\n\nan awful plot\n")
    experiment.predict(trained, str(path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["positive", "negative"]


@pytest.mark.parametrize(("content", "message"), [(b"\n \n", "no sentences"), (b"\xff\xfe\x00", "not UTF-8")])
def test_files_without_text_are_refused(trained: Lab, tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "broken.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        experiment.predict(trained, str(path))


@pytest.mark.parametrize("text", ["", "   ", "<br>"])
def test_an_empty_sentence_is_refused(trained: Lab, text: str):
    with pytest.raises(ValueError, match="empty"):
        experiment.predict(trained, text)


def test_a_model_that_was_not_trained_says_how(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="pycap course run checkpoint4"):
        experiment.predict(Lab(find_unit("checkpoint4"), tmp_path), "a fine film")


def test_held_out_sentences_are_scored(trained: Lab, folder: Path, capsys: pytest.CaptureFixture):
    experiment.evaluate(trained, folder / corpus.DEV)
    fields = capsys.readouterr().out.splitlines()[-1].split()
    assert float(fields[3]) > 0.8
    assert fields[-1] == "80"


def test_training_sentences_are_not_scored(trained: Lab, folder: Path):
    with pytest.raises(ValueError, match="220 of its 220 sentences are in the SST-2 training data"):
        experiment.evaluate(trained, folder / corpus.TRAIN)


def test_the_other_corpus_is_not_scored(trained: Lab, shared_data: Path):
    for path in ("sentiment/rt-polarity", "sentiment/rt-polarity/rt-polarity.pos"):
        with pytest.raises(ValueError, match="polarity data cannot score this model"):
            experiment.evaluate(trained, shared_data / path)


def test_sst_does_not_score_a_model_of_the_polarity_data(shared_data: Path):
    with pytest.raises(ValueError, match="SST-2 cannot score this model"):
        corpus.read_scored(shared_data / "sentiment/sst2" / corpus.DEV, corpus.RT, set())


def test_sst_and_polarity_are_recognised_as_the_same_sentences(shared_data: Path):
    sst = corpus.read_corpus(shared_data / "sentiment/sst2", 0)
    polarity = corpus.read_corpus(shared_data / "sentiment/rt-polarity", 0)
    assert (sst.name, len(sst.held_out.texts)) == ("SST-2", 872)
    assert polarity.name == "sentence polarity"
    known = {corpus.fingerprint(text) for text in sst.train.texts}
    shared = sum(corpus.fingerprint(text) in known for text in polarity.train.texts + polarity.held_out.texts)
    assert shared > 5000
    assert not {corpus.key(t) for t in polarity.train.texts} & {
        corpus.key(t) for t in polarity.held_out.texts
    }


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path):
    path = tmp_path / "reviews.txt"
    path.write_text("1 fine\n")
    with pytest.raises(ValueError, match="--data must be a folder"):
        corpus.read_corpus(path, 0)


def test_a_folder_with_neither_corpus_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"stsa\.binary\.train"):
        experiment.run(Lab(find_unit("checkpoint4"), tmp_path / "out", quick=True, data=tmp_path))
