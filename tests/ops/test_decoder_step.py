"""One decoder step against its equations, written out."""

from __future__ import annotations

import math

import pytest
import torch
from random_decoder import make_features, make_weights

from pycap.ops import library
from pycap.ops.decoder_step import deep_output, initial_state, step

DOUBLE = torch.float64


def test_step_follows_the_equations():
    weights = make_weights(
        vocab_size=7, embed_dim=3, hidden_dim=4, attention_dim=5, feature_dim=6, dtype=DOUBLE
    )
    attend, features = weights.attend, make_features(1, regions=4, feature_dim=6).double()
    state = initial_state(weights, features)
    log_probs, after, attention = step(weights, state, torch.tensor([5]))

    mean = features[0].sum(0) / 4
    hidden = torch.tanh(weights.initial_hidden @ mean + weights.initial_hidden_bias)
    cell = torch.tanh(weights.initial_cell @ mean + weights.initial_cell_bias)
    word = weights.embedding[5]
    energies = [
        attend.score @ torch.tanh(weights.key @ region + weights.key_bias + attend.query @ hidden)
        for region in features[0]
    ]
    total = sum(math.exp(energy) for energy in energies)
    alpha = [math.exp(energy) / total for energy in energies]
    beta = 1 / (1 + math.exp(-(attend.gate @ hidden + attend.gate_bias)))
    context = beta * sum(a * region for a, region in zip(alpha, features[0], strict=True))
    gates = weights.input @ word + weights.input_bias + attend.context @ context + attend.recurrent @ hidden
    i, f, g, o = gates.split(4)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    hidden = torch.sigmoid(o) * torch.tanh(cell)
    mixed = torch.tanh(
        word + weights.output_hidden @ hidden + weights.output_context @ context + weights.output_bias
    )
    logits = weights.output @ mixed + weights.output_vocab_bias
    expected = logits - math.log(sum(math.exp(logit) for logit in logits))

    torch.testing.assert_close(attention[0], torch.tensor(alpha, dtype=DOUBLE))
    torch.testing.assert_close(after.hidden[0], hidden)
    torch.testing.assert_close(after.cell[0], cell)
    torch.testing.assert_close(log_probs[0], expected)
    torch.testing.assert_close(deep_output(weights, word, hidden, context), mixed)


def test_probabilities_and_attention_sum_to_one():
    weights, features = make_weights(), make_features(3)
    log_probs, _, attention = step(weights, initial_state(weights, features), torch.tensor([1, 5, 39]))
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3))
    torch.testing.assert_close(attention.sum(1), torch.ones(3))


def test_rows_do_not_see_each_other():
    weights, features = make_weights(dtype=DOUBLE), make_features(3).double()
    state, tokens = initial_state(weights, features), torch.tensor([4, 9, 4])
    together, _, _ = step(weights, state, tokens)
    for row in range(3):
        alone, _, _ = step(weights, state.select(torch.tensor([row])), tokens[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])


def test_select_repeats_and_reorders_rows_but_shares_regions():
    weights, features = make_weights(), make_features(2)
    state = initial_state(weights, features)
    picked = state.select(torch.tensor([0, 0, 1]))
    assert torch.equal(picked.hidden, state.hidden[[0, 0, 1]])
    assert torch.equal(picked.cell, state.cell[[0, 0, 1]])
    assert picked.image_index.tolist() == [0, 0, 1]
    assert picked.features is state.features
    assert picked.keys is state.keys


def test_step_is_differentiable():
    weights = make_weights(
        vocab_size=6, embed_dim=3, hidden_dim=3, attention_dim=3, feature_dim=3, dtype=DOUBLE
    )
    features = make_features(2, regions=3, feature_dim=3).double().requires_grad_()

    def run(features):
        with library.use("reference"):
            log_probs, state, attention = step(
                weights, initial_state(weights, features), torch.tensor([3, 5])
            )
        return log_probs, state.cell, attention

    assert torch.autograd.gradcheck(run, (features,))


@pytest.mark.parametrize("shape", [(2, 9), (2, 9, 27), (2, 0, 28)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"features must be \(images, regions >= 1, feature_dim=28\), got"):
        initial_state(make_weights(), torch.zeros(shape))
