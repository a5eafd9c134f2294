"""`pycap evaluate` and `pycap check`: honest numbers, on the promised keys and scale."""

from __future__ import annotations

import json

import pytest
from tiny import draw_picture

from pycap import cli
from pycap.data import load_dataset
from pycap.evaluation import evaluate

KEYS = [
    "split",
    "images",
    "bleu_1",
    "bleu_2",
    "bleu_3",
    "bleu_4",
    "rouge_l",
    "cider",
    "meteor",
    "captions_per_second",
]


@pytest.fixture
def folder(tmp_path):
    """Six captioned pictures, four of them dev; one dev picture also has a caption without words."""
    lines = []
    for number in range(6):
        draw_picture(number).save(tmp_path / f"{number}.png")
        split = "train" if number < 2 else "dev"
        lines.append({"image": f"{number}.png", "caption": [f"a red dog runs {number}"], "split": split})
    lines[2]["caption"].append("...")
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def run(capsys, *words) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def options(folder, checkpoint) -> list:
    return ["evaluate", "--data", folder, "--format", "folder", "--checkpoint", checkpoint, "--no-meteor"]


def test_json_has_the_promised_keys_on_the_scale_of_coco_caption(folder, tiny_checkpoint, tiny_cnn, capsys):
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), "--split", "dev", "--beam", 3, "--json")
    assert code == 0
    scores = json.loads(out)
    assert list(scores) == KEYS
    assert (scores["split"], scores["images"], scores["meteor"]) == ("dev", 4, None)
    assert all(0 <= scores[name] <= 1 for name in KEYS[2:7])
    assert 0 <= scores["cider"] <= 10
    assert scores["captions_per_second"] > 0
    assert "bleu_4" in err


def test_scores_are_those_of_the_written_captions(
    folder, tiny_checkpoint, tiny_cnn, captioner, capsys, tmp_path
):
    results = tmp_path / "results.json"
    _, out, _ = run(capsys, *options(folder, tiny_checkpoint), "--beam", 2, "--captions", results, "--json")
    rows = json.loads(results.read_text())
    again = evaluate(captioner, load_dataset(folder, "folder"), "dev", meteor=False, beam=2)
    assert {row["image_id"]: row["caption"] for row in rows} == again.captions
    assert json.loads(out)["cider"] == pytest.approx(again.scores["cider"])


def test_an_unreadable_picture_is_named_and_not_scored(folder, tiny_checkpoint, tiny_cnn, capsys):
    (folder / "3.png").write_bytes(b"")
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), "--json")
    assert code == 1
    assert json.loads(out)["images"] == 3
    assert "3.png" in err
    assert "Traceback" not in err


def test_a_split_that_is_not_there_is_one_line(folder, tiny_checkpoint, capsys):
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), "--split", "test")
    assert (code, out) == (1, "")
    assert "no pictures in split 'test'" in err


def test_results_in_a_missing_folder_are_refused_before_any_work(folder, tiny_checkpoint, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(capsys, *options(folder, tiny_checkpoint), "--captions", folder / "no" / "results.json")
    assert stopped.value.code == 2
    assert "its folder does not exist" in capsys.readouterr().err


def test_check_reports_problems_and_its_exit_code_says_if_pictures_are_lost(folder, capsys):
    code, out, err = run(capsys, "check", "--data", folder, "--format", "folder")
    assert code == 0
    assert "empty caption: 2.png" in out
    (folder / "4.png").write_bytes(b"no picture")
    code, out, err = run(capsys, "check", "--data", folder, "--format", "folder", "--json")
    assert code == 1
    found = [json.loads(line) for line in out.splitlines()]
    assert ("corrupt image", "4.png") in {(problem["kind"], problem["subject"]) for problem in found}
    assert "usable" in err
