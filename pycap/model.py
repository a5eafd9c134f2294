"""The captioner's network: frozen CNN, region encoder, decoder, and the search that uses them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.config import ModelConfig, SearchConfig
from pycap.decoder import Decoder
from pycap.encoder import EfficientNetLite, RegionEncoder
from pycap.ops.beam import BeamDecoder, BeamResult


class CaptionModel(nn.Module):
    """Regions to captions. Only `encoder` and `decoder` are trained and stored.

    The CNN is frozen and comes from its own package, so it is loaded when pixels are first shown and is no part
    of `state_dict()`.

    Args:
        config: sizes.
        vocab_size: words, special tokens included.
    """

    def __init__(self, config: ModelConfig, vocab_size: int):
        super().__init__()
        self.config = config
        self.encoder = RegionEncoder(config)
        self.decoder = Decoder(config, vocab_size)
        self.__dict__["_cnn"] = None  # hidden from parameters() and state_dict()
        self.__dict__["_searcher"] = None

    @property
    def device(self) -> torch.device:
        return self.decoder.score.device

    def forward(
        self, regions: Tensor, tokens: Tensor, lengths: Tensor, image_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score known captions; arguments and results as `Decoder.forward`, with CNN regions for features."""
        features, _ = self.encoder(regions)
        return self.decoder(features, tokens, lengths, image_index)

    @torch.no_grad()
    def cnn(self, pixels: Tensor) -> Tensor:
        """Return CNN regions `(batch, regions, region_channels)` of pixels `(batch, 3, size, size)`."""
        if self._cnn is None:
            self.__dict__["_cnn"] = EfficientNetLite.pretrained(self.config.cnn)
        pixels = pixels.to(self.device, memory_format=torch.channels_last)
        return self._cnn.to(self.device)(pixels)

    @torch.no_grad()
    def encode(self, regions: Tensor, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return features and the last encoder layer's attention, as `RegionEncoder.forward` does."""
        return self.encoder(regions.to(self.device, torch.float32), with_attention)

    @torch.no_grad()
    def search(self, features: Tensor, config: SearchConfig = SearchConfig(), n_best: int = 1) -> BeamResult:
        """Find captions by beam search with the weights as they are; see `BeamDecoder.search`.

        The packed decoder is kept between calls; `train()` drops it.
        """
        searcher = self._searcher
        if searcher is None or self.training:
            searcher = self.__dict__["_searcher"] = BeamDecoder(self.decoder.weights())
        return searcher.search(
            features,
            beam=config.beam,
            max_length=config.max_length,
            n_best=n_best,
            length_penalty=config.length_penalty,
        )

    def train(self, mode: bool = True) -> CaptionModel:
        """Switch between training and evaluation; weights may change in training, so packed ones are dropped."""
        self.__dict__["_searcher"] = None
        return super().train(mode)
