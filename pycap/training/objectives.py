"""What a training step minimises: cross-entropy on people's captions, or reward on the model's own ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.config import END, Config, TrainConfig
from pycap.data.batches import Advice, Batch, collate
from pycap.metrics import References
from pycap.metrics.cider import score_cider
from pycap.metrics.references import tokenize_caption
from pycap.model import CaptionModel
from pycap.text import Vocabulary

FINISHED = "finishedsentence"  # stands behind a caption that ended, so that a reward sees where it stops


@dataclass(frozen=True)
class Outcome:
    """Result of an objective.

    Attributes:
        loss: sum over the words of the batch, with its graph.
        words: how many there are.
        reward: mean reward of the drawn captions; None where there is no reward.
    """

    loss: Tensor
    words: int
    reward: float | None = None


class Objective(Protocol):
    """Turns a batch into a loss."""

    def __call__(self, model: CaptionModel, wrapped: nn.Module, batch: Batch, seed: int) -> Outcome:
        """Run the model on a batch.

        Args:
            model: the network itself, to search with.
            wrapped: the same network as its gradients are to be computed (averaged over processes).
            batch: on the model's device.
            seed: for whatever is drawn at random.
        """


def caption_loss(logits: Tensor, attention: Tensor, batch: Batch, config: TrainConfig) -> Tensor:
    """Return the summed loss of a batch's real steps.

    Cross-entropy with label smoothing, mixed by `distillation` with that against the teachers' probabilities where the
    batch has advice; when `doubly_stochastic` is set, plus the regulariser of Xu et al. 2015,
    eq. 14, with attention scaled so that it asks for equal shares whatever the length of the caption.

    Args:
        logits: `(lengths.sum(), vocab_size)`.
        attention: `(batch, time, regions)`, zero behind a caption's end.
        batch: holds the targets.
        config: smoothing, weight of the teachers and of the regulariser.
    """
    logits = logits.float()
    loss = functional.cross_entropy(
        logits, batch.targets, label_smoothing=config.label_smoothing, reduction="sum"
    )
    if batch.advice is not None:
        loss = loss.lerp(advice_loss(logits, batch.advice), config.distillation)
    if config.doubly_stochastic:
        regions = attention.shape[-1]
        seen = attention.sum(1) * (regions / batch.lengths[:, None])  # 1 on average
        loss = loss + config.doubly_stochastic * ((1 - seen) ** 2).mean(1).mul(batch.lengths).sum()
    return loss


def advice_loss(logits: Tensor, advice: Advice) -> Tensor:
    """Return the summed cross-entropy against teachers' probabilities (Hinton et al. 2015, at temperature 1).

    Args:
        logits: `(steps, vocab_size)` float32.
        advice: of the same steps.
    """
    log_probs = logits.log_softmax(-1)
    rest = 1 - advice.shares.sum(1)
    return -(advice.shares * log_probs.gather(1, advice.words)).sum() - (rest * log_probs.mean(1)).sum()


class CrossEntropy:
    """Predict the words that people wrote (teacher forcing).

    Args:
        config: smoothing and regulariser.
    """

    def __init__(self, config: TrainConfig):
        self.config = config

    def __call__(self, model: CaptionModel, wrapped: nn.Module, batch: Batch, seed: int) -> Outcome:
        tokens = self._mix_own_words(model, batch) if self.config.scheduled_sampling else batch.tokens
        logits, attention = wrapped(batch.regions, tokens, batch.lengths, batch.image_index)
        return Outcome(caption_loss(logits, attention, batch, self.config), len(batch.targets))

    @torch.no_grad()
    def _mix_own_words(self, model: CaptionModel, batch: Batch) -> Tensor:
        """Return the decoder's input with some words replaced by the model's guess, drawn given the true words."""
        logits, _ = model(batch.regions, batch.tokens, batch.lengths, batch.image_index)
        guesses = torch.multinomial(logits.float().softmax(-1), 1)[:, 0]
        time = torch.arange(batch.tokens.shape[1], device=logits.device)
        own = torch.zeros_like(batch.tokens)
        own[time < batch.lengths[:, None]] = guesses  # own[:, t]: guess of the word behind position t
        replace = torch.rand(batch.tokens.shape, device=logits.device) < self.config.scheduled_sampling
        replace[:, 0] = False  # the start token
        return torch.where(replace & (time < batch.lengths[:, None]), own.roll(1, dims=1), batch.tokens)


class Rewards:
    """CIDEr-D of captions for training pictures, counting where a sentence ends as one more word.

    Without that word, sentences that stop at "on a" would be worth as much as complete ones.

    Args:
        captions: raw reference captions of every training picture, in the order of the data set; their corpus
            gives the document frequencies.
    """

    def __init__(self, captions: Sequence[Sequence[str]]):
        self.references = References(
            {number: [f"{caption} {FINISHED}" for caption in known] for number, known in enumerate(captions)}
        )

    def __call__(self, captions: Sequence[str], ended: Sequence[bool], pictures: np.ndarray) -> np.ndarray:
        """Score captions.

        Args:
            captions: sentences.
            ended: whether each came to its end, or was cut.
            pictures: number of each caption's picture, `(captions,)`.

        Returns:
            CIDEr-D of each, `(captions,)`, 0 to 10.
        """
        sentences = [
            tokenize_caption(f"{caption} {FINISHED}" if whole else caption, "captions", number)
            for number, (caption, whole) in enumerate(zip(captions, ended, strict=True))
        ]
        return score_cider(*self.references.count(sentences), self.references, pictures)


@contextmanager
def scaled_dropout(model: nn.Module, share: float) -> Iterator[None]:
    """Multiply all dropout rates of a model inside a `with` block."""
    rates = {layer: layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)}
    for layer, rate in rates.items():
        layer.p = rate * share
    try:
        yield
    finally:
        for layer, rate in rates.items():
            layer.p = rate


Expected = Callable[[Sequence[Sequence[int]], np.ndarray], np.ndarray]  # as `HeldOutPhrases.__call__`


class SelfCritical:
    """Self-critical sequence training (Rennie et al. 2017): captions better than their siblings become likelier.

    Several captions are drawn for each picture; the baseline of one is the mean reward of the others (Luo 2020).

    Args:
        rewards: of the training pictures.
        vocabulary: turns word ids into text.
        config: captions per picture and how they are drawn.
        expected: what captions may expect; where given, `train.phrase_share` of the reward.
    """

    def __init__(
        self, rewards: Rewards, vocabulary: Vocabulary, config: Config, expected: Expected | None = None
    ):
        self.rewards, self.vocabulary, self.config, self.expected = rewards, vocabulary, config, expected

    def __call__(self, model: CaptionModel, wrapped: nn.Module, batch: Batch, seed: int) -> Outcome:
        drawn, ended = self._draw(model, batch, seed)
        images, draws = len(drawn), len(drawn[0])
        captions = [words for siblings in drawn for words in siblings]
        pictures = batch.examples.cpu().numpy().repeat(draws)
        rewards = self._reward(captions, ended, pictures).reshape(images, draws)
        baseline = (rewards.sum(1, keepdims=True) - rewards) / (draws - 1)
        advantage = torch.tensor((rewards - baseline).ravel(), dtype=torch.float32)
        whole = [[*words, END] if done else words for words, done in zip(captions, ended, strict=True)]
        index = [image for image in range(images) for _ in range(draws)]
        fresh = collate(batch.regions, whole, index, batch.examples).to(model.device)
        with scaled_dropout(model, self.config.train.self_critical_dropout):
            logits, _ = wrapped(fresh.regions, fresh.tokens, fresh.lengths, fresh.image_index)
        surprise = functional.cross_entropy(logits.float(), fresh.targets, reduction="none")
        weight = advantage.to(model.device).repeat_interleave(fresh.lengths)
        return Outcome((weight * surprise).sum(), len(fresh.targets), float(rewards.mean()))

    def _reward(self, captions: list[list[int]], ended: list[bool], pictures: np.ndarray) -> np.ndarray:
        rewards = self.rewards([self.vocabulary.decode(words) for words in captions], ended, pictures)
        if self.expected is None:
            return rewards
        share = self.config.train.phrase_share
        return (1 - share) * rewards + share * self.expected(captions, pictures) * np.array(ended)

    def _draw(self, model: CaptionModel, batch: Batch, seed: int) -> tuple[list[list[list[int]]], list[bool]]:
        """Return word ids of every picture's captions, without END, and whether each caption came to its end."""
        training, train, search = model.training, self.config.train, self.config.search
        model.eval()
        features = model.encode(batch.regions, window=1)[0].float()
        if train.self_critical_draw == "sample":
            found = model.sample(
                features, train.self_critical_samples, search.max_length, seed, train.self_critical_precision
            )
            ended = found.ended.flatten().tolist()
        else:
            wide = replace(search, beam=train.self_critical_samples)
            found = model.search(features, wide, n_best=wide.beam, precision=train.self_critical_precision)
            ended = [True] * found.lengths.numel()
        model.train(training)
        words = [
            [row[:length] for row, length in zip(rows, lengths, strict=True)]
            for rows, lengths in zip(found.tokens.tolist(), found.lengths.tolist(), strict=True)
        ]
        return words, ended
