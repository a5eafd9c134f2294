"""Week 4: language. Turn text into numbers, and learn vectors for words.

Fill in the functions, then check:  pycap course check 4 DIR
Sentences are given as lists of words where nothing else is said. Only NumPy is needed.
"""

import numpy as np

PAD, START, END, UNKNOWN = 0, 1, 2, 3  # the first ids of every vocabulary


def clean(text):
    """Make raw text of a review ready for a tokeniser.

    Do this, in this order: replace every tag, from "<" to the next ">", by a blank; replace the curly quotes ’ and ‘
    by ' and “ and ” by "; make all letters small; turn every run of white space into one blank; remove blanks at both
    ends. Leave everything else as it is: punctuation carries meaning.

    Args:
        text: a string.

    Returns:
        A string: clean("A <br />fine\\n FILM, isn’t it?") gives "a fine film, isn't it?".
    """
    raise NotImplementedError("clean: your turn")


def build_vocabulary(sentences, min_count):
    """Number the words of the training sentences.

    Args:
        sentences: lists of words.
        min_count: a word gets a number when it occurs at least this many times in all sentences together.

    Returns:
        A dict from word to id. The first word has id 4; PAD, START, END and UNKNOWN are not in the dict. The most
        frequent word comes first, words of equal count in alphabetical order.
        build_vocabulary([["b", "a"], ["a", "c", "c"]], 2) gives {"a": 4, "c": 5}.
    """
    raise NotImplementedError("build_vocabulary: your turn")


def encode_batch(sentences, vocabulary, max_words):
    """Turn sentences into one array of ids.

    Every sentence is cut to its first `max_words` words, words that are not in the vocabulary become UNKNOWN, END comes
    after the last word, and PAD fills the row up. The array is as wide as the longest of these rows, no wider.

    Args:
        sentences: lists of words, at least one sentence; a sentence may be empty.
        vocabulary: dict from word to id. It must not change.
        max_words: at least 1.

    Returns:
        ids, an integer array `(batch, time)`, and lengths `(batch,)`, END counted.
        encode_batch([["a"], ["b", "a", "a"]], {"a": 4}, 2) gives [[4, 2, 0], [3, 4, 2]] and [2, 3].
    """
    raise NotImplementedError("encode_batch: your turn")


def skip_gram_pairs(ids, window):
    """Pair every word of a sentence with its neighbours.

    Args:
        ids: the word ids of one sentence. The same id may occur several times.
        window: neighbours are at most this many places away, on either side.

    Returns:
        A list of (centre, neighbour), in any order: for [7, 8, 9] and window 1
        (7, 8), (8, 7), (8, 9), (9, 8). Places are paired, not ids: [5, 5] gives (5, 5) twice.
    """
    raise NotImplementedError("skip_gram_pairs: your turn")


def negative_samples(random, counts, neighbours, number):
    """Draw wrong neighbours for each true one.

    A word is drawn with a chance in proportion to its count to the power 0.75; words with count 0 never; and never the
    true neighbour of that row (other rows' neighbours are allowed). Draws of a row may repeat.

    Args:
        random: a numpy.random.Generator, the only source of randomness.
        counts: how often each word occurs, `(vocab_size,)`.
        neighbours: ids of the true neighbours, `(batch,)`.
        number: negatives of each.

    Returns:
        Ids, an integer array `(batch, number)`.
    """
    raise NotImplementedError("negative_samples: your turn")


def skip_gram_step(centre, neighbour, centres, neighbours, negatives, rate):
    """Take one step of gradient descent on a batch of pairs (Mikolov et al. 2013, eq. 4).

    The loss of a pair with centre vector v, neighbour vector u and negatives n_1 .. n_k is
    `-log sigmoid(u . v) - sum_k log sigmoid(-n_k . v)`; the loss of the batch is the mean over its pairs. v is a row of
    the table `centre`; u and n_k are rows of the table `neighbour`. A word may occur several times in the batch.

    Args:
        centre, neighbour: tables `(vocab_size, embed_dim)`; leave them unchanged.
        centres, neighbours: ids of the pairs, `(batch,)`.
        negatives: ids `(batch, number)`.
        rate: learning rate; table minus rate times gradient.

    Returns:
        The loss before the step (a number), and both tables after it. All gradients are taken before the step.
        Scores may be as large as 1000 or more without warnings or infinities.
    """
    raise NotImplementedError("skip_gram_step: your turn")


assert np  # you will want it
