"""Settings: ranges, contradictions, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pycap.config import BEFORE, CHOICES, LIMITS, Config


def changed(setting: str, value) -> Config:
    section, name = setting.split(".")
    config = Config()
    return replace(config, **{section: replace(getattr(config, section), **{name: value})})


def test_defaults_are_valid():
    Config().check()


@pytest.mark.parametrize("setting", sorted(LIMITS))
def test_out_of_range_is_named(setting):
    low, high = LIMITS[setting]
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(ValueError, match=rf"{setting} must be from"):
            changed(setting, value).check()


def test_contradictions_are_named():
    with pytest.raises(ValueError, match=r"model\.grid must be 9 for preprocess\.size=288, got 7"):
        changed("model.grid", 7).check()
    with pytest.raises(ValueError, match=r"model\.feature_dim must be a multiple of model\.encoder_heads=7"):
        changed("model.encoder_heads", 7).check()


@pytest.mark.parametrize("setting", sorted(CHOICES))
def test_another_word_than_the_choices_is_named(setting):
    for choice in CHOICES[setting]:
        changed(setting, choice).check()
    with pytest.raises(
        ValueError, match=rf"{setting} must be one of {', '.join(CHOICES[setting])}, got 'wings'"
    ):
        changed(setting, "wings").check()


def test_settings_that_are_newer_than_a_checkpoint_are_as_they_were():
    stored = Config().to_dict()
    for section, settings in BEFORE.items():
        for name in settings:
            del stored[section][name]
    config = Config.from_dict(stored).to_dict()
    for section, settings in BEFORE.items():
        assert {name: config[section][name] for name in settings} == settings


def test_settings_survive_json():
    config = changed("train.epochs", 3)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match=r"unknown setting train\.wings"):
        Config.from_dict({"train": {"wings": 2}})
    with pytest.raises(ValueError, match="unknown configuration section 'wings'"):
        Config.from_dict({"wings": {}})
