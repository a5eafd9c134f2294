"""Week 5: attention by hand agrees with torch, the date task is sound, and translators and twin finders learn it."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
import torch

from pycap.course.scratch import attention as by_hand
from pycap.course.week5.dates import (
    END,
    FORMATS,
    Codes,
    source_codes,
    split_days,
    split_tokens,
    target_codes,
    write_line,
)
from pycap.course.week5.training import count_right, encode_lines, train_translator
from pycap.course.week5.translator import KINDS, Translator
from pycap.course.week5.twins import draw_pictures, train_finder
from pycap.nn.attention import additive_attention, dot_product_attention

TOLERANCE = 1e-10


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)


def mask_of(*shape: int) -> torch.Tensor:
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[..., 0] = True
    return mask


@pytest.mark.parametrize("masked", [False, True])
def test_additive_attention_by_hand_agrees_with_the_decoders_forward_and_backward(masked: bool):
    parts = draw(3, 5, 4), draw(3, 5, 6), draw(3, 6), draw(6)
    mask = mask_of(3, 5) if masked else None
    context, weights = additive_attention(*parts, mask)
    grad = draw(3, 4, seed=9).detach()
    context.backward(grad)
    arrays = [part.detach().numpy() for part in parts]
    mine, looked = by_hand.attend_additive(*arrays, None if mask is None else mask.numpy())
    np.testing.assert_allclose(mine, context.detach().numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(looked, weights.detach().numpy(), atol=TOLERANCE)
    for gradient, part in zip(
        by_hand.attend_additive_backward(grad.numpy(), *arrays, looked), parts, strict=True
    ):
        np.testing.assert_allclose(gradient, part.grad.numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("masked", [False, True])
def test_dot_product_attention_by_hand_agrees_with_the_encoders_forward_and_backward(masked: bool):
    parts = draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 6)
    mask = mask_of(2, 3, 5) if masked else None
    averages, weights = dot_product_attention(*parts, mask)
    grad = draw(2, 3, 6, seed=9).detach()
    averages.backward(grad)
    arrays = [part.detach().numpy() for part in parts]
    mine, looked = by_hand.attend_dot_product(*arrays, None if mask is None else mask.numpy())
    np.testing.assert_allclose(mine, averages.detach().numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(looked, weights.detach().numpy(), atol=TOLERANCE)
    for gradient, part in zip(
        by_hand.attend_dot_product_backward(grad.numpy(), *arrays, looked), parts, strict=True
    ):
        np.testing.assert_allclose(gradient, part.grad.numpy(), atol=TOLERANCE)


def test_no_day_is_in_training_and_test():
    train, test = split_days(5000, seed=0)
    assert len(test) == 5000
    assert not set(train) & set(test)
    assert len(train) + len(test) == (datetime.date(2100, 1, 1) - datetime.date(1900, 1, 1)).days


def test_every_format_is_named_by_an_example_of_itself():
    day = datetime.date(1987, 3, 14)
    assert [form(day) for form in FORMATS.values()] == list(FORMATS)


@pytest.mark.parametrize(("day", "ending"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd")])
def test_ordinals_end_as_people_write_them(day: int, ending: str):
    assert FORMATS["the 14th of march 1987"](datetime.date(2001, 5, day)).startswith(f"the {ending} of")


def test_codes_give_back_what_they_encoded_and_know_every_line():
    codes, random = source_codes(), np.random.default_rng(0)
    texts = [write_line(split_days(100, 0)[0], 3, random).source for _ in range(300)]
    table, lengths = codes.encode(texts)
    assert [codes.decode(row) for row in table.tolist()] == texts
    assert lengths.tolist() == [len(split_tokens(text)) + 1 for text in texts]
    assert all(row[length - 1] == END for row, length in zip(table, lengths, strict=True))


@pytest.fixture(scope="module")
def codes() -> tuple[Codes, Codes]:
    return source_codes(), target_codes()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_translation(kind: str, codes: tuple[Codes, Codes]):
    torch.manual_seed(3)
    model = Translator(kind, len(codes[0]), len(codes[1]), 16)
    days, random = split_days(100, 0)[0], np.random.default_rng(0)
    lines = [write_line(days, count, random) for count in (1, 3)]
    source, lengths, _ = encode_lines(lines, *codes)
    together, weights = model.translate(source, lengths, 6)
    short = int(lengths[0])
    alone, looked = model.translate(source[:1, :short], lengths[:1], 6)
    assert together[0].tolist()[: alone.shape[1]] == alone[0].tolist()
    torch.testing.assert_close(weights[:1, : looked.shape[1], :short], looked)
    assert float(weights[0, :, short:].abs().max()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_forcing_and_translation_are_the_same_steps(kind: str, codes: tuple[Codes, Codes]):
    torch.manual_seed(4)
    model = Translator(kind, len(codes[0]), len(codes[1]), 16)
    days, random = split_days(100, 0)[0], np.random.default_rng(0)
    source, lengths, _ = encode_lines([write_line(days, 2, random)], *codes)
    written, _ = model.translate(source, lengths, 8)
    with torch.no_grad():
        assert torch.equal(model(source, lengths, written).argmax(2), written)


def test_a_translator_with_attention_learns_dates_it_never_saw(codes: tuple[Codes, Codes]):
    torch.manual_seed(0)
    days, held_out = split_days(5000, 0)
    model = Translator("additive", len(codes[0]), len(codes[1]), 24)
    losses = train_translator(model, days, codes, range(60), 60, 16, 0)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    lengths, shares = count_right(model, [write_line(held_out, 1, np.random.default_rng(1))], codes)
    assert lengths[0] >= 5
    assert 0 <= shares[0] <= 1


def test_kind_of_attention_must_be_known():
    with pytest.raises(ValueError, match="kind must be one of none, dot-product, additive, got 'hard'"):
        Translator("hard", 5, 5, 4)


def test_half_of_the_regions_have_a_twin_close_by():
    regions, twin = draw_pictures(20, torch.Generator().manual_seed(0))
    assert twin.float().mean().item() == 0.5
    nearest = (torch.cdist(regions, regions) + 99 * torch.eye(regions.shape[1])).min(2).values
    assert torch.equal(nearest < 1, twin)


def test_only_regions_that_see_each_other_find_twins():
    assert train_finder("none", 60, 0)[1] < 0.6
    assert train_finder("self", 120, 0)[1] > 0.7
