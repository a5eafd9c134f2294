"""Decoder and model: teacher forcing and search are the same arithmetic; padding never leaks."""

from __future__ import annotations

import pytest
import torch

from pycap.config import END, PAD, START, ModelConfig, SearchConfig
from pycap.model import CaptionModel
from pycap.ops import library
from pycap.ops.decoder_step import initial_state, step
from pycap.window import zoom_middle

SMALL = ModelConfig(
    tuned_blocks=0,
    window=1.0,
    grid=2,
    region_channels=6,
    feature_dim=8,
    encoder_heads=2,
    embed_dim=7,
    hidden_dim=9,
    attention_dim=5,
    tie_embedding=False,
)


@pytest.fixture
def model() -> CaptionModel:
    torch.manual_seed(0)
    return CaptionModel(SMALL, 12).eval()


def batch():
    """Two pictures, three captions of 4, 2 and 3 steps."""
    tokens = torch.tensor([[START, 5, 6, 7], [START, 4, PAD, PAD], [START, 8, 9, PAD]])
    return torch.randn(2, 4, 6), tokens, torch.tensor([4, 2, 3]), torch.tensor([0, 0, 1])


def test_teacher_forcing_equals_stepping(model):
    regions, tokens, lengths, image_index = batch()
    logits, attention = model(regions, tokens, lengths, image_index)
    features, _ = model.encode(regions)
    weights = model.decoder.weights()
    row = 0
    for caption in range(3):
        state = initial_state(weights, features[image_index[caption]][None])
        for time in range(lengths[caption]):
            scores, state, seen = step(weights, state, tokens[caption, time][None])
            torch.testing.assert_close(logits[row].log_softmax(-1), scores[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(attention[caption, time], seen[0], rtol=1e-4, atol=1e-5)
            row += 1
    assert row == len(logits)


def test_padding_and_neighbours_do_not_change_a_caption(model):
    regions, tokens, lengths, image_index = batch()
    together, _ = model(regions, tokens, lengths, image_index)
    alone, _ = model(regions[1:], tokens[2:, :3], lengths[2:], torch.tensor([0]))
    torch.testing.assert_close(together[6:], alone, rtol=1e-4, atol=1e-5)
    tokens[1, 2:] = 11  # what lies behind the end is ignored
    again, _ = model(regions, tokens, lengths, image_index)
    assert torch.equal(together, again)


def test_whole_pictures_are_seen_through_the_window():
    model = CaptionModel(ModelConfig(**{**SMALL.__dict__, "grid": 3, "window": 0.7}), 12).eval()
    cells = torch.randn(2, 9, 6)
    middle, _ = model.encode(zoom_middle(cells, 0.7), window=1)
    assert torch.equal(model.encode(cells)[0], middle)
    assert not torch.equal(model.encode(cells, window=1)[0], middle)


def test_every_weight_gets_a_gradient(model):
    model.train()
    logits, _ = model(*batch())
    logits.logsumexp(-1).sum().backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


def test_tied_embedding_is_one_tensor():
    config = ModelConfig(**{**SMALL.__dict__, "tie_embedding": True})
    model = CaptionModel(config, 12)
    assert model.decoder.output.weight is model.decoder.embedding.weight


def test_search_score_is_the_log_probability_of_the_words(model):
    regions = torch.randn(1, 4, 6)
    features, _ = model.encode(regions)
    found = model.search(features, SearchConfig(beam=3, max_length=5), n_best=2)
    for words, length, total in zip(found.tokens[0], found.lengths[0], found.log_probs[0], strict=True):
        caption = words[:length].tolist()
        tokens = torch.tensor([[START, *caption]])
        logits, _ = model(regions, tokens, torch.tensor([length + 1]), torch.tensor([0]))
        log_probs = logits.log_softmax(-1)[torch.arange(length + 1), torch.tensor([*caption, END])]
        torch.testing.assert_close(log_probs.sum(), total, rtol=1e-4, atol=1e-4)


def test_search_sees_new_weights_after_training_mode(model):
    features, _ = model.encode(torch.randn(1, 4, 6))
    before = model.search(features).scores
    model.train()
    with torch.no_grad():
        model.decoder.output.bias[5] += 20
    model.eval()
    assert not torch.equal(before, model.search(features).scores)


@pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())
def test_precisions_are_packed_apart(model):
    features, _ = model.encode(torch.randn(3, 4, 6))
    exact, rounded, again = (
        model.search(features, precision=p).log_probs for p in ("float32", "int8", "float32")
    )
    assert torch.equal(exact, again)
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=0.2, rtol=0)
    drawn = [model.sample(features, 2, 4, 7, precision).log_probs for precision in ("float32", "int8")]
    assert not torch.equal(*drawn)


def test_state_dict_holds_only_what_is_trained(model):
    assert {name.split(".")[0] for name in model.state_dict()} == {"encoder", "decoder"}
