"""Lower case as Java makes it, which differs from Python's in one letter, the Greek capital sigma.

Both write ς at the end of a word, else σ. Where a word ends, Unicode says one thing (Python follows it), Java
another: its words go on across a dash, an apostrophe or a period between letters, and digits belong to them.
"""

from __future__ import annotations

import re
from unicodedata import category

# What a character is to Java, by itself or by its Unicode category: a letter (a), a mark (`), something without
# width (0), a digit (1), or a sign that joins letters (-), digits (,) or both (").
_KINDS = {'"': '"', "'": '"', ".": '"', ",": ",", "٫": ",", "Cf": "0"}
_KINDS |= dict.fromkeys(["Lu", "Ll", "Lt", "Lm", "Lo", "Mc"], "a") | dict.fromkeys(["Mn", "Me"], "`")
_KINDS |= dict.fromkeys(["Nd", "Nl", "No"], "1") | dict.fromkeys(["Pc", "Pd", "\xad", "‧"], "-")
# Chinese and Japanese characters belong to no longer word.
_APART = re.compile("[\u3005\u3041-\u3094\u309b-\u309e\u30a1-\u30fe\u4e00-\u9fa5\uf900-\ufa2d]")
_LETTERS, _DIGITS = "(?:a[`0]*)+", "(?:1[`0]*)+"
_WORD = re.compile(f'(?:{_LETTERS}(?:[-"]0*{_LETTERS})*|{_DIGITS}(?:[,"]0*{_DIGITS})*)+')

# Characters that Java, besides letters, takes to be of lower or upper case.
_CASED = re.compile("[ʰ-ʸˀˁˠ-ˤ\u0345ͺᴬ-ᵡⅠ-ⅿ]")


def lower(token: str) -> str:
    """Return the token in lower case; a capital sigma that is the last letter of its word, not the only, is ς."""
    if "Σ" not in token:
        return token.lower()
    for word in _WORD.finditer("".join(map(_find_kind, token))):
        cased = [place for place in range(*word.span()) if _is_cased(token[place])]
        if len(cased) > 1 and token[cased[-1]] == "Σ":
            token = f"{token[: cased[-1]]}ς{token[cased[-1] + 1 :]}"
    return token.replace("Σ", "σ").lower()


def _find_kind(character: str) -> str:
    if _APART.match(character):
        return " "
    return _KINDS.get(character) or _KINDS.get(category(character), " ")


def _is_cased(character: str) -> bool:
    return category(character) in ("Lu", "Ll", "Lt") or bool(_CASED.match(character))
