"""A straightforward PyTorch script that captions pictures: read, encode, beam of 5, print.

    python -m bench.peers.caption_script [--batch 16] [--threads 2] photo.jpg ...
    python -m bench.peers.caption_script --serve      (a JSON list of paths a line in, of captions a line out)

It uses the network's modules and weights, and none of pycap's kernels, threads or streaming.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import torch
from PIL import Image

from bench.peers.beam import BeamPeer, Round, Start
from pycap import checkpoint


class Script:
    """Captions pictures with the shipped checkpoint.

    Args:
        batch: pictures encoded and searched together.
    """

    def __init__(self, batch: int):
        self.batch, loaded = batch, checkpoint.load()
        self.model, self.vocabulary, self.config = loaded.model, loaded.vocabulary, loaded.config
        weights, beam = self.model.decoder.weights(), 5
        self.search = BeamPeer(len(self.vocabulary), beam, Start(weights), Round(weights, 2 * beam))

    def read(self, path: str) -> torch.Tensor:
        """Return a picture as pixels `(3, size, size)`."""
        config = self.config.preprocess
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = (left, top, left + side, top + side)
        image = image.resize((config.size, config.size), Image.Resampling.BICUBIC, box=square)
        pixels = (np.asarray(image, dtype=np.float32) - config.mean) / config.std
        return torch.from_numpy(pixels.transpose(2, 0, 1))

    @torch.inference_mode()
    def __call__(self, paths: list[str]) -> list[str]:
        """Return a caption for every picture."""
        captions, settings = [], self.config.search
        for first in range(0, len(paths), self.batch):
            pixels = torch.stack([self.read(path) for path in paths[first : first + self.batch]])
            features, _ = self.model.encode(self.model.cnn(pixels))
            tokens, _ = self.search.search(features, settings.max_length, settings.length_penalty)
            captions += [self.vocabulary.decode([word for word in row if word]) for row in tokens.tolist()]
        return captions


def main() -> None:
    """Caption the pictures of the command line, or serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", nargs="*")
    parser.add_argument("--batch", type=int, default=1, help="pictures at once (default: 1)")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    script = Script(options.batch)
    if options.serve:
        for line in sys.stdin:
            print(json.dumps(script(json.loads(line))), flush=True)
    for text in script(options.pictures):
        print(text)


if __name__ == "__main__":
    main()
