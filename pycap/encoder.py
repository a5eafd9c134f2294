"""From image regions to features: projection, position and self-attention over the CNN's last feature map.

The attention in the encoder. It knows nothing about pixels or words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.config import ModelConfig
from pycap.nn.attention import ChannelAttention, RegionSelfAttention, grid_positions
from pycap.nn.dense import Dense
from pycap.nn.dropout import Dropout


class RegionEncoder(nn.Module):
    """Project regions to `feature_dim`, tell them where they are, and let them look at each other.

    Pre-norm transformer layers (Vaswani et al. 2017; Xiong et al. 2020) over the CNN's grid: the attention in
    the encoder. With `encoder_attention="channel"` the layers weigh channels instead of regions; with
    `encoder_layers=0` only projection and position remain.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.project = Dense(config.region_channels, config.feature_dim)
        self.norm_in = nn.LayerNorm(config.feature_dim)
        self.rows = nn.Parameter(torch.randn(config.grid, config.feature_dim) * 0.02)
        self.cols = nn.Parameter(torch.randn(config.grid, config.feature_dim) * 0.02)
        self.dropout = Dropout(config.region_dropout)
        self.layers = nn.ModuleList(self._make_layer(config) for _ in range(config.encoder_layers))
        self.norm_out = nn.LayerNorm(config.feature_dim)

    @staticmethod
    def _make_layer(config: ModelConfig) -> nn.Module:
        if config.encoder_attention == "channel":
            return ChannelAttention(config.feature_dim, config.layer_dropout)
        return RegionSelfAttention(config.feature_dim, config.encoder_heads, config.layer_dropout)

    def forward(self, regions: Tensor, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return features, and on request the last layer's attention.

        Args:
            regions: CNN output, `(images, regions, region_channels)`.
            with_attention: also return who looked at whom.

        Returns:
            features `(images, regions, feature_dim)` and attention `(images, heads, regions, regions)`, rows
            summing to 1 (None when not asked for or when there is no layer).

        Raises:
            ValueError: regions do not fit the configured grid and channels.
        """
        expected = (self.config.grid**2, self.config.region_channels)
        if regions.dim() != 3 or tuple(regions.shape[1:]) != expected:
            raise ValueError(
                f"regions must be (images, {expected[0]}, {expected[1]}), got {tuple(regions.shape)}"
            )
        features = self.norm_in(self.project(regions)) + grid_positions(self.rows, self.cols)
        features, attention = self.dropout(features), None
        for layer in self.layers:
            features, attention = layer(features, with_attention)
        return self.norm_out(features), attention
