"""Beam search as one would write it well in PyTorch; a step may also be compiled or run by another runtime.

Follows the rules of `pycap.ops.beam` for one sentence an image, so that captions must agree. A round of the
search, from reordering the state to the best continuations, is one `Round` module: eager PyTorch calls it as it
is, torch.compile, ONNX Runtime and OpenVINO get it as one graph. Attention maps are not returned, which pycap's
decoder does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops.decoder_step import DecoderWeights

NEVER = -float("inf")


class Step(nn.Module):
    """One step of the decoder for equally many sentences of every image.

    Matrices that read the same vector are one product; the word's part of the gates is a table when `fold_words`.

    Args:
        weights: the decoder's parameters.
        fold_words: look `embedding @ input` up instead of computing it.
    """

    def __init__(self, weights: DecoderWeights, fold_words: bool = True):
        super().__init__()
        attend, self.fold_words = weights.attend, fold_words
        self.widths = (attend.score.shape[0], 4 * attend.recurrent.shape[1], 1)
        table = linear(weights.embedding, weights.input, weights.input_bias)
        tensors = {
            "words": weights.embedding,
            "table": table if fold_words else weights.input,
            "input_bias": weights.input_bias,
            "from_hidden": torch.cat([attend.query, attend.recurrent, attend.gate[None]]),
            "from_context": torch.cat([attend.context, weights.output_context]),
            "gate_bias": attend.gate_bias,
            "score": attend.score,
            "output_hidden": weights.output_hidden,
            "output_bias": weights.output_bias,
            "output": weights.output,
            "vocab_bias": weights.output_vocab_bias,
        }
        for name, tensor in tensors.items():
            setattr(self, name, nn.Parameter(tensor.detach().clone(), requires_grad=False))

    def forward(
        self, hidden: Tensor, cell: Tensor, tokens: Tensor, features: Tensor, keys: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read a word a row; return log-probabilities of the next one, the new hidden and cell.

        Args:
            hidden, cell: state, `(images * live, hidden_dim)`.
            tokens: `(images * live,)` int64.
            features, keys: regions, as they are and projected, `(images, regions, ...)`.
        """
        embedded = self.words.index_select(0, tokens)
        if self.fold_words:
            inputs = self.table.index_select(0, tokens)
        else:
            inputs = linear(embedded, self.table, self.input_bias)
        query, recurrent, gate = linear(hidden, self.from_hidden).split(self.widths, dim=1)
        query = query.reshape(len(features), -1, 1, self.widths[0])  # (images, live, 1, attention_dim)
        energy = torch.tanh(keys[:, None] + query) @ self.score  # (images, live, regions)
        context = (energy.softmax(dim=2) @ features).flatten(0, 1) * torch.sigmoid(gate + self.gate_bias)
        widths = (self.widths[1], self.words.shape[1])
        gates, blended = linear(context, self.from_context).split(widths, dim=1)
        i, f, g, o = (inputs + gates + recurrent).chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        mixed = torch.tanh(embedded + linear(hidden, self.output_hidden, self.output_bias) + blended)
        return linear(mixed, self.output, self.vocab_bias).log_softmax(dim=1), hidden, cell


