"""SPICE reads what its Java program writes, and is None with a reason where the program or its models are not."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from pycap.metrics import score, score_sentences, spice

CANDIDATES, REFERENCES = {7: "a dog", "x": "two men"}, {7: ["a cat"], "x": ["a man", "Two men ."]}


@pytest.fixture
def program(monkeypatch, tmp_path: Path) -> Path:
    """A folder like pycocoevalcap's with all jars in it, all empty."""
    jar = tmp_path / "pycocoevalcap" / "spice" / "spice-1.0.jar"
    (jar.parent / "lib").mkdir(parents=True)
    for path in (jar, *(jar.parent / "lib" / name for name in spice.MODELS)):
        path.touch()
    monkeypatch.setattr(spice, "explain_missing_program", lambda *words: None)
    monkeypatch.setattr(spice, "find_program", lambda *parts: jar)
    return jar


@pytest.fixture
def java(monkeypatch, tmp_path: Path):
    """Put a Python program in the place of `java`; it finds the tasks in `tasks`, and `out` is where answers go."""

    def install(code: str) -> None:
        lines = [f"#!{sys.executable}", "import json, sys"]
        lines += ["words = sys.argv[sys.argv.index('-jar') + 2:]", "tasks = json.load(open(words[0]))"]
        lines += ["out = words[words.index('-out') + 1]", code]
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "java").write_text("\n".join(lines) + "\n")
        (folder / "java").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return install


def run_without_spice(capsys: pytest.CaptureFixture) -> str:
    """Score, and return the one line that says why SPICE is missing."""
    assert score(CANDIDATES, REFERENCES, spice=True)["spice"] is None
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


def test_missing_java_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert run_without_spice(capsys).startswith("pycap: SPICE needs Java, and no `java` is on the PATH")


def test_missing_models_are_named_with_their_place(program: Path, capsys):
    (program.parent / "lib" / spice.MODELS[1]).unlink()
    assert run_without_spice(capsys) == (
        "pycap: SPICE needs Stanford CoreNLP 3.6.0: put stanford-corenlp-3.6.0-models.jar "
        f"(from stanford-corenlp-full-2015-12-09.zip) into {program.parent / 'lib'}"
    )


def test_failing_java_is_said_in_one_line(program: Path, java, capsys):
    java("sys.exit('Exception in thread main\\n\\tat edu.anu.spice')")
    assert run_without_spice(capsys) == (
        f"pycap: SPICE failed: java -jar {program} gave no scores (exit code 1: Exception in thread main)"
    )


def test_the_program_gets_tokens_and_its_answer_is_matched_by_image(program: Path, java):
    java(
        "assert tasks == [{'image_id': 0, 'test': 'a dog', 'refs': ['a cat']},"
        " {'image_id': 1, 'test': 'two men', 'refs': ['a man', 'two men']}], tasks\n"
        "rows = [{'image_id': 1, 'scores': {'All': {'f': 0.75}}}, {'image_id': 0, 'scores': {'All': {'f': 0}}}]\n"
        "json.dump(rows, open(out, 'w'))"
    )
    assert score(CANDIDATES, REFERENCES, spice=True)["spice"] == 0.375
    sentences = score_sentences(CANDIDATES, REFERENCES, spice=True)
    assert [sentences[image]["spice"] for image in (7, "x")] == [0, 0.75]


def test_a_caption_without_a_score_is_left_out_of_the_mean(program: Path, java):
    java(
        "json.dump([{'image_id': i, 'scores': {'All': {'f': [None, 0.5][i]}}} for i in (0, 1)], open(out, 'w'))"
    )
    assert score(CANDIDATES, REFERENCES, spice=True)["spice"] == 0.5


def test_the_answer_of_the_real_program_gives_the_published_score(program, java, shared_data, coco_example):
    path = shared_data / "coco-caption" / "fakecap_spice_per_image.json"
    known = {row["image_id"]: row["scores"] for row in json.loads(path.read_text())}
    candidates, references = coco_example
    scores = [known[image] for image in references]
    answer = json.dumps([{"image_id": n, "scores": s} for n, s in enumerate(scores)])
    java(f"open(out, 'w').write({answer!r})")
    assert round(score(candidates, references, spice=True)["spice"], 3) == 0.133  # EXPECTED.txt


def test_spice_is_not_run_unasked(monkeypatch):
    monkeypatch.setattr("pycap.metrics.score_spice", lambda *arguments: pytest.fail("SPICE was run"))
    assert score(CANDIDATES, REFERENCES)["spice"] is None


@pytest.mark.slow
def test_spice_equals_the_published_score(coco_example):
    if (reason := spice.explain_missing()) is not None:
        pytest.skip(reason)
    assert score(*coco_example, spice=True)["spice"] == pytest.approx(0.132889, abs=5e-4)
