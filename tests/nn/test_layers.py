"""The captioner's layers against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from pycap.nn.attention import AdditiveAttention, dot_product_attention
from pycap.nn.dense import Dense
from pycap.nn.dropout import Dropout
from pycap.nn.embedding import Embedding
from pycap.nn.recurrent import LSTM, RNN


@pytest.mark.parametrize("bias", [True, False])
def test_dense_begins_and_computes_as_torch_linear_does(bias: bool):
    torch.manual_seed(3)
    ours = Dense(7, 5, bias=bias)
    torch.manual_seed(3)
    peer = nn.Linear(7, 5, bias=bias)
    assert ours.state_dict().keys() == peer.state_dict().keys()
    rows = torch.randn(2, 3, 7)
    assert torch.equal(ours(rows), peer(rows))


def test_embedding_is_a_dense_layer_of_one_hot_rows():
    embedding = Embedding(11, 4)
    tokens = torch.tensor([[3, 0], [10, 3]])
    assert_close(embedding(tokens), nn.functional.one_hot(tokens, 11).float() @ embedding.weight)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_leaves_the_promised_share_and_its_mean(rate: float):
    torch.manual_seed(3)
    values = torch.full((7, 30_001), 2.0, requires_grad=True)  # no multiple of the four values of a draw
    dropped = Dropout(rate)(values)
    assert_close(dropped.unique(), torch.tensor([0.0, 2 / (1 - rate)]))
    spread = (rate * (1 - rate) / values.numel()) ** 0.5
    assert abs((dropped == 0).float().mean() - rate) < 4 * spread
    # Neighbours know nothing of each other.
    both = ((dropped[:, 1:] == 0) & (dropped[:, :-1] == 0)).float().mean()
    assert abs(both - rate**2) < 8 * spread
    dropped.sum().backward()
    assert_close(values.grad, dropped.detach() / 2)


def test_dropout_follows_the_seed_and_ends_with_training():
    layer, values = Dropout(0.3), torch.ones(5, 6)
    first, second = layer(values), layer(values)
    torch.manual_seed(4)
    third = layer(values)
    torch.manual_seed(4)
    assert torch.equal(third, layer(values))
    assert not torch.equal(first, second)
    assert torch.equal(layer.eval()(values), values)


def peer_of(layer: RNN | LSTM, inputs: int) -> nn.RNN | nn.LSTM:
    """Return PyTorch's layer with the same weights."""
    peer = (nn.LSTM if isinstance(layer, LSTM) else nn.RNN)(inputs, layer.hidden_dim, batch_first=True)
    with torch.no_grad():
        peer.weight_ih_l0.copy_(layer.input.weight)
        peer.bias_ih_l0.copy_(layer.input.bias)
        peer.weight_hh_l0.copy_(layer.recurrent.weight)
        peer.bias_hh_l0.zero_()
    return peer


def run_peer(peer: nn.Module, rows: Tensor, lengths: Tensor) -> Tensor:
    packed = nn.utils.rnn.pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(peer(packed)[0], batch_first=True, total_length=rows.shape[1])[0]


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_recurrent_layers_match_torch_on_rows_of_any_length(kind: type):
    torch.manual_seed(5)
    layer = kind(3, 6)
    peer = peer_of(layer, 3)
    lengths = torch.tensor([4, 1, 7, 6])
    rows, others = (torch.randn(4, 7, 3, requires_grad=True) for _ in range(2))
    with torch.no_grad():
        others.copy_(rows)
    hiddens, state = layer(rows, lengths)
    expected = run_peer(peer, others, lengths)
    assert_close(hiddens, expected)
    assert_close(state[0], hiddens[torch.arange(4), lengths - 1])
    target = torch.randn_like(hiddens)
    (hiddens * target).sum().backward()
    (expected * target).sum().backward()
    assert_close(rows.grad, others.grad)
    assert_close(layer.recurrent.weight.grad, peer.weight_hh_l0.grad)


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_a_sequence_may_be_continued(kind: type):
    torch.manual_seed(6)
    layer = kind(2, 5)
    rows = torch.randn(3, 8, 2)
    whole, last = layer(rows)
    first, state = layer(rows[:, :3])
    second, end = layer(rows[:, 3:], state=state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert_close(end, last)


def test_lstm_remembers_by_default():
    layer = LSTM(2, 5)
    assert layer.input.bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_attention_never_looks_behind_the_mask():
    torch.manual_seed(7)
    attend = AdditiveAttention(4, 3, 6)
    features, hidden = torch.randn(2, 5, 4), torch.randn(2, 3)
    mask = torch.arange(5) < torch.tensor([[2], [5]])
    context, weights = attend(features, hidden, mask)
    assert_close(weights.sum(1), torch.ones(2))
    assert not weights[0, 2:].any()
    alone, _ = attend(features[:1, :2], hidden[:1])
    assert_close(context[:1], alone)

    query = torch.randn(2, 3, 4)
    _, weights = dot_product_attention(query, features, features, mask[:, None])
    assert_close(weights.sum(2), torch.ones(2, 3))
    assert not weights[0, :, 2:].any()


def test_dot_product_attention_matches_torch():
    query, key, value = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    mixed, _ = dot_product_attention(query, key, value)
    assert_close(mixed, nn.functional.scaled_dot_product_attention(query, key, value))
