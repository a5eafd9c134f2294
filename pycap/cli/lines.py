"""Text that stays on one line: file names may hold tabs, newlines and bytes that are no UTF-8."""

from __future__ import annotations

import re

# control characters, Unicode's line and paragraph separators, and undecodable bytes (lone surrogates)
_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def escape_line(text: str) -> str:
    """Return text without characters that would break a line or a column, each written as in a Python string.

    An undecodable byte becomes `\\xff`. Other text, backslashes included, comes back as it is.
    """
    return _BREAKING.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
