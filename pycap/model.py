"""The captioner's network: CNN, region encoder, decoder, and the search that uses them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from pycap.cnn import CnnPart, EfficientNetLite
from pycap.config import ModelConfig, SearchConfig
from pycap.decoder import Decoder
from pycap.encoder import RegionEncoder
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoding import BeamResult, SampleResult
from pycap.window import zoom_middle


class CaptionModel(nn.Module):
    """Cells to captions. Only `tail`, `encoder` and `decoder` are trained and stored.

    The frozen part of the CNN is no part of `state_dict()`: a checkpoint brings it along, else it is loaded from its
    own package when pixels are first shown. Its cells are the regions themselves, unless `config.tuned_blocks` last
    blocks are trained with the captioner (`tail`) and make regions of finer cells.

    Args:
        config: sizes.
        vocab_size: words, special tokens included.
    """

    def __init__(self, config: ModelConfig, vocab_size: int):
        super().__init__()
        self.config = config
        self.tail = CnnPart.tail(config)
        self.encoder = RegionEncoder(config)
        self.decoder = Decoder(config, vocab_size)
        self.__dict__["_frozen"] = None  # hidden from parameters() and state_dict()
        self.__dict__["_searchers"] = {}  # by precision

    @property
    def device(self) -> torch.device:
        return self.decoder.score.device

    def forward(
        self, cells: Tensor, tokens: Tensor, lengths: Tensor, image_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score known captions; arguments and results as `Decoder.forward`, with cells for features."""
        features, _ = self.encoder(self._tail(cells))
        return self.decoder(features, tokens, lengths, image_index)

    def _tail(self, cells: Tensor) -> Tensor:
        return cells if self.tail is None else self.tail(cells)

    def load_pretrained_tail(self) -> None:
        """Give `tail` its ImageNet weights, from which training starts."""
        if self.tail is not None:
            part = EfficientNetLite.pretrained(self.config.cnn).split(self.config.tuned_blocks)[1]
            self.tail.load_state_dict(part.state_dict())

    @property
    def frozen(self) -> CnnPart:
        """The CNN's frozen part, with its ImageNet weights unless `load_arrays` gave others."""
        if self._frozen is None:
            whole = EfficientNetLite.pretrained(self.config.cnn)
            self.__dict__["_frozen"] = whole.split(self.config.tuned_blocks)[0]
        return self._frozen

    def load_arrays(
        self, weights: Mapping[str, np.ndarray], frozen: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Load weights that a checkpoint stored.

        Args:
            weights: for every name of `state_dict()` an array of any float dtype.
            frozen: the same for the CNN's frozen part; None leaves it to its package.
        """
        self.load_state_dict(_as_tensors(weights))
        if frozen is not None:
            part = CnnPart.frozen(self.config)
            part.load_state_dict(_as_tensors(frozen))
            part = part.eval().requires_grad_(False).to(memory_format=torch.channels_last)
            self.__dict__["_frozen"] = part

    @torch.no_grad()
    def cnn(self, pixels: Tensor) -> Tensor:
        """Return the frozen part's cells `(batch, cells, channels)` of pixels `(batch, 3, size, size)`."""
        pixels = pixels.to(self.device, memory_format=torch.channels_last)
        return self.frozen.to(self.device)(pixels)

    @torch.no_grad()
    def regions(self, cells: Tensor, window: float | None = None) -> Tensor:
        """Return the CNN's last map `(batch, regions, region_channels)` of cells; arguments as for `encode`."""
        cells = cells.to(self.device, torch.float32)
        return self._tail(zoom_middle(cells, self.config.window if window is None else window))

    @staticmethod
    def pool(regions: Tensor) -> Tensor:
        """Return mean and maximum over regions: `(batch, regions, channels)` becomes `(batch, POOLS, channels)`."""
        return torch.stack([regions.mean(dim=1), regions.amax(dim=1)], dim=1)

    @torch.no_grad()
    def encode(
        self, cells: Tensor, with_attention: bool = False, window: float | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return features and the last encoder layer's attention, as `RegionEncoder.forward` does, of cells.

        Args:
            cells: from `cnn`.
            with_attention: also return who looked at whom.
            window: side of the middle that is looked at, as a share; None takes the configuration's. Cells that
                show a window already want 1.
        """
        return self.encoder(self.regions(cells, window), with_attention)

    @torch.no_grad()
    def search(
        self,
        features: Tensor,
        config: SearchConfig = SearchConfig(),
        n_best: int = 1,
        precision: str = "float32",
    ) -> BeamResult:
        """Find captions by beam search with the weights as they are; see `BeamDecoder`.

        The packed decoder is kept between calls; `train()` drops it.
        """
        return self._pack(precision).search(
            features,
            beam=config.beam,
            max_length=config.max_length,
            n_best=n_best,
            length_penalty=config.length_penalty,
        )

    @torch.no_grad()
    def sample(
        self, features: Tensor, samples: int, max_length: int, seed: int, precision: str = "float32"
    ) -> SampleResult:
        """Draw captions from the model's distribution; see `BeamDecoder`."""
        searcher = self._pack(precision)
        return searcher.sample(features, samples=samples, max_length=max_length, seed=seed)

    def _pack(self, precision: str) -> BeamDecoder:
        searcher = self._searchers.get(precision)
        if searcher is None or self.training:
            searcher = BeamDecoder(self.decoder.weights(), precision=precision)
            self._searchers[precision] = searcher
        return searcher

    def train(self, mode: bool = True) -> CaptionModel:
        """Switch between training and evaluation; weights may change in training, so packed ones are dropped."""
        self._searchers.clear()
        return super().train(mode)


def _as_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
