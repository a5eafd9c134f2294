"""Beam search of a whole batch: the native decoder against eager PyTorch, same weights, same captions.

python bench/beam_search.py [--batch 1 64] [--regions 49 81] [--vocab 2600] [--dim 512] [--beam 5] [--steps 14]
                            [--threads N] [--rounds 9]

Weights are random with END made unlikely, so that every search takes all its steps.
"""

from __future__ import annotations

import argparse

import torch
from timing import compare, describe_machine
from torch import Tensor

from pycap.config import END
from pycap.ops import AttendLSTMWeights, describe, set_threads, use
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights


def make_weights(vocab_size: int, dim: int) -> DecoderWeights:
    """Random weights with every width `dim`."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def matrix(rows: int) -> Tensor:
        return draw(rows, dim, scale=dim**-0.5)

    return DecoderWeights(
        embedding=draw(vocab_size, dim),
        input=matrix(4 * dim),
        input_bias=draw(4 * dim),
        key=matrix(dim),
        key_bias=draw(dim),
        attend=AttendLSTMWeights(
            query=matrix(dim),
            score=draw(dim, scale=dim**-0.5),
            gate=draw(dim, scale=dim**-0.5),
            gate_bias=draw(1),
            context=matrix(4 * dim),
            recurrent=matrix(4 * dim),
        ),
        initial_hidden=matrix(dim),
        initial_hidden_bias=draw(dim),
        initial_cell=matrix(dim),
        initial_cell_bias=draw(dim),
        output_hidden=matrix(dim),
        output_context=matrix(dim),
        output_bias=draw(dim),
        output=4 * matrix(vocab_size),
        output_vocab_bias=draw(vocab_size).index_fill(0, torch.tensor(END), -50.0),
    )


def main() -> None:
    """Print one row per shape: median and half interquartile range per caption, and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, values in {"batch": [1, 64], "regions": [49, 81]}.items():
        parser.add_argument(f"--{name}", type=int, nargs="+", default=values)
    for name, value in {"vocab": 2600, "dim": 512, "beam": 5, "steps": 14, "rounds": 9}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, help="of both rivals (default: what each chooses)")
    options = parser.parse_args()
    if options.threads:
        set_threads(options.threads)
        torch.set_num_threads(options.threads)
    decoder = BeamDecoder(make_weights(options.vocab, options.dim))
    print(describe_machine())
    print("native:", {key: value for key, value in describe().items() if key in ("isa", "threads")})
    print(
        f"vocab_size {options.vocab}, all widths {options.dim}, beam {options.beam}, {options.steps} steps, float32"
    )
    print(
        f"{'batch':>5} {'regions':>7} {'native ms/caption':>18} {'eager ms/caption':>18} {'ratio':>6}  same captions"
    )
    for batch in options.batch:
        for regions in options.regions:
            features = torch.randn(batch, regions, options.dim, generator=torch.Generator().manual_seed(1))

            def search(backend: str, features: Tensor = features) -> Tensor:
                with use(backend):
                    return decoder.search(features, beam=options.beam, max_length=options.steps - 1).tokens

            same = (search("native") == search("reference")).all(dim=(1, 2)).sum()
            times = compare(
                {name: lambda name=name: search(name) for name in ("native", "reference")}, options.rounds
            )
            cells = [
                f"{middle / batch * 1e3:.2f} +- {half / batch * 1e3:.2f}" for middle, half in times.values()
            ]
            ratio = times["reference"][0] / times["native"][0]
            print(
                f"{batch:5} {regions:7} {cells[0]:>18} {cells[1]:>18} {ratio:6.1f}  {same}/{batch}",
                flush=True,
            )


if __name__ == "__main__":
    main()
