"""Captions drawn for a whole batch, as self-critical training needs them: native against eager PyTorch.

python bench/sampling.py [--batch 64] [--samples 5] [--regions 81] [--vocab 2576] [--dim 512] [--length 20]
                         [--threads N] [--rounds 9]

The eager rival is the loop that one would write: all samples of the batch are rows, keys are projected once, and
`torch.multinomial` draws from the probabilities of the allowed words. Weights are random with END made unlikely,
so that every sentence takes all its steps.
"""

from __future__ import annotations

import argparse

import torch
from beam_search import make_weights
from timing import compare, describe_machine
from torch import Tensor

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import describe, set_threads, use
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights, initial_state, step


@torch.no_grad()
def sample_eagerly(
    weights: DecoderWeights, features: Tensor, samples: int, length: int
) -> tuple[Tensor, Tensor]:
    """Return tokens `(images * samples, length)` and their log-probabilities, PAD and 0 behind END."""
    with use("reference"):
        state = initial_state(weights, features)
        state = state.select(state.image_index.repeat_interleave(samples))
        tokens = torch.full((len(features) * samples,), START)
        log_prob, going, drawn = torch.zeros(len(tokens)), torch.ones(len(tokens), dtype=torch.bool), []
        for position in range(length):
            log_probs, state, _ = step(weights, state, tokens)
            shares = log_probs.exp()
            shares[:, [PAD, START, UNKNOWN, *([] if position else [END])]] = 0
            tokens = torch.multinomial(shares, 1)[:, 0]
            log_prob += (log_probs.gather(1, tokens[:, None])[:, 0] - shares.sum(dim=1).log()) * going
            going = going & (tokens != END)
            drawn.append(tokens.where(going, PAD))
            if not bool(going.any()):
                break
    return torch.stack(drawn, dim=1), log_prob


def main() -> None:
    """Print median and half interquartile range of a batch, and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"batch": 64, "samples": 5, "regions": 81, "vocab": 2576, "dim": 512, "length": 20, "rounds": 9}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, help="of both rivals (default: what each chooses)")
    options = parser.parse_args()
    if options.threads:
        set_threads(options.threads)
        torch.set_num_threads(options.threads)
    weights = make_weights(options.vocab, options.dim)
    decoder = BeamDecoder(weights)
    features = torch.randn(
        options.batch, options.regions, options.dim, generator=torch.Generator().manual_seed(1)
    )
    print(describe_machine())
    print("native:", {key: value for key, value in describe().items() if key in ("isa", "threads")})
    print(
        f"{options.batch} images, {options.samples} samples, {options.regions} regions, "
        f"vocab_size {options.vocab}, all widths {options.dim}, {options.length} words, float32"
    )

    def draw(backend: str) -> object:
        with use(backend):
            return decoder.sample(features, samples=options.samples, max_length=options.length)

    rivals = {
        "native": lambda: draw("native"),
        "reference": lambda: draw("reference"),
        "multinomial": lambda: sample_eagerly(weights, features, options.samples, options.length),
    }
    times = compare(rivals, options.rounds)
    for name, (middle, half) in times.items():
        ratio = middle / times["native"][0]
        print(f"{name:>12} {middle * 1e3:8.1f} +- {half * 1e3:5.1f} ms a batch  {ratio:5.1f}", flush=True)


if __name__ == "__main__":
    main()
