"""Rivals on a GPU: the search of `bench/peers/beam.py` without a look at the host, so that it can be a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.peers.beam import NEVER, BeamPeer
from pycap.config import END, PAD, START


class GraphablePeer(BeamPeer):
    """Searches with fixed shapes: sentences that end are kept by masks, and no image leaves before the last step.

    Args:
        vocab_size, beam, start, round: as for `BeamPeer`.
        device: of the features.
    """

    def __init__(self, vocab_size: int, beam: int, start: Callable, round: Callable, device: str):
        super().__init__(vocab_size, beam, start, round)
        for name in ("barred", "barred_first", "only_end"):
            setattr(self, name, getattr(self, name).to(device))

    @torch.inference_mode()
    def search(self, features: Tensor, max_length: int, length_penalty: float = 0.7) -> tuple[Tensor, Tensor]:
        """Arguments and results as `BeamPeer.search`; scores are float32."""
        beam, images, device = self.beam, len(features), features.device
        hidden, cell, keys = self.start(features)
        first = torch.arange(images, device=device)
        rows, tokens = first, torch.full((images,), START, device=device)
        totals = torch.zeros(images, 1, device=device)
        words = torch.full((images, 1, max_length), PAD, device=device)
        found = torch.full((images,), NEVER, device=device)
        sentences = torch.full((images, max_length), PAD, device=device)
        for length in range(max_length + 1):
            barred = self.only_end if length == max_length else self.barred if length else self.barred_first
            best, parents, following, _, hidden, cell = self.round(
                hidden, cell, rows, tokens, totals, barred, features, keys
            )
            ends = following == END
            ended = best.masked_fill(~ends, NEVER)[:, :beam] / (length + 1) ** length_penalty
            top, place = ended.max(dim=1)
            better = top > found
            found = torch.where(better, top, found)
            parent = parents.gather(1, place[:, None])[:, :, None].expand(-1, -1, max_length)
            sentences = torch.where(better[:, None], words.gather(1, parent)[:, 0], sentences)
            if length == max_length:
                break
            order = ends.long().argsort(dim=1, stable=True)[:, :beam]
            totals = best.masked_fill(ends, NEVER).gather(1, order)
            parents, following = parents.gather(1, order), following.gather(1, order)
            rows = parents + first[:, None] * words.shape[1]
            words = words.flatten(0, 1)[rows]
            words[:, :, length] = following
            rows, tokens = rows.flatten(), following.flatten()
        return sentences, found


class Captured:
    """A function of one tensor as a CUDA graph: `Captured(function, example)(tensor)`."""

    def __init__(self, function: Callable[[Tensor], object], example: Tensor):
        self.given = example.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                function(self.given)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.found = function(self.given)

    def __call__(self, tensor: Tensor) -> object:
        self.given.copy_(tensor)
        self.graph.replay()
        return self.found
