"""The same answers in another style: torch, loops, recursion, heaps."""

import heapq

import numpy as np
import torch


def caption_loss(logits, targets, lengths):
    total = words = 0
    for b, length in enumerate(lengths):
        some = torch.tensor(np.asarray(logits[b, : int(length)]))
        right = torch.tensor(np.asarray(targets[b, : int(length)])).long()
        total = total + torch.nn.functional.cross_entropy(some, right, reduction="sum")
        words += int(length)
    return total / words


def attention_penalty(attention, lengths):
    penalties = []
    for looks, length in zip(attention, lengths, strict=True):
        share = looks[:length].mean(axis=0) * looks.shape[1]
        penalties.append(np.mean(np.square(share - 1)))
    return np.mean(penalties)


class Sentence:
    def __init__(self, tokens, total):
        self.tokens, self.total = tuple(tokens), total

    def __lt__(self, other):
        return self.total < other.total


def beam_search(step, start, end, beam, max_length, length_penalty):
    best = (None, -np.inf)

    def keep(words, total):
        nonlocal best
        score = total / (len(words) + 1) ** length_penalty
        if best[0] is None or score > best[1]:
            best = (list(words), score)

    live = [Sentence([start], 0.0)]
    for _ in range(max_length):
        heap = []
        for sentence in live:
            scores = np.asarray(step(list(sentence.tokens)), dtype=float)
            for token in np.flatnonzero(np.isfinite(scores)):
                heap.append(Sentence([*sentence.tokens, int(token)], sentence.total + scores[token]))
        live = []
        for sentence in heapq.nlargest(beam, heap):
            if sentence.tokens[-1] == end:
                keep(sentence.tokens[1:-1], sentence.total)
            else:
                live.append(sentence)
    for sentence in live:
        keep(sentence.tokens[1:], sentence.total)
    return best


def ngrams(words, n):
    return [" ".join(words[i : i + n]) for i in range(max(0, len(words) - n + 1))]


def bleu(candidates, references, order):
    precisions = []
    for n in range(1, order + 1):
        hits = guesses = 0
        for words, known in zip(candidates, references, strict=True):
            mine = ngrams(words, n)
            guesses += len(mine)
            for gram in set(mine):
                hits += min(mine.count(gram), max(ngrams(ref, n).count(gram) for ref in known))
        precisions.append(hits / guesses if guesses else 0.0)
    c = sum(len(words) for words in candidates)
    r = 0
    for words, known in zip(candidates, references, strict=True):
        lengths = sorted(len(ref) for ref in known)
        r += min(lengths, key=lambda length: abs(length - len(words)))
    if 0 in precisions or c == 0:
        return 0
    return float(np.exp(np.mean(np.log(precisions)) + min(0, 1 - r / c)))


def document_frequencies(references, n):
    table = {}
    for known in references:
        said = set()
        for ref in known:
            said |= {tuple(gram.split()) for gram in ngrams(ref, n)}
        for gram in said:
            table[gram] = table.get(gram, 0) + 1
    return table


def cider(candidate, references, frequencies, pictures):
    means = []
    for n in (1, 2, 3, 4):
        grams = sorted({g for words in [candidate, *references] for g in ngrams(words, n)})
        rarity = np.array([np.log(pictures) - np.log(frequencies[n].get(tuple(g.split()), 1)) for g in grams])
        table = [
            np.array([ngrams(words, n).count(g) for g in grams]) * rarity
            for words in [candidate, *references]
        ]
        cosines = []
        for other in table[1:]:
            size = np.linalg.norm(table[0]) * np.linalg.norm(other)
            cosines.append(float(table[0] @ other / size) if size > 0 else 0.0)
        means.append(np.mean(cosines))
    return np.float32(10) * np.mean(means)
