"""`pycap caption`: every option, every way to name pictures, and folders where half the files are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from broken import write_broken_pictures
from tiny import PACKAGE_HOME, child_environment, draw_picture

from pycap.captioner import Captioner
from pycap.ops import library


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    draw_picture(0).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def expected(captioner: Captioner, pictures: Path) -> dict[str, str]:
    """Captions of the folder by path, in its order."""
    names = ("img1.png", "img2.jpg", "img10.png", "deeper/img3.png")
    return {str(pictures / name): captioner(pictures / name).text for name in names}


def test_one_picture_is_one_bare_line(caption, captioner, photo):
    assert caption(photo) == caption(photo, "--batch-size", 1)
    result = caption(photo)
    assert (result.code, result.out, result.err) == (0, [captioner(photo).text], [])


def test_several_pictures_are_path_and_caption_in_order(caption, pictures, expected):
    lines = [f"{name}\t{text}" for name, text in expected.items()]
    for words in ([pictures], list(expected), [pictures, "--batch-size", 1], [pictures, "--batch-size", 3]):
        result = caption(*words)
        assert (result.code, result.out, result.err) == (0, lines, [])
    assert caption(pictures / "img1*.png").out == [lines[0], lines[2]]
    assert caption(pictures / "deeper").out == lines[3:]


def test_pictures_and_names_come_from_stdin(caption, photo, pictures, expected):
    assert caption("-", stdin=photo.read_bytes()).out == caption(photo).out
    names = "\n".join(expected).encode()
    assert caption("-", stdin=names).out == caption(*expected).out
    (line,) = caption("-", "--json", stdin=photo.read_bytes()).out
    assert json.loads(line)["image"] == "-"


def test_a_broken_picture_on_stdin_is_named_so(caption, photo):
    result = caption("-", stdin=photo.read_bytes()[:60])
    assert (result.code, result.out) == (1, [])
    assert result.err[0].startswith("pycap: standard input: ")


def test_json_has_everything(caption, captioner, photo, pictures):
    (line,) = caption(photo, "--json", "--n-best", 2).out
    record, whole = json.loads(line), captioner(photo, n_best=2)
    assert list(record) == ["image", "caption", "score", "n_best", "words", "attention"]
    assert record["image"] == str(photo)
    assert record["caption"] == whole.text
    assert record["score"] == pytest.approx(whole.score, abs=1e-4)
    assert [found["caption"] for found in record["n_best"]] == [text for text, _ in whole.n_best]
    assert record["n_best"][0] == {"caption": record["caption"], "score": record["score"]}
    assert record["words"] == list(whole.words)
    np.testing.assert_allclose(np.array(record["attention"]), whole.attention, atol=2e-5)
    assert not re.search(r"\d\.\d{6}", line.partition('"attention"')[2]), "attention should be rounded"
    paths = [line.split("\t")[0] for line in caption(pictures).out]
    assert [json.loads(line)["image"] for line in caption(pictures, "--json").out] == paths


def test_n_best_adds_lines_and_scores(caption, captioner, photo, pictures):
    lines = [line.split("\t") for line in caption(photo, "--n-best", 3).out]
    assert [text for text, _ in lines] == [text for text, _ in captioner(photo, n_best=3).n_best]
    scores = [float(score) for _, score in lines]
    assert scores == sorted(scores, reverse=True)
    assert [line.count("\t") for line in caption(pictures, "--n-best", 2).out] == [2] * 8


def test_search_options_reach_the_search(caption, captioner, photo):
    for words, settings in (
        (["--beam", 1], {"beam": 1}),
        (["--max-length", 2, "--beam", 3], {"max_length": 2, "beam": 3}),
        (["--length-penalty", 0], {"length_penalty": 0.0}),
        (["--length-penalty", 2.5], {"length_penalty": 2.5}),
    ):
        assert caption(photo, *words).out == [captioner(photo, **settings).text]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-best", 3, "--beam", 2], "--n-best 3 is more than --beam 2: widen the beam"),
        (["--n-best", 9], "--n-best 9 is more than the checkpoint's beam: give --beam too"),
        (["--beam", 0], "expected a whole number from 1 to 1000, got '0'"),
        (["--batch-size", 20_000], "expected a whole number from 1 to 10000, got '20000'"),
        (["--phrase-weight", "1e308"], "expected a number from 0 to 100, got '1e308'"),
        (["--max-length", "many"], "expected a whole number from 1 to 1000, got 'many'"),
        (["--length-penalty", "-1"], "expected a number from 0 to 100, got '-1'"),
        (["--length-penalty", "nan"], "expected a number from 0 to 100, got 'nan'"),
        (["--resume"], "--resume skips pictures that have a sidecar"),
        (["--sidecar", "xml"], "invalid choice: 'xml'"),
        (["--backend", "fast"], "invalid choice: 'fast'"),
        (["--attention", "figure.doc"], "--attention figure.doc: end it in .png"),
        (["-", "-"], "'-' may be given once"),
    ],
)
def test_wrong_usage_exits_with_2(caption, photo, words, message):
    result = caption(photo, *words)
    assert (result.code, result.out) == (2, [])
    assert message in result.err[-1]


def test_stdin_picture_has_no_sidecar(caption, photo):
    result = caption("-", "--sidecar", "txt", stdin=photo.read_bytes())
    assert result.code == 2
    assert "--sidecar needs a file" in result.err[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "/no/such/folder"], "pycap: /no/such/folder: not a checkpoint, config.json is"),
        (["--device", "toaster"], "pycap: device must be cpu, cuda, cuda:NUMBER or auto, got 'toaster'"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(caption, photo, words, message):
    result = caption(photo, *words)
    assert (result.code, result.out, len(result.err)) == (1, [], 1)
    assert result.err[0].startswith(message)


def test_wrong_names_are_reported_without_loading_the_model(caption, tmp_path):
    (tmp_path / "empty").mkdir()
    result = caption(tmp_path / "empty", tmp_path / "*.jpg", "--checkpoint", "/no/such/folder")
    assert (result.code, result.out, len(result.err)) == (1, [], 2)


@pytest.mark.filterwarnings("always:the compiled kernels are missing")
def test_missing_kernels_are_one_line_and_captions_still_come(run, tiny_checkpoint, pictures, monkeypatch):
    monkeypatch.setattr(library, "cpu", None)
    result = run("caption", pictures, "--checkpoint", tiny_checkpoint, "--batch-size", 1)
    assert (result.code, len(result.out), len(result.err)) == (0, 4, 1)
    assert "`pycap info`" in result.err[0]
    refused = run("caption", pictures, "--checkpoint", tiny_checkpoint, "--backend", "native")
    assert (refused.code, len(refused.err)) == (1, 1)
    assert "_cpu is missing" in refused.err[0]


def test_threads_and_batch_size_reach_the_captioner(caption, photo, monkeypatch):
    threads, batches = [], []
    each = Captioner.caption_each
    monkeypatch.setattr(library, "set_threads", threads.append)
    monkeypatch.setattr(
        Captioner, "caption_each", lambda *args, **options: batches.append(options) or each(*args, **options)
    )
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert caption(photo, "--threads", 3, "--batch-size", 5).code == 0
    assert caption(photo, "--threads", 9000).code == 0
    assert threads == [3, 4]  # more than there are cores would only wait
    assert batches[0]["batch_size"] == 5


def test_fifty_broken_pictures_among_fifty_good_ones(caption, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    broken = write_broken_pictures(folder, 50)
    kinds = ("png", "jpg", "webp", "gif", "bmp")
    good = [folder / f"good{number}.{kinds[number % 5]}" for number in range(50)]
    for number, path in enumerate(good):
        draw_picture(number).save(path)
    result = caption(folder)
    assert result.code == 1
    assert {line.split("\t")[0] for line in result.out} == {str(path) for path in good}
    assert len(result.out) == len(result.err) == 50
    for path in broken:
        assert sum(f"pycap: {path}: " in line for line in result.err) == 1
    assert not [line for line in result.err if "Traceback" in line or len(line) > len(str(folder)) + 200]


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_sidecars_hold_the_caption(caption, captioner, pictures, expected, kind):
    result = caption(pictures, "--sidecar", kind)
    assert (result.code, len(result.out)) == (0, 4)
    for name, text in expected.items():
        content = Path(f"{name}.{kind}").read_text()
        assert content == text + "\n" if kind == "txt" else json.loads(content)["caption"] == text
    again = caption(pictures, "--sidecar", kind)
    assert again.out == result.out  # written anew, and no sidecar was taken for a picture


def test_resume_skips_what_is_done(caption, pictures, expected, monkeypatch):
    first, *rest = expected
    assert caption(first, "--sidecar", "txt").code == 0
    stamp = os.stat(f"{first}.txt").st_mtime_ns
    result = caption(pictures, "--sidecar", "txt", "--resume")
    assert [line.split("\t")[0] for line in result.out] == rest
    assert result.err == ["pycap: skipped, sidecar is there: 1 of 4"]
    assert os.stat(f"{first}.txt").st_mtime_ns == stamp
    monkeypatch.setattr(Captioner, "load", lambda *args: pytest.fail("nothing is left to caption"))
    again = caption(pictures, "--sidecar", "txt", "--resume")
    assert (again.code, again.out) == (0, [])


def test_a_picture_that_fails_gets_no_sidecar(caption, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    assert caption(tmp_path, "--sidecar", "json").code == 1
    assert os.listdir(tmp_path) == ["bad.jpg"]


def test_a_sidecar_that_cannot_be_written_is_one_line(caption, pictures, expected, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if "img2" in str(target):
            raise PermissionError(13, "Permission denied", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    result = caption(pictures, "--sidecar", "txt")
    assert (result.code, len(result.out), len(result.err)) == (1, 4, 1)
    assert result.err[0].endswith("img2.jpg.txt: Permission denied")
    assert Path(f"{list(expected)[-1]}.txt").exists()


def test_attention_of_one_picture_is_that_file(caption, photo, tmp_path):
    kinds = {"out.png": b"\x89PNG", "new/out.jpg": b"\xff\xd8", "out.webp": b"RIFF"}
    for name, magic in kinds.items():
        assert caption(photo, "--attention", tmp_path / name).code == 0
        assert (tmp_path / name).read_bytes().startswith(magic)


def test_attention_of_several_is_a_folder_or_a_pattern(caption, pictures, tmp_path):
    again = pictures / "deeper" / "img1.png"
    draw_picture(7).save(again)
    caption(pictures, "--attention", tmp_path / "figures")
    names = ["img1-2.png", "img1.png", "img10.png", "img2.png", "img3.png"]
    assert sorted(os.listdir(tmp_path / "figures")) == names
    caption(again, pictures / "img2.jpg", "--attention", tmp_path / "look" / "at.jpg")
    assert sorted(os.listdir(tmp_path / "look")) == ["at-img1.jpg", "at-img2.jpg"]
    caption(again, "--attention", tmp_path / "figures")
    assert (tmp_path / "figures" / "img1.png").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are any bytes")
def test_strange_file_names_keep_lines_whole(caption, tmp_path):
    folder = os.fsencode(tmp_path / "strange")
    os.mkdir(folder)
    strange = sorted([b"tab\there.png", b"new\nline.png", b"caf\xe9.png", "größe 😀.png".encode()])
    for name in strange:
        with open(os.path.join(folder, name), "wb") as file:
            draw_picture(0).save(file, "PNG")
    with open(os.path.join(folder, b"bro\nken\xff.png"), "wb"):
        pass
    result = caption(os.fsdecode(folder), "--sidecar", "txt")
    assert (result.code, len(result.out), len(result.err)) == (1, 4, 1)
    assert {line.count("\t") for line in result.out} == {1}
    assert "bro\\nken" in result.err[0]
    records = [json.loads(line) for line in caption(os.fsdecode(folder), "--json").out]
    assert sorted(os.path.basename(os.fsencode(record["image"])) for record in records) == strange
    assert len([name for name in os.listdir(folder) if name.endswith(b".png.txt")]) == 4


def test_the_progress_bar_is_for_people_only(caption, photo, pictures, monkeypatch):
    assert caption(pictures).err == []
    monkeypatch.setattr("pycap.cli.caption._watched", lambda: True)
    assert "4/4" in "".join(caption(pictures).err)
    assert caption(photo).err == []


def start(*words: object) -> subprocess.Popen:
    """Start the command in a process of its own, with the real CNN.

    Whatever runs the tests in the background may ignore interrupts, and children inherit that: undone here.
    """
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; from pycap.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-W", "ignore", "-c", code, "caption", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, env=child_environment(), cwd=PACKAGE_HOME)


def fill(folder: Path) -> list[Path]:
    """Put 60 pictures into a folder and name it 50 times: more lines than fit into a pipe that nobody reads."""
    for number in range(60):
        draw_picture(number).save(folder / f"{number}.png")
    return [folder] * 50


def test_lines_stream_and_a_closed_pipe_ends_quietly(tiny_checkpoint, backend, tmp_path):
    process = start(*fill(tmp_path), "--checkpoint", tiny_checkpoint, "--backend", backend, "--batch-size", 1)
    first = process.stdout.readline()
    assert first.startswith(os.fsencode(tmp_path / "0.png\t"))
    assert process.poll() is None, "the first line should come before the last picture"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


def test_interrupt_ends_quietly(tiny_checkpoint, backend, tmp_path):
    process = start(*fill(tmp_path), "--checkpoint", tiny_checkpoint, "--backend", backend, "--batch-size", 1)
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""
    assert len(out.splitlines()) < 2999
