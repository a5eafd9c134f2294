"""Week 8: captioning.

Write the body of each function below; NumPy and the standard library are all you need. Then run

    pycap course check 8 .

No function may change its arguments.
"""

from __future__ import annotations

import numpy as np  # noqa: F401 (for your answers)


def caption_loss(logits, targets, lengths):
    """Measure how surprised a decoder is by captions of different lengths: mean cross-entropy per real word.

    Captions are padded to the longest one. Step t of caption b is real if t < lengths[b]; what stands behind a
    caption's end, logits and targets alike, may be anything (also nan) and must not matter. Every real word of the
    batch counts the same, whatever the length of its caption. Logits may be as large as 1e4.

    Args:
        logits: `(batch, time, vocab_size)`.
        targets: ints, `(batch, time)`.
        lengths: ints from 1 to time, `(batch,)`.

    Returns:
        a float: the mean over all real words of -log softmax(logits)[target], in nats.
    """
    raise NotImplementedError("caption_loss: your turn")


def attention_penalty(attention, lengths):
    """Measure how unevenly captions look at their regions (after Xu et al. 2015, eq. 14).

    For a caption with L real steps and R regions, seen[r] = R / L * (sum of attention[t, r] over its real steps);
    a decoder that shares its attention out evenly has seen[r] = 1 for every r. The caption's penalty is the mean
    over regions of (1 - seen[r])^2, and the result is the mean over captions. What stands behind a caption's end
    may be anything (also nan) and must not matter.

    Args:
        attention: weights, each real step's sum to 1, `(batch, time, regions)`.
        lengths: ints from 1 to time, `(batch,)`.

    Returns:
        a float, 0 at best.

    Example:
        one caption of two steps, attention [[1, 0], [0, 1]] -> 0.0; attention [[1, 0], [1, 0]] -> 1.0
    """
    raise NotImplementedError("attention_penalty: your turn")


def beam_search(step, start, end, beam, max_length, length_penalty):
    """Find a likely sentence with a beam.

    `step(tokens)` takes a sentence so far as a list of ints, `start` first, and returns the log-probabilities of the
    next token, a 1-D array over the vocabulary. They may be -inf: such a token is never taken.

    1. Live: one sentence, `[start]`, log-probability 0.
    2. Continue every live sentence with every token. Sort all continuations by total log-probability, best first.
       Go through the best `beam` of them: those whose new token is `end` are finished, the others are the new live
       ones. (Finished ones use up a place in this round only: the next one has `beam` places again.)
    3. Repeat until nothing is live or `max_length` words are written. What is live then counts as finished as it is.
    4. Return the finished sentence with the best score = log-probability / (words + 1) ** length_penalty, where
       `words` counts neither `start` nor `end`, and the log-probability includes that of `end` where it was taken.
       An empty sentence (`end` right behind `start`) takes part like any other.

    Args:
        step: see above.
        start, end: token numbers. `start` may be emitted like any other token if `step` allows it.
        beam: at least 1.
        max_length: words at most, at least 1.
        length_penalty: 0 or more.

    Returns:
        (tokens, score): the best sentence as a list of ints without start and end, and its score.
    """
    raise NotImplementedError("beam_search: your turn")


def bleu(candidates, references, order):
    """Score captions by BLEU-`order` over the whole corpus (Papineni et al. 2002), on the scale 0 to 1.

    For n = 1 .. order: matches_n is summed over all captions, an n-gram of a caption counting at most as often as
    it stands in that one of the picture's references which has it most often; guesses_n is the number of n-grams in
    all captions; precision_n = matches_n / guesses_n (0 if there are none). With c the words of all captions and r
    the sum of the reference lengths closest to each caption's length (the shorter one on ties), the brevity penalty
    is 1 if c >= r, else exp(1 - r / c). BLEU = penalty * (precision_1 * ... * precision_order) ** (1 / order); it is
    0 if any precision is 0.

    Args:
        candidates: a caption for each picture; a caption is a list of words, perhaps empty.
        references: for each picture a list of captions, at least one.
        order: 1 to 4.

    Returns:
        a float.
    """
    raise NotImplementedError("bleu: your turn")


def document_frequencies(references, n):
    """Count for every n-gram in how many pictures it is said (the first half of CIDEr).

    A picture counts once, no matter how many of its references say the n-gram, or how often.

    Args:
        references: for each picture a list of captions; a caption is a list of words.
        n: length of the n-grams.

    Returns:
        a dict from n-gram (a tuple of n words) to the number of pictures.
    """
    raise NotImplementedError("document_frequencies: your turn")


def cider(candidate, references, frequencies, pictures):
    """Score one caption by CIDEr (Vedantam et al. 2015, eq. 1-3), on the scale 0 to 10.

    For n = 1 to 4 a caption is a vector: for every n-gram in it, (how often it stands there) * log(pictures /
    frequency). An n-gram that no picture has counts as if one had. The similarity of two captions for one n is the
    cosine of their vectors (0 if one of them is zero). Take the mean over the references, then over n = 1 .. 4,
    times 10. (The CIDEr-D that papers report also clips counts and punishes differences in length.)

    Args:
        candidate: a caption, a list of words.
        references: captions of the same picture, at least one.
        frequencies: for n = 1 .. 4 what `document_frequencies` returns, as `frequencies[n]`.
        pictures: number of pictures in the corpus.

    Returns:
        a float.
    """
    raise NotImplementedError("cider: your turn")
