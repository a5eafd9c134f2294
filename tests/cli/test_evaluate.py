"""`pycap evaluate` and `pycap check`: honest numbers, on the promised keys and scale."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image
from tiny import draw_picture

from pycap import cli
from pycap.data import load_dataset
from pycap.evaluation import evaluate

QUALITY = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
KEYS = ["split", "images", "beam", *QUALITY, "meteor", "spice"]
KEYS += ["mean_words", "searches_per_second", "captions_per_second"]


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


def words_for_results(folder) -> list:
    return ["evaluate", "--data", folder, "--format", "folder", "--no-meteor"]


def refuse(capsys, *words) -> str:
    """Run a command that is wrong usage; return what it says."""
    with pytest.raises(SystemExit) as stopped:
        run(capsys, *words)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_json_has_the_promised_keys_on_the_scale_of_coco_caption(folder, tiny_checkpoint, capsys):
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), "--split", "dev", "--beam", 3, "--json")
    assert code == 0
    scores = json.loads(out)
    assert list(scores) == KEYS
    assert [scores[name] for name in ("split", "images", "beam")] == ["dev", 4, 3]
    assert scores["meteor"] is scores["spice"] is None
    assert all(0 <= scores[name] <= 1 for name in QUALITY[:5])
    assert 0 <= scores["cider"] <= 10
    assert scores["searches_per_second"] > scores["captions_per_second"] > 0
    assert "bleu_4" in err


def test_scores_are_those_of_the_written_captions(folder, tiny_checkpoint, captioner, capsys, tmp_path):
    results = tmp_path / "results.json"
    _, out, _ = run(capsys, *options(folder, tiny_checkpoint), "--beam", 2, "--captions", results, "--json")
    rows = json.loads(results.read_text())
    again = evaluate(captioner, load_dataset(folder, "folder"), "dev", meteor=False, beam=2)
    assert {row["image_id"]: row["caption"] for row in rows} == again.captions
    assert json.loads(out)["cider"] == pytest.approx(again.scores["cider"])


def test_an_unreadable_picture_is_named_and_not_scored(folder, tiny_checkpoint, capsys):
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


@pytest.mark.parametrize("option", ["captions", "sentences", "picture", "report"])
def test_files_in_a_missing_folder_are_refused_before_any_work(folder, tiny_checkpoint, capsys, option):
    path = folder / "no" / f"file.{dict(picture='png', report='html').get(option, 'json')}"
    words = [*options(folder, tiny_checkpoint), "--beam", "1,2", f"--{option}", path]
    assert f"--{option} {path}: its folder does not exist; make it first" in refuse(capsys, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sentences", "here.txt"], "--sentences here.txt: end it in .csv or .json"),
        (["--report", "here.pdf"], "--report here.pdf: end it in .html or .htm"),
        (["--picture", "here.png"], "--picture draws a sweep: give several beams, such as --beam 1,3,5,10"),
        (["--beam", "3,1,3"], "expected different numbers, got '3,1,3'"),
        (["--beam", "3,"], "expected a whole number from 1 to 1000, got ''"),
        (["--beam", "5,99999"], "expected a whole number from 1 to 1000, got '99999'"),
        (["--results", "r.json", "--beam", "3"], "--beam is for captions that pycap makes"),
        (
            ["--results", "r.json", "--length-penalty", "0"],
            "--length-penalty is for captions that pycap makes",
        ),
        (["--results", "r.json", "--checkpoint", "c"], "--checkpoint is for captions that pycap makes"),
        (["--results", "r.json", "--captions", "c.json"], "--captions is for captions that pycap makes"),
    ],
)
def test_options_that_do_not_fit_are_one_line(folder, capsys, words, message):
    assert message in refuse(capsys, "evaluate", "--data", folder, "--format", "folder", *words)


def test_no_file_is_written_over_another(folder, capsys):
    results = folder / "r.json"
    results.write_text("[]")
    words = ["evaluate", "--data", folder, "--format", "folder", "--results", results]
    said = refuse(capsys, *words, "--sentences", folder / "." / "r.json")
    assert f"--sentences {results}: --results names the same file; choose another" in said
    words = ["evaluate", "--data", folder, "--format", "folder", "--captions", folder / "x.json"]
    said = refuse(capsys, *words, "--sentences", folder / "x.json")
    assert f"--sentences {folder / 'x.json'}: --captions names the same file; choose another" in said
    assert results.read_text() == "[]"


def test_a_file_that_cannot_be_written_is_refused_before_any_work(folder, tiny_checkpoint, capsys):
    path = folder / f"{'long' * 80}.html"
    said = refuse(capsys, *options(folder, tiny_checkpoint), "--report", path)
    assert f"--report {path}: cannot be written (File name too long)" in said
    assert not list(folder.glob(".pycap*"))


def test_scores_are_printed_though_a_file_cannot_be_written_any_more(
    folder, tiny_checkpoint, capsys, monkeypatch
):
    def fail(*args):
        raise OSError(28, "No space left on device")

    path = folder / "c.json"
    monkeypatch.setattr("os.replace", fail)
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), "--captions", path, "--json")
    assert (code, list(json.loads(out))) == (1, KEYS)
    assert err.splitlines()[-1] == f"pycap: {path}: No space left on device"


def test_a_folder_in_the_place_of_a_file_is_refused(folder, tiny_checkpoint, capsys):
    words = [*options(folder, tiny_checkpoint), "--captions", folder]
    assert f"--captions {folder}: is a folder; name a file" in refuse(capsys, *words)


def test_a_results_file_scores_as_the_model_that_wrote_it(folder, tiny_checkpoint, capsys):
    results = folder / "results.json"
    _, out, _ = run(capsys, *options(folder, tiny_checkpoint), "--captions", results, "--json")
    expected = json.loads(out)
    code, out, err = run(capsys, *words_for_results(folder), "--results", results, "--json")
    scores = json.loads(out)
    assert code == 0
    assert [scores[name] for name in KEYS[3:]][:9] == [expected[name] for name in KEYS[3:]][:9]
    assert scores["beam"] is scores["searches_per_second"] is scores["captions_per_second"] is None
    assert "a second" not in err


def test_a_wrong_results_file_is_one_line(folder, capsys):
    results = folder / "results.json"
    results.write_text("captions")
    code, out, err = run(capsys, *words_for_results(folder), "--results", results)
    assert (code, out) == (1, "")
    assert err.startswith(f"pycap: {results}: not JSON (line 1")
    assert len(err.splitlines()) == 1


def test_a_sweep_has_a_row_for_each_beam_and_a_picture(folder, tiny_checkpoint, capsys):
    picture, captions = folder / "sweep.png", folder / "best.json"
    words = ["--beam", "1,3,2", "--picture", picture, "--captions", captions, "--json"]
    code, out, err = run(capsys, *options(folder, tiny_checkpoint), *words)
    assert code == 0
    scores = json.loads(out)
    assert list(scores) == ["split", "images", "sweep"]
    assert [row["beam"] for row in scores["sweep"]] == [1, 3, 2]
    assert list(scores["sweep"][0]) == KEYS[2:]
    table = [line.split()[0] for line in err.splitlines()]
    assert table[:4] == ["beam", "1", "3", "2"]
    with Image.open(picture) as image:
        assert image.format == "PNG"
    _, out, _ = run(capsys, *words_for_results(folder), "--results", captions, "--json")
    best = max(scores["sweep"], key=lambda row: row["cider"])
    assert json.loads(out)["cider"] == best["cider"]


def test_every_beam_of_a_sweep_scores_as_if_it_ran_alone(folder, tiny_checkpoint, capsys):
    words = [*options(folder, tiny_checkpoint), "--max-length", 5, "--json"]
    _, out, _ = run(capsys, *words, "--beam", "1,4")
    for row in json.loads(out)["sweep"]:
        _, alone, _ = run(capsys, *words, "--beam", row["beam"])
        expected = json.loads(alone)
        assert [row[name] for name in QUALITY] == [expected[name] for name in QUALITY]
        assert row["mean_words"] == expected["mean_words"] <= 5


def test_sentences_are_listed_worst_first(folder, tiny_checkpoint, capsys):
    path = folder / "sentences.csv"
    code, _, _ = run(capsys, *options(folder, tiny_checkpoint), "--sentences", path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert code == 0
    assert len(rows) == 4
    ciders = [float(row["cider"]) for row in rows]
    assert ciders == sorted(ciders)
    assert {row["reference_1"] for row in rows} == {f"a red dog runs {number}" for number in range(2, 6)}


@pytest.mark.parametrize("beams", ["2", "1,2"])
def test_a_report_is_one_page_that_names_its_command(folder, tiny_checkpoint, capsys, beams):
    path = folder / "out.html"
    words = [*options(folder, tiny_checkpoint), "--beam", beams, "--report", path, "--report-pictures", 1]
    code, _, _ = run(capsys, *words)
    page = path.read_text(encoding="utf-8")
    assert code == 0
    assert f"--beam {beams} --report {path}" in page
    assert ("beam with the best CIDEr" in page) == ("," in beams)
    assert "Where the decoder looked for" in page
    assert "word for word a training caption" in page
    assert page.count("<article") == 3
    assert not list(folder.glob("*.tmp"))


def test_a_report_of_a_results_file_has_no_attention_and_escapes_its_captions(folder, capsys):
    results, path = folder / "other.json", folder / "out.html"
    rows = [{"image_id": str(number), "caption": "<b>a dog \ud800"} for number in range(2, 6)]
    results.write_text(json.dumps(rows))
    code, _, err = run(capsys, *words_for_results(folder), "--results", results, "--report", path)
    page = path.read_text(encoding="utf-8")
    assert code == 0, err
    assert "other.json on" in page
    assert "<b>" not in page
    assert "Where the decoder looked" not in page


def test_no_progress_bar_where_nobody_watches(folder, tiny_checkpoint, capsys):
    _, _, err = run(capsys, *options(folder, tiny_checkpoint))
    assert "captioning" not in err
    assert "\r" not in err


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