class Round(nn.Module):
    """One round of the search: reorder the state, step, rank.

    Args:
        weights: the decoder's parameters.
        ranks: continuations returned of an image.
        fold_words: as for `Step`.
    """

    def __init__(self, weights: DecoderWeights, ranks: int, fold_words: bool = True):
        super().__init__()
        self.step, self.ranks = Step(weights, fold_words), ranks

    def forward(
        self,
        hidden: Tensor,
        cell: Tensor,
        rows: Tensor,
        tokens: Tensor,
        totals: Tensor,
        barred: Tensor,
        features: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Continue every sentence and rank all continuations of every image.

        Args:
            hidden, cell: state of the rows of the round before, `(rows before, hidden_dim)`.
            rows: where each row comes from, `(images * live,)` int64.
            tokens: word each row reads, `(images * live,)` int64.
            totals: log-probability of each sentence so far, `(images, live)`.
            barred: 0, or -inf where a word must not follow, `(vocab_size,)`.
            features, keys: regions, as they are and projected, `(images, regions, ...)`.

        Returns:
            log-probability, sentence and word of the best continuations, each `(images, ranks)`, best first;
            whether any of these words is END; the new hidden and cell.
        """
        hidden, cell = hidden.index_select(0, rows), cell.index_select(0, rows)
        log_probs, hidden, cell = self.step(hidden, cell, tokens, features, keys)
        candidates = log_probs.view(*totals.shape, -1) + totals[:, :, None] + barred
        best, places = candidates.flatten(1).topk(self.ranks, dim=1)
        parents = places // log_probs.shape[1]
        following = places - parents * log_probs.shape[1]
        return best, parents, following, (following == END).any(), hidden, cell


class Start(nn.Module):
    """From features to the first state and the keys.

    Args:
        weights: the decoder's parameters.
    """

    def __init__(self, weights: DecoderWeights):
        super().__init__()
        names = (
            "initial_hidden",
            "initial_hidden_bias",
            "initial_cell",
            "initial_cell_bias",
            "key",
            "key_bias",
        )
        for name in names:
            setattr(self, name, nn.Parameter(getattr(weights, name).detach().clone(), requires_grad=False))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return hidden, cell `(images, hidden_dim)` and keys `(images, regions, attention_dim)`."""
        mean = features.mean(dim=1)
        hidden = torch.tanh(linear(mean, self.initial_hidden, self.initial_hidden_bias))
        cell = torch.tanh(linear(mean, self.initial_cell, self.initial_cell_bias))
        return hidden, cell, linear(features, self.key, self.key_bias)


class BeamPeer:
    """Searches captions with given rounds.

    Args:
        vocab_size: words.
        beam: live sentences an image.
        start: a `Start`, as it is or compiled.
        round: a `Round`, likewise.
    """

    def __init__(self, vocab_size: int, beam: int, start: Callable, round: Callable):
        self.beam, self.start, self.round = beam, start, round
        self.barred = torch.zeros(vocab_size)
        self.barred[[PAD, START, UNKNOWN]] = NEVER
        self.barred_first = self.barred.clone()
        self.barred_first[END] = NEVER
        self.only_end = torch.full_like(self.barred, NEVER)
        self.only_end[END] = 0.0

    @torch.inference_mode()
    def search(self, features: Tensor, max_length: int, length_penalty: float = 0.7) -> tuple[Tensor, Tensor]:
        """Return the best sentence of every image, `(images, max_length)` padded, and its score `(images,)`.

        Args:
            features: regions, `(images, regions, feature_dim)`.
            max_length: words at most.
            length_penalty: scores are `log_prob / (words + 1) ** length_penalty`.
        """
        beam, images = self.beam, len(features)
        hidden, cell, keys = self.start(features)
        active = rows = torch.arange(images)
        tokens = torch.full((images,), START)
        found = torch.full((images,), NEVER)
        sentences = torch.full((images, max_length), PAD)
        totals, words = torch.zeros(images, 1), torch.full((images, 1, max_length), PAD)
        for length in range(max_length + 1):  # words that every live sentence has
            barred = self.only_end if length == max_length else self.barred if length else self.barred_first
            best, parents, following, any_end, hidden, cell = self.round(
                hidden, cell, rows, tokens, totals, barred, features, keys
            )
            stay = None
            if any_end:
                ends = following == END
                ended = best.masked_fill(~ends, NEVER)[:, :beam] / (length + 1) ** length_penalty
                top, place = ended.max(dim=1)
                for row in (top > found[active]).nonzero()[:, 0].tolist():
                    image = int(active[row])
                    found[image] = top[row]
                    sentences[image, :length] = words[row, parents[row, place[row]], :length]
                if length == max_length:
                    break
                order = ends.long().argsort(dim=1, stable=True)
                best = best.masked_fill(ends, NEVER).gather(1, order)
                parents, following = parents.gather(1, order), following.gather(1, order)
                stay = (best[:, 0] / (max_length + 1) ** length_penalty > found[active]).nonzero()[:, 0]
                if len(stay) == 0:
                    break
            totals, parents, following = best[:, :beam], parents[:, :beam], following[:, :beam]
            rows = parents
            if len(active) > 1:
                rows = parents + (torch.arange(len(active)) * words.shape[1])[:, None]
            words = words.flatten(0, 1)[rows]
            words[:, :, length] = following
            if stay is not None and len(stay) < len(active):  # images whose sentence cannot be beaten leave
                active, totals, following, rows = active[stay], totals[stay], following[stay], rows[stay]
                words, features, keys = words[stay], features[stay], keys[stay]
            rows, tokens = rows.flatten(), following.flatten()
        return sentences, found
