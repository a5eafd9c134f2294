"""The check finds every known defect, says so, and keeps the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pycap.data import CaptionDataset, Example, check_dataset, load_dataset
from pycap.data.check import CONSEQUENCES, is_placeholder


@pytest.fixture
def broken(tmp_path, draw) -> CaptionDataset:
    """A data set with each defect once."""
    for name in ("good", "held", "words", "useless", "unsplit", "silent", "unlisted"):
        draw(f"{name}.jpg")
    draw("twin.jpg", seed=1)
    draw("copy.jpg", seed=1)
    draw("leak.jpg", sum(b"held.jpg"))
    (tmp_path / "cut.jpg").write_bytes(draw("cut.jpg").read_bytes()[:300])
    (tmp_path / "zero.jpg").touch()
    lines = [
        "good.jpg,A dog runs .,train",
        "held.jpg,A,dev",
        "held.jpg,A cat sleeps .,dev",
        "words.jpg,A,train",
        'words.jpg,"broken image",train',
        'words.jpg," .",train',
        "words.jpg,Two dogs,train",
        "words.jpg,two dogs .,train",
        "useless.jpg,n/a,train",
        "unsplit.jpg,A horse stands .,",
        'silent.jpg,"",train',
        "twin.jpg,A boat,train",
        "copy.jpg,One boat,train",
        "leak.jpg,A sleeping cat,train",
        "cut.jpg,A tree stands .,train",
        "zero.jpg,A tree falls .,train",
        "gone.jpg.1,A bird flies .,train",
    ]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption,split", *lines]))
    return load_dataset(tmp_path, "folder")


def test_every_defect_is_found_once(broken):
    report = check_dataset(broken)
    assert sorted((problem.kind, problem.subject) for problem in report.problems) == sorted(
        [
            ("one-word caption", "held.jpg"),
            ("one-word caption", "words.jpg"),
            ("placeholder caption", "words.jpg"),
            ("empty caption", "words.jpg"),
            ("duplicate caption", "words.jpg"),
            ("placeholder caption", "useless.jpg"),
            ("image without captions", "useless.jpg"),
            ("image in no split", "unsplit.jpg"),
            ("empty caption", "silent.jpg"),
            ("image without captions", "silent.jpg"),
            ("duplicate image", "copy.jpg"),
            ("image leak", "leak.jpg"),
            ("corrupt image", "cut.jpg"),
            ("corrupt image", "zero.jpg"),
            ("missing image", "gone.jpg.1"),
            ("unused image", "unlisted.jpg"),
        ]
    )


def test_the_rest_is_usable_in_order(broken):
    usable = check_dataset(broken).usable
    assert [(example.id, example.captions) for example in usable] == [
        ("good.jpg", ("A dog runs .",)),
        ("held.jpg", ("A", "A cat sleeps .")),  # held-out references stay, or scores could not be compared
        ("words.jpg", ("Two dogs", "two dogs .")),
        ("unsplit.jpg", ("A horse stands .",)),
        ("twin.jpg", ("A boat",)),
        ("copy.jpg", ("One boat",)),
    ]
    assert check_dataset(usable).usable == usable


def test_details_say_what_was_found(broken):
    details = {(p.kind, p.subject): p.detail for p in check_dataset(broken).problems}
    assert details["corrupt image", "zero.jpg"] == "empty (0 bytes); copy or download it again"
    assert "cut off" in details["corrupt image", "cut.jpg"]
    assert details["duplicate image", "copy.jpg"] == "same bytes as twin.jpg"
    assert details["image leak", "leak.jpg"] == "same bytes as held.jpg in dev"
    assert details["one-word caption", "held.jpg"] == "'A'"


def test_fast_check_does_not_open_pictures(broken):
    report = check_dataset(broken, decode=False)
    assert report.counts["missing image"] == 1
    assert not {"corrupt image", "duplicate image", "image leak"} & set(report.counts)


@pytest.mark.parametrize("workers", [1, 4])
def test_threads_do_not_change_the_report(broken, workers):
    assert check_dataset(broken, workers=workers).problems == check_dataset(broken).problems


def test_progress_hears_of_every_picture(broken):
    seen: list[int] = []
    check_dataset(broken, progress=seen.append)
    assert sum(seen) == len(broken)


def test_summary_counts_shows_and_concludes(broken):
    lines = check_dataset(broken).summary(most=1)
    assert lines[0].endswith("12 pictures, 17 captions (train 10, dev 1, no split 1)")
    assert "missing image (left out): 1: gone.jpg.1 (no file " in lines[1]
    assert any(
        line.startswith("corrupt image (left out): 2: cut.jpg (") and "and 1 more" in line for line in lines
    )
    assert lines[-1] == "usable: 6 pictures, 8 captions (train 4, dev 1, no split 1)"
    assert all("\n" not in line for line in lines)


def test_clean_data_has_nothing_wrong(draw):
    example = Example(draw("one/a.jpg"), ("A dog runs .",), "train", "a.jpg")
    report = check_dataset(CaptionDataset("pets", (example,)))
    assert report.summary() == ["pets: 1 picture, 1 caption (train 1)", "nothing wrong"]
    assert report.usable == report.dataset


def test_problems_of_the_loader_come_first(tmp_path, draw):
    draw("a.jpg")
    (tmp_path / "captions.csv").write_text("image,caption,split\na.jpg,A dog,dev\na.jpg,A,train\n")
    report = check_dataset(load_dataset(tmp_path, "folder"))
    assert [problem.kind for problem in report.problems] == ["image in two splits", "one-word caption"]
    assert set(report.counts) <= set(CONSEQUENCES)


@pytest.mark.parametrize(
    "caption",
    [
        "broken image",
        "A broken image .",
        "No image available",
        "Image not found",
        "The picture is missing.",
        "This image won't load",
        "There is no image here to provide a caption for.",  # occurs in COCO
        "I am unable to see the image above.",  # occurs in COCO
        "n/a",
        "NULL",
    ],
)
def test_captions_of_absent_pictures_are_placeholders(caption):
    assert is_placeholder(caption)


@pytest.mark.parametrize(
    "caption",
    [
        "A broken down car during a race",
        "A broken mirror",
        "A blurred image of a dog",
        "There is no one in the picture",
        "There is no image on the TV screen",
        "A man with a missing tooth",
        "Man brushes image in the sand .",
        "None of the dogs are running",
        "A",
    ],
)
def test_captions_of_real_pictures_are_not_placeholders(caption):
    assert not is_placeholder(caption)


def test_no_real_caption_is_taken_for_a_placeholder(shared_data):
    captions = [c for e in load_dataset(shared_data / "flickr8k", "flickr8k") for c in e.captions]
    captions += [c for e in load_dataset(shared_data / "coco", "coco") for c in e.captions]
    assert len(captions) == 35400
    assert [caption for caption in captions if is_placeholder(caption)] == []


@pytest.mark.slow
def test_real_flickr8k_has_two_identical_pictures(shared_data):
    report = check_dataset(load_dataset(shared_data / "flickr8k", "flickr8k"))
    twins = [problem for problem in report.problems if problem.kind == "duplicate image"]
    assert [(p.subject, p.detail) for p in twins] == [
        ("3050606344_af711c726c.jpg", "same bytes as 2851198725_37b6027625.jpg")
    ]
    assert report.counts == {"duplicate image": 1, "duplicate caption": 18}
    assert report.usable.examples == report.dataset.examples


def test_real_flickr8k_with_its_official_defects_planted(shared_data, tmp_path):
    """The full official files list a name without picture and a caption "A"; planted among real pictures."""
    real = shared_data / "flickr8k" / "Flicker8k_Dataset"
    names = sorted(path.name for path in real.iterdir())[:20]
    (tmp_path / "Flicker8k_Dataset").mkdir()
    for name in names:
        Path(tmp_path / "Flicker8k_Dataset" / name).symlink_to(real / name)
    ghost = "2258277193_586949ec62.jpg.1"
    tokens = [f"{name}#0\tA dog runs ." for name in names] + [
        f"{names[3]}#1\tA",
        f"{names[4]}#1\tbroken image",
    ]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join([*tokens, f"{ghost}#0\tA man runs ."]))
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("\n".join(names[:-1]) + f"\n{ghost}")
    report = check_dataset(load_dataset(tmp_path, "flickr8k"))
    assert {(p.kind, p.subject) for p in report.problems} == {
        ("missing image", ghost),
        ("one-word caption", names[3]),
        ("placeholder caption", names[4]),
        ("image in no split", names[-1]),
    }
    assert len(report.usable) == 20
    assert all(example.captions == ("A dog runs .",) for example in report.usable)
