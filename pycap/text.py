"""Captions as words, words as numbers: the tokeniser and the vocabulary.

Words are split as the Penn Treebank does ("man's" is "man" + "'s"), because the captions are scored that way.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from pycap.config import END, PAD, SPECIAL_TOKENS, START, UNKNOWN

_LETTER = r"[^\0-/:-@\[-`{-\x7f]"  # any but ASCII blanks and punctuation; _clean leaves no others
_CLITIC = r"'(?:s|m|d|re|ve|ll)"
_TOKEN = re.compile(
    rf"""
    {_CLITIC}(?!{_LETTER})                      # 's standing alone, or split off just before
    | n't(?!{_LETTER})
    | \d+(?:[.,:/]\d+)+(?!{_LETTER})            # 3.5  1,000  10:30  1/2
    | {_LETTER}+?(?=n't(?!{_LETTER}))           # do|n't
    | {_LETTER}(?:\.{_LETTER})+(?!{_LETTER})\.?  # u.s.
    | {_LETTER}+(?:(?!{_CLITIC}(?!{_LETTER}))[-&']{_LETTER}+)*
    | (?<!\S)&(?!\S)                            # stands for a word
    """,
    re.VERBOSE,
)
_CONTRACTIONS = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
}
_JOINED = {pair: whole for whole, pair in _CONTRACTIONS.items() if whole != "cannot"}
_ATTACHED = {"'s", "'m", "'d", "'re", "'ve", "'ll", "n't"}
_QUOTES = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "′": "'", "`": "'", "‐": "-", "‑": "-"})


def _clean(caption: str) -> str:
    """Lower-case, compose accents, straighten quotes and blank every symbol that is not part of a word."""
    if caption.isascii():
        return caption.lower().translate(_QUOTES)
    text = unicodedata.normalize("NFC", caption.translate(_QUOTES).lower())
    kept = []
    for letter in text:
        kind = unicodedata.category(letter)
        if letter.isascii() or kind[0] in "LMN":
            kept.append(letter)
        elif kind != "Cf":  # soft hyphens and joiners vanish, everything else separates words
            kept.append(" ")
    return "".join(kept)


def tokenize(caption: str) -> list[str]:
    """Split a caption into lower-case words without punctuation, Penn Treebank style.

    Args:
        caption: one sentence, raw ("A man's dog.") or already split ("A man 's dog .").

    Returns:
        The words: `["a", "man", "'s", "dog"]`. Hyphenated words stay whole, "&" alone becomes "and".
        Empty when the caption holds no word.
    """
    words: list[str] = []
    for word in _TOKEN.findall(_clean(caption)):
        if word in _CONTRACTIONS:
            words.extend(_CONTRACTIONS[word])
        else:
            words.append("and" if word == "&" else word)
    return words


def detokenize(words: Sequence[str]) -> str:
    """Join words into a sentence as people write it: `["man", "'s", "dog"]` gives "man's dog"."""
    text = ""
    before = ""
    for word in words:
        attached = word in _ATTACHED or (before, word) in _JOINED
        text += word if attached or not text else " " + word
        before = word
    return text


class Vocabulary:
    """The words a model knows, numbered; ids 0-3 are padding, start, end and unknown.

    Args:
        words: ordinary words in id order, without the special tokens; the first gets id 4.

    Raises:
        ValueError: a word is empty, not a string, a special token, or occurs twice.
    """

    def __init__(self, words: Iterable[str]):
        self.words: tuple[str, ...] = (*SPECIAL_TOKENS, *words)  # words[id] is the word with that id
        self._ids: dict[str, int] = {}
        for number, word in enumerate(self.words):
            if not isinstance(word, str) or not word:
                raise ValueError(f"words must be non-empty strings, got {word!r} as word {number}: remove it")
            if word in self._ids:
                raise ValueError(
                    f"words must differ, got {word!r} as words {self._ids[word]} and {number}: remove one"
                )
            self._ids[word] = number

    @property
    def ordinary(self) -> tuple[str, ...]:
        """The words without the special tokens, in id order, as `Vocabulary` takes them."""
        return self.words[len(SPECIAL_TOKENS) :]

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """Count words in training captions and keep the frequent ones.

        Args:
            captions: raw captions of the training split only.
            min_count: times a word must occur to be kept, at least 1.

        Returns:
            The vocabulary, most frequent word first, equal counts in alphabetical order.

        Raises:
            ValueError: `min_count` is below 1, `captions` is one string, or no word is frequent enough.
        """
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {min_count}")
        if isinstance(captions, str):
            raise ValueError("captions must be a list of captions, got one string: wrap it in a list")
        counts = Counter(word for caption in captions for word in tokenize(caption))
        kept = sorted(
            (word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word)
        )
        if not kept:
            raise ValueError(
                f"captions hold no word that occurs {min_count} times ({len(counts)} different words): "
                "lower min_count or give more captions"
            )
        return cls(kept)

    def __len__(self) -> int:
        """Return `vocab_size`, special tokens included."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words)"

    def encode(self, tokens: Sequence[str], max_words: int | None = None) -> list[int]:
        """Turn words into ids that finish with END.

        Args:
            tokens: words as `tokenize` returns them.
            max_words: longer captions are cut to this many words (END not counted); None keeps all.

        Returns:
            `min(len(tokens), max_words) + 1` ids; words outside the vocabulary become UNKNOWN.

        Raises:
            ValueError: `tokens` is a string instead of a list of words, or `max_words` is below 1.
        """
        if isinstance(tokens, str):
            raise ValueError("tokens must be a list of words, got one string: call tokenize(caption) first")
        if max_words is not None and max_words < 1:
            raise ValueError(f"max_words must be at least 1, got {max_words}")
        return [*(self._ids.get(word, UNKNOWN) for word in tokens[:max_words]), END]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a sentence; stops at END, skips PAD and START, shows UNKNOWN as "<unk>".

        Args:
            ids: word ids, Python integers or elements of an integer array.

        Raises:
            ValueError: an id is outside `0 .. len(self) - 1`.
        """
        words = []
        for number in map(int, ids):
            if not 0 <= number < len(self.words):
                raise ValueError(
                    f"ids must be in 0..{len(self) - 1}, got {number}: made with another vocabulary?"
                )
            if number == END:
                break
            if number not in (PAD, START):
                words.append(self.words[number])
        return detokenize(words)

    def to_json(self) -> str:
        """Return the words in id order as a JSON list, one a line."""
        return json.dumps(list(self.words), ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Rebuild from `to_json`.

        Raises:
            ValueError: the text is not JSON, not a list, or does not begin with the special tokens.
        """
        try:
            words = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"vocabulary is not JSON (line {error.lineno}: {error.msg}): copy the file again"
            ) from None
        first = tuple(words[: len(SPECIAL_TOKENS)]) if isinstance(words, list) else type(words).__name__
        if first != SPECIAL_TOKENS:
            raise ValueError(
                f"vocabulary must be a JSON list that begins with {list(SPECIAL_TOKENS)}, got {first!r}: "
                "it was not written by pycap"
            )
        return cls(words[len(SPECIAL_TOKENS) :])
