"""Right answers of week 8."""

import math
from collections import Counter

import numpy as np


def caption_loss(logits, targets, lengths):
    real = np.arange(logits.shape[1]) < np.asarray(lengths)[:, None]
    rows, words = logits[real], targets[real].astype(int)
    shifted = rows - rows.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(rows)), words]
    return float(surprise.mean())


def attention_penalty(attention, lengths):
    lengths, regions = np.asarray(lengths), attention.shape[2]
    real = np.arange(attention.shape[1]) < lengths[:, None]
    seen = np.where(real[:, :, None], attention, 0.0).sum(axis=1) * regions / lengths[:, None]
    return float(((1 - seen) ** 2).mean())


def beam_search(step, start, end, beam, max_length, length_penalty):
    live, finished = [([start], 0.0)], []
    for _ in range(max_length):
        following = []
        for tokens, total in live:
            for token, log_prob in enumerate(step(list(tokens))):
                if log_prob > -math.inf:
                    following.append(([*tokens, token], total + float(log_prob)))
        following.sort(key=lambda pair: -pair[1])
        live = []
        for tokens, total in following[:beam]:
            (finished if tokens[-1] == end else live).append((tokens, total))
        if not live:
            break
    finished = [(tokens[1:-1] if tokens[-1] == end else tokens[1:], total) for tokens, total in finished]
    finished += [(tokens[1:], total) for tokens, total in live]
    scored = [(tokens, total / (len(tokens) + 1) ** length_penalty) for tokens, total in finished]
    return max(scored, key=lambda pair: pair[1])


def count_ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(candidates, references, order):
    matches, guesses = [0] * order, [0] * order
    c = r = 0
    for words, known in zip(candidates, references, strict=True):
        c += len(words)
        r += min((abs(len(ref) - len(words)), len(ref)) for ref in known)[1]
        for n in range(1, order + 1):
            most = Counter()
            for ref in known:
                most |= count_ngrams(ref, n)
            mine = count_ngrams(words, n)
            matches[n - 1] += sum((mine & most).values())
            guesses[n - 1] += sum(mine.values())
    if min(matches) == 0:
        return 0.0
    penalty = 1.0 if c >= r else math.exp(1 - r / c)
    return penalty * math.prod(m / g for m, g in zip(matches, guesses, strict=True)) ** (1 / order)


def document_frequencies(references, n):
    frequencies = Counter()
    for known in references:
        frequencies.update({gram for ref in known for gram in count_ngrams(ref, n)})
    return dict(frequencies)


def cider(candidate, references, frequencies, pictures):
    total = 0.0
    for n in range(1, 5):

        def weigh(words, n=n):
            return {
                gram: count * math.log(pictures / max(1, frequencies[n].get(gram, 0)))
                for gram, count in count_ngrams(words, n).items()
            }

        mine = weigh(candidate)
        norm = math.sqrt(sum(value**2 for value in mine.values()))
        for ref in references:
            theirs = weigh(ref)
            size = norm * math.sqrt(sum(value**2 for value in theirs.values()))
            if size:
                total += sum(value * theirs.get(gram, 0.0) for gram, value in mine.items()) / size
    return 10 * total / (4 * len(references))
