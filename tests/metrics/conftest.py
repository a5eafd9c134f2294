"""A small corpus scored by coco-caption's own program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def corpus() -> dict:
    """Hand-made `references` of six images and `systems`, each with `captions` and pycocoevalcap 1.2's scores of them:
    `corpus` and, by image, `sentences`."""
    return json.loads((HERE / "scores.json").read_text())


@pytest.fixture(scope="session")
def coco_example(shared_data: Path) -> tuple[dict[int, str], dict[int, list[str]]]:
    """coco-caption's own example, raw: candidates and references of 1,000 images."""
    folder = shared_data / "coco-caption"
    results = json.loads((folder / "captions_val2014_fakecap_results.json").read_text())
    candidates = {entry["image_id"]: entry["caption"] for entry in results}
    references: dict[int, list[str]] = {image: [] for image in candidates}
    for entry in json.loads((folder / "captions_val2014_fakecap_refs.json").read_text())["annotations"]:
        references[entry["image_id"]].append(entry["caption"])
    return candidates, references


@pytest.fixture(scope="session")
def dev_references(shared_data: Path) -> dict[str, list[str]]:
    """Raw references of the 1,000 Flickr8k dev images."""
    folder = shared_data / "flickr8k"
    references: dict[str, list[str]] = {
        name: [] for name in (folder / "Flickr_8k.devImages.txt").read_text().split()
    }
    for line in (folder / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        key, caption = line.split("\t", 1)
        if key.rsplit("#", 1)[0] in references:
            references[key.rsplit("#", 1)[0]].append(caption)
    return references
