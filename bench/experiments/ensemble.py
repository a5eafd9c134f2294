"""Several models as one: at every word of the search their probabilities are averaged.

    python bench/experiments/ensemble.py --data ../shared/data/flickr8k runs/a/best runs/b/best

All checkpoints must share their vocabulary (the same training captions and `min_count`). Prints dev scores of each
model alone and of the ensemble, by the reference search, from cached CNN cells (filled where they are missing).
With --mirror every model also looks at the mirrored picture, as if it were one more model.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pycap import checkpoint
from pycap.config import START, SearchConfig
from pycap.data import load_dataset
from pycap.data.features import MIRROR
from pycap.metrics import References, score
from pycap.ops.beam import beam_search_reference
from pycap.ops.decoder_step import DecoderState, DecoderWeights, initial_state, step
from pycap.training.prepare import cached_examples, open_cache


class Member(NamedTuple):
    """One voice of the ensemble: a model's weights and its features of all pictures."""

    weights: DecoderWeights
    features: Tensor  # (pictures, regions, feature_dim)


class JointState(NamedTuple):
    """States of all members, reordered together."""

    states: tuple[DecoderState, ...]

    def select(self, rows: Tensor) -> JointState:
        return JointState(tuple(state.select(rows) for state in self.states))


def caption(members: list[Member], vocabulary, search: SearchConfig, batch: int = 32) -> list[str]:
    """Caption all pictures; the mean of the members' probabilities decides."""

    def joint_step(state: JointState, tokens: Tensor) -> tuple[Tensor, JointState, Tensor]:
        found = [step(member.weights, own, tokens) for member, own in zip(members, state.states, strict=True)]
        log_probs = torch.stack([log_prob for log_prob, _, _ in found]).logsumexp(0) - math.log(len(found))
        return log_probs, JointState(tuple(new for _, new, _ in found)), found[0][2]

    captions = []
    for first in range(0, len(members[0].features), batch):
        states = [initial_state(m.weights, m.features[first : first + batch]) for m in members]
        start = torch.full((len(states[0].hidden),), START)
        found = beam_search_reference(
            JointState(tuple(states)),
            joint_step,
            start,
            beam=search.beam,
            max_length=search.max_length,
            length_penalty=search.length_penalty,
        )
        captions += [
            vocabulary.decode(tokens[:length])
            for tokens, length in zip(found.tokens[:, 0].tolist(), found.lengths[:, 0].tolist(), strict=True)
        ]
    return captions


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--format", default="flickr8k")
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--beam", type=int, default=5)
    args = parser.parse_args()
    dev = load_dataset(args.data, args.format).split("dev")
    members: list[Member] = []
    loaded = [checkpoint.load(folder) for folder in args.checkpoints]
    if any(other.vocabulary != loaded[0].vocabulary for other in loaded):
        parser.error("the checkpoints have different vocabularies")
    for found in loaded:
        store = open_cache(found.config, None)
        held = cached_examples(dev, store, found.config, "cpu", args.mirror, print)
        for ending in ("", MIRROR)[: 1 + args.mirror]:
            rows = store.rows([key + ending for key in held.keys])
            cells = [rows[first : first + 100] for first in range(0, len(rows), 100)]
            features = [found.model.encode(torch.from_numpy(store.read(part)))[0] for part in cells]
            members.append(Member(found.model.decoder.weights(), torch.cat(features)))
    references = References(dict(enumerate(example.captions for example in dev)))
    search = SearchConfig(beam=args.beam)
    choices = {str(folder): [member] for folder, member in zip(args.checkpoints, members, strict=False)}
    if args.mirror:
        choices = {}
    for name, chosen in {**choices, "all together": members}.items():
        captions = caption(chosen, loaded[0].vocabulary, search)
        scores = score(dict(enumerate(captions)), references)
        print(json.dumps({"members": name, **{key: round(v, 4) for key, v in scores.items() if v}}))


if __name__ == "__main__":
    main()
