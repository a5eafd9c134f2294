"""What a step minimises: the words of people, and the reward of the model's own captions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pycap.config import END, START, UNKNOWN, Config, ModelConfig, SearchConfig, TrainConfig
from pycap.data.batches import Advice, Batch, collate
from pycap.metrics import score
from pycap.model import CaptionModel
from pycap.text import Vocabulary
from pycap.training.objectives import CrossEntropy, Rewards, SelfCritical, advice_loss, scaled_dropout

WORDS = ["a", "dog", "cat", "runs", "sits", "on", "grass"]
CAPTIONS = [["a dog runs", "the dog runs on grass"], ["a cat sits", "a cat"], ["grass", "green grass"]]


@pytest.fixture
def model() -> CaptionModel:
    torch.manual_seed(0)
    sizes = {"feature_dim": 8, "embed_dim": 8, "hidden_dim": 8, "attention_dim": 8, "region_channels": 6}
    sizes["tuned_blocks"] = 0
    sure = {"region_dropout": 0.0, "layer_dropout": 0.0, "dropout": 0.0}
    return CaptionModel(ModelConfig(grid=2, encoder_heads=2, **sizes, **sure), len(WORDS) + 4).eval()


@pytest.fixture
def batch() -> Batch:
    captions = [[4, 5, 7, END], [4, 6, END], [10, UNKNOWN, END]]
    regions = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1))
    return collate(regions, captions, [0, 1, 2], torch.tensor([2, 0, 1]))


def test_reward_without_the_final_word_is_the_published_score():
    captions = {0: "a dog runs on grass", 1: "a dog", 2: "green grass"}
    rewards = Rewards(CAPTIONS)
    cut = rewards(list(captions.values()), [False] * 3, np.arange(3))
    known = {number: [f"{text} finishedsentence" for text in texts] for number, texts in enumerate(CAPTIONS)}
    assert cut.mean() == pytest.approx(score(captions, known)["cider"], abs=1e-12)


def test_a_caption_that_ends_is_worth_more_than_the_same_words_cut():
    whole, cut = Rewards(CAPTIONS)(["a cat sits", "a cat sits"], [True, False], np.array([1, 1]))
    assert whole > cut > 0


def test_the_reward_belongs_to_the_picture():
    right, wrong = Rewards(CAPTIONS)(["a cat sits", "a cat sits"], [True, True], np.array([1, 2]))
    assert right > 1
    assert wrong == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("draw", ["beam", "sample"])
def test_self_critical_steps_raise_the_reward(model, batch, draw):
    vocabulary = Vocabulary(WORDS)
    train = TrainConfig(self_critical_samples=5, self_critical_draw=draw)
    config = Config(search=SearchConfig(beam=5, max_length=6), train=train)
    objective = SelfCritical(Rewards(CAPTIONS), vocabulary, config)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    rewards = []
    for step in range(80):
        model.train()
        outcome = objective(model, model, batch, step)
        optimizer.zero_grad()
        (outcome.loss / outcome.words).backward()
        optimizer.step()
        rewards.append(outcome.reward)
    assert np.mean(rewards[-10:]) > 1.5 * np.mean(rewards[:10])


def test_a_share_of_the_reward_is_what_captions_that_end_may_expect(model, batch):
    config = Config(search=SearchConfig(beam=5, max_length=6), train=TrainConfig(phrase_share=0.75))
    heard = {}

    def expected(captions, pictures):
        heard.update(captions=captions, pictures=pictures)
        return np.arange(len(captions), dtype=np.float32)

    mixed = SelfCritical(Rewards(CAPTIONS), Vocabulary(WORDS), config, expected)
    captions, pictures = [[4, 5], [4, 6], [10]], np.array([2, 0, 1])
    found = mixed._reward(captions, [True, False, True], pictures)
    known = SelfCritical(Rewards(CAPTIONS), Vocabulary(WORDS), config)._reward(
        captions, [True, False, True], pictures
    )
    np.testing.assert_allclose(found, 0.25 * known + 0.75 * np.array([0, 0, 2]))
    drawn = mixed(model, model, batch, 0)
    assert heard["pictures"].tolist() == [2] * 5 + [0] * 5 + [1] * 5
    assert drawn.reward > 0.75 * 7  # the mean of 0 to 14


def test_the_same_seed_draws_the_same_captions(model, batch):
    train = TrainConfig(self_critical_draw="sample")
    config = Config(search=SearchConfig(max_length=6), train=train)
    objective = SelfCritical(Rewards(CAPTIONS), Vocabulary(WORDS), config)
    first, again, other = (objective(model, model, batch, seed) for seed in (3, 3, 4))
    assert torch.equal(first.loss, again.loss)
    assert first.reward == again.reward
    assert not torch.equal(first.loss, other.loss)


def test_dropout_is_scaled_inside_the_block_only():
    model = CaptionModel(ModelConfig(grid=2, encoder_heads=2, feature_dim=8, tuned_blocks=0), 12)
    with scaled_dropout(model, 0.5):
        assert (model.decoder.dropout.p, model.encoder.dropout.p) == (0.25, 0.1)
    assert (model.decoder.dropout.p, model.encoder.dropout.p) == (0.5, 0.2)


def test_without_scheduled_sampling_the_decoder_reads_what_people_wrote(model, batch):
    logits, _ = model(batch.regions, batch.tokens, batch.lengths, batch.image_index)
    by_hand = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
    outcome = CrossEntropy(TrainConfig(label_smoothing=0.0))(model, model, batch, 0)
    torch.testing.assert_close(outcome.loss, by_hand)
    assert (outcome.words, outcome.reward) == (10, None)


def test_advice_counts_the_words_it_does_not_name_alike():
    logits = torch.randn(5, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.randn(5, 11, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(-1)
    top = wanted.topk(3)
    spread = ((1 - top.values.sum(1)) / 11)[:, None].repeat(1, 11).scatter_add(1, top.indices, top.values)
    for advice, dense in ((wanted.topk(11), wanted), (top, spread)):
        by_hand = torch.nn.functional.cross_entropy(logits, dense, reduction="sum")
        torch.testing.assert_close(advice_loss(logits, Advice(advice.indices, advice.values)), by_hand)


def test_teachers_have_the_share_of_the_loss_that_is_asked_for(model, batch):
    logits, _ = model(batch.regions, batch.tokens, batch.lengths, batch.image_index)
    own = logits.detach().softmax(-1).topk(logits.shape[1])
    advised = replace(batch, advice=Advice(own.indices, own.values))
    losses = [
        CrossEntropy(TrainConfig(distillation=share))(model, model, some, 0).loss.item()
        for some, share in ((batch, 0.5), (advised, 0.0), (advised, 1.0), (advised, 0.25))
    ]
    assert losses[0] == losses[1] != losses[2]
    assert losses[3] == pytest.approx(0.75 * losses[0] + 0.25 * losses[2], rel=1e-5)
    CrossEntropy(TrainConfig(distillation=1.0))(model, model, advised, 0).loss.backward()
    assert (
        model.decoder.output.bias.grad.abs().max() < 1e-5
    )  # whoever says what the teachers say has nothing to learn


def test_scheduled_sampling_mixes_in_own_words_but_never_touches_the_start(model, batch):
    seen = []

    def wrapped(regions, tokens, lengths, image_index):
        seen.append(tokens)
        return model(regions, tokens, lengths, image_index)

    for share in (0.5, 1.0):
        torch.manual_seed(0)
        CrossEntropy(replace(TrainConfig(), scheduled_sampling=share))(model, wrapped, batch, 0)
    some, every = seen
    assert (some[:, 0] == START).all()
    assert (every[:, 0] == START).all()
    real = torch.arange(4) < batch.lengths[:, None]
    assert torch.equal(every[~real], batch.tokens[~real])
    assert 0 < (some != batch.tokens).sum() <= (every != batch.tokens).sum()
