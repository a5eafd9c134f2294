"""Penn Treebank tokenisation, as coco-caption applies it to captions before scoring, without Java.

coco-caption runs Stanford's PTBTokenizer (`-preserveLines -lowerCase`) and drops punctuation tokens; this module makes
the same tokens. Captions are independent here: there, the first words of the next caption may decide whether a single
letter at the end of this one keeps its period.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pycap.metrics.ptb_lower import lower
from pycap.metrics.ptb_rules import IRREGULAR, RULES, SPACE

# Dropped after tokenising. Brackets stay: coco-caption's list has them in capitals, the tokens are in lower case.
REMOVED = frozenset(["", "''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])

# A word, maybe with one punctuation sign: no need for the rules, if it is not irregular.
_WORD = re.compile(r"([a-z]{2,})[.,:;!?]?", re.IGNORECASE | re.ASCII)

# Text between spaces whose tokens do not depend on the neighbours: no digit, tag or abbreviation.
_PLAIN = re.compile(
    r"[!-\-/:;=-~]*|\.|(?!(?:ca|nos?|op|pp|figs?|art|prop)\.)[a-z]{2,}\.", re.IGNORECASE | re.ASCII
)
_LINE_ENDS = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
_SKIPPED = re.compile(rf"{SPACE}+|[\s\S]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def tokenize(text: str) -> str:
    """Return the tokens of a caption without punctuation, lower case, separated by single spaces.

    Args:
        text: one caption; line ends in it count as spaces.

    Returns:
        tokens; one with a space inside (`1 1/2`) has a no-break space there.
    """
    pieces = list(map(_tokenize_chunk, text.split(" ")))
    return _tokenize_all(text) if None in pieces else " ".join(filter(None, pieces))


def scan(text: str) -> list[str]:
    """Return all tokens of a caption, lower case, punctuation included.

    At each position the rule that matches most text is taken (text looked ahead at counts), on ties the earlier one.
    What no rule matches separates tokens and is dropped.
    """
    text = _LINE_ENDS.sub(" ", text)
    if not text.isascii():
        text = _ASTRAL.sub(_split_character, text)
    text += "\n"  # something to look ahead at
    tokens = []
    position, end = 0, len(text) - 1
    while position < end:
        farthest, best, best_write = position, None, None
        for match, write in _select_rules(text[position]):
            found = match(text, position)
            if found and found.end() > farthest:
                farthest, best, best_write = found.end(), found, write
        if best is None:
            position = _SKIPPED.match(text, position).end()
            continue
        position = best.end(1)
        token = best_write(best[1])
        if not token.isascii():
            token = token.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        tokens.append(lower(token))
    return tokens


def _tokenize_all(text: str) -> str:
    return " ".join(token for token in " ".join(scan(text)).rstrip().split(" ") if token not in REMOVED)


@lru_cache(maxsize=1 << 16)
def _tokenize_chunk(chunk: str) -> str | None:
    """Tokenise text between two spaces by itself, or return None if the neighbours matter."""
    word = _WORD.fullmatch(chunk)
    if word and word[1].lower() not in IRREGULAR:
        return word[1].lower()
    return _tokenize_all(chunk) if _PLAIN.fullmatch(chunk) else None


@lru_cache(maxsize=1 << 12)
def _select_rules(first: str) -> list[tuple[Callable[[str, int], re.Match | None], Callable[[str], str]]]:
    """Return what matches and writes the tokens that may begin with the character `first`."""
    return [
        (re.compile(f"({rule.token}){rule.ahead}").match, _make_writer(rule.write))
        for rule in RULES
        if re.match(rule.starts, first)
    ]


def _make_writer(write: str | Callable[[str], str] | None) -> Callable[[str], str]:
    if write is None:
        return lambda text: text.replace("\xad", "") or "-"
    return (lambda text: write) if isinstance(write, str) else write


def _split_character(match: re.Match) -> str:
    """Write a character beyond the basic multilingual plane as the two units that Java counts."""
    high, low = divmod(ord(match[0]) - 0x10000, 0x400)
    return chr(0xD800 + high) + chr(0xDC00 + low)
