"""The rules of the Penn Treebank lexer: what a token may look like, and how it is written.

Found from the outside, by giving Stanford's PTBTokenizer (CoreNLP 3.4.1) strings and looking at what it returns: every
word of up to five letters before a period, every character of the basic multilingual plane in ninety surroundings,
every string of up to six characters over small alphabets of signs. Where a rule looks odd, so does that program.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from pycap.metrics.ptb_alphabet import DIGITS, LETTERS, MARKS, SYMBOLS


class Rule(NamedTuple):
    """One kind of token.

    Attributes:
        starts: pattern of the first character.
        token: pattern of the token.
        ahead: pattern that must follow; it counts when matches are compared, but is not consumed.
        write: the token's form: fixed, or made from the matched text; None drops its soft hyphens.
    """

    starts: str
    token: str
    ahead: str = ""
    write: str | Callable[[str], str] | None = None


# Abbreviations that keep their period. Titles and the like also begin a longer word (`mr.x`), the others do not
# (`etc. x`). Those with a capital here are abbreviations only with a capital: in lower case they are words.
_TITLES = """
    adj adm adv alex asst assoc atty attys ave brig capt cf cie cmdr col comdr cpl dept det dr drs elec ens ft
    gen gov govs hon insp invt jos lieut lt maj messrs mlle mme mr mrs ms msgr mt natl pfc ph pres prof profs
    pvt rep reps rev sen sens sfc sgt spc st ste supt supts treas vs wm
"""
_ENDINGS = """
    al ala apr ariz assn aug bhd bldg blvd bros calif co colo conn cont'd corp cos ct dak dec ed\\.d esq est
    etc ext feb fla fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev
    nov oct okla penn ph\\.d plc rd rt sep sept seq sq sr sys tel tenn thu thurs tue tues univ va vt wed wis
    wisc wyo Ark Az Del Ill La Mass Miss Ore Pa Tex Wash
"""

# These keep their period only with a certain letter in lower case (`Mfg.`, not `MFG.`).
_HALF_TITLES = "[mM][ft][gG]"
_HALF_ENDINGS = "[pP]{1,2}[tT][ey][sS]?"

# A single letter keeps its period too, unless one of these (or a tag) begins the next sentence.
_OPENERS = """
    A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More Mr\\. Ms\\.
    Now Once One Other Our She Since So Some Such That The Their Then There These They This We What When While Yet You
"""

_ELISIONS = "dunkin'|somethin'|ol'|o'er|ma'am|cap'n|c'est"
_STRAIGHT_ELISIONS = "e'er|ev'ry|li'l|nat'l|c'mon|s'mores"  # one token only with the straight apostrophe
_FILE_TYPES = (
    "bat|bmp|c|cgi|class|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt"
    "|wav|x|xml|zip"
)

# Characters. A soft hyphen counts as a letter of a word.
SPACE = "[ \t\n\xa0\u2000-\u200a\u3000]"
_LETTER = f"[{LETTERS}{MARKS}\xad]"
_LETDIG = f"[{LETTERS}{MARKS}\xad{DIGITS}]"
_ALNUM = f"[{LETTERS}{DIGITS}]"
_DIGIT = f"[{DIGITS}]"
_CURLY = "(?:[’\x92]|(?ai:&apos;))"
_APOS = "(?:['’\x92]|(?ai:&apos;))"
_ANY_APOS = "(?:['`’‘‛\x91\x92]|(?ai:&apos;))"
_QUOTE = "[`‘-‟‹›«»\x91-\x94]"

# Words, and words joined by signs.
_WORDS = rf"{_LETTER}{_LETDIG}*(?:[.!?]{_LETTER}{_LETDIG}*)*"  # a missing space does not end a word
_CLITIC = "(?ai:[msd]|re|ve|ll)"
_NOT = f"[nN]{_ANY_APOS}[tT]"
_ACRONYM = r"[A-Za-z](?:\.[A-Za-z])+"
_PART = f"(?:[dDoOlL]{_ANY_APOS}{_ALNUM})?{_ALNUM}+"
_JOINED = f"{_PART}(?:[-_֊‐‑]{_PART})*"
_COMPOUND = rf"[A-Za-z0-9][A-Za-z0-9.,\xad]*(?:-(?:{_ACRONYM}\.|[A-Za-z0-9\xad]+))+"
_SLASHED = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:\\?/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2}"
_SUM = "[A-Z]+(?:(?:(?ai:&amp;)|[+&])[A-Z]+)+"

# Numbers.
_POINT = "[.,:\xad\u066b\u066c]"
_NUMBER = f"[-+]?(?:{_DIGIT}*(?:{_POINT}{_DIGIT}+)+|{_DIGIT}+)"
_DATE = f"{_DIGIT}{{1,2}}[-/]{_DIGIT}{{1,2}}[-/]{_DIGIT}{{2,4}}"
_FRACTION = rf"(?:{_DIGIT}{{1,4}}[- \xa0])?{_DIGIT}{{1,4}}(?:\\?/|⁄){_DIGIT}{{1,4}}"
_LINE = "[0-9]{3,4}[- \xa0]?[0-9]{3,5}"  # of a telephone
_PHONE = r"(?:\+\+?)?(?:[0-9]{2,4}[- \xa0])?[0-9]{2,4}[- \xa0]" + _LINE
_AREA_PHONE = r"\([0-9]{2,3}\)[ \xa0]?" + _LINE
_DOT_PHONE = r"(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"

# Addresses and mark-up.
_URL = r"[^ \t\n\r\f\"<>|(){}]"
_URL_END = r"[^ \t\n\r\f\"<>|.!?(){},-]"
_PATH = rf"/[^ \t\n\r\f\"<>|()]+{_URL_END}"  # only with `http` no braces
_WWW = r"(?ai:www)\.(?:[^ \t\n\r\f\"<>|.!?(){},]+\.)+[a-zA-Z]{2,4}"
_HOST = r"(?:[^ \t\n\r\f\"`'<>|.!?(){},-_$]+\.)+(?ai:com|net|org|edu)"  # the range from comma to underscore is theirs
_MAIL_CHAR = r"[^ \t\n\r\f\"<>|(){}.\xa0]"
_MAIL = rf"(?:<|(?ai:&lt;))?[A-Za-z0-9](?:{_MAIL_CHAR}|\.)*@(?:{_MAIL_CHAR}+\.)*{_MAIL_CHAR}+>?"
_NAME = "[A-Za-z][A-Za-z0-9_:.-]*"
_ATTRIBUTE = rf" +{_NAME}(?: *= *(?:'[^'\r\n]*'|\"[^\"\r\n]*\"))?"
_TAG = rf"<(?:[!?][A-Za-z-][^>\r\n]*|/{_NAME} *|{_NAME}(?:{_ATTRIBUTE})* */? *)>"

_FACE = r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]]"
_EASTERN_FACE = r"[-\^x=~<>']_[-\^x=~<>']|\([-\^x=~<>'][_.]?[-\^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\)"


def keep(text: str) -> str:
    """Write a token as it stands, soft hyphens included."""
    return text


def _glue(text: str) -> str:
    return text.replace(" ", "\xa0")


def _escape(text: str) -> str:
    return text.replace("(", "-lrb-").replace(")", "-rrb-")


def _write_ampersand(text: str) -> str:
    return re.sub("(?ai:&amp;)", "&", text)


_STRAIGHT = dict.fromkeys("‘‛‹\x91", "`") | dict.fromkeys(["’", "›", "\x92", "&apos;"], "'")
_STRAIGHT |= dict.fromkeys("“«\x93", "``") | dict.fromkeys("”»\x94", "''")


def _straighten(text: str) -> str:
    return re.sub("&apos;|.", lambda match: _STRAIGHT.get(match[0], match[0]), text)


def _match_any(words: str) -> str:
    return "|".join(
        f"{word[0]}(?ai:{word[1:]})" if word[0].isupper() else f"(?ai:{word})" for word in words.split()
    )


_SIGNS = {"¢": "cents", "£": "#", "¼": "1/4", "½": "1/2", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
_SIGNS |= {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_SIGNS |= dict.fromkeys("€¤₠\x80", "$")

# Words that are not one token, with or without a period.
IRREGULAR = frozenset(f"{_TITLES} {_ENDINGS} ca no nos op pp fig figs art prop".lower().split())
IRREGULAR |= {"cannot", "gonna", "gotta", "wanna", "lemme", "gimme", "mfg", "mtg"}
IRREGULAR |= {"pte", "ptes", "pty", "ptys", "ppte", "pptes", "ppty", "pptys"}

# On equally long matches the earlier rule wins.
RULES = [
    # words, contractions, clitics, elisions
    Rule("[cC]", "(?ai:can)", "(?ai:not)"),
    Rule("[gGwW]", "(?ai:gon|wan)", "(?ai:na)"),
    Rule("[gG]", "(?ai:got)", "(?ai:ta)"),
    Rule("[gGlL]", "(?ai:gim|lem)", "(?ai:me)"),
    Rule("'", "'[tT]", "(?ai:is|was)"),
    Rule(_LETTER, _WORDS, f"{_APOS}{_CLITIC}"),
    Rule(_LETTER, _WORDS),
    Rule("[A-Za-z\xad]", "[A-Za-z\xad]*[A-MO-Za-mo-z]\xad*", _NOT),
    Rule("['’\x92&]", f"{_APOS}(?ai:n{_APOS}|em|till?|cause)"),
    Rule("'", "'[nN]", "[ \t\xa0\n]"),
    Rule("[’\x92&]", f"{_CURLY}[nN]"),
    Rule("[lLdDjJ]", f"[lLdDjJ]{_APOS}"),
    Rule("[A-Za-z]", f"(?ai:{_ELISIONS.replace(chr(39), _APOS)}|{_STRAIGHT_ELISIONS}|o{_ANY_APOS}o)"),
    Rule("[yY]", f"[yY]{_APOS}", f"[{LETTERS}]"),
    Rule("'", f"'{_CLITIC}", "[^A-Za-z]"),
    Rule("[’\x92&]", f"{_CURLY}{_CLITIC}", "", _straighten),
    Rule("[nN]", _NOT, "", _straighten),
    Rule("['’\x92&]", f"{_APOS}[2-9]0[sS]"),
    Rule("['’\x92&]", f"{_APOS}[0-9][0-9]", SPACE),
    Rule("[dlnoA-HJ-XZ]", f"[dlnoA-HJ-XZ]{_ANY_APOS}[{LETTERS}]{{2,}}"),
    Rule(f"[{LETTERS}]", f"[{LETTERS}]+[aeiouyAEIOUY]{_ANY_APOS}[aeiouA-Z][{LETTERS}]*"),
    # mark-up and entities
    Rule("<", _TAG, "", _glue),
    Rule("&", "(?ai:&amp;)", "", "&"),
    Rule("&", "(?ai:&lt;)", "", "<"),
    Rule("&", "(?ai:&gt;)", "", ">"),
    Rule("&", "(?ai:&nbsp;)", "", ""),
    Rule("&", "&quot;|&apos;|&(?ai:MD|mdash|ndash);", "", "--"),
    Rule("&", "&(?ai:HT|TL|UR|LR|QC|QL|QR|odq|cdq|quot|apos|#[0-9]+);"),
    # addresses
    Rule("[hH]", f"(?ai:https?://){_URL}+{_URL_END}", "", keep),
    Rule("[wW]", _WWW, "", keep),
    Rule("[wW]", f"{_WWW}{_PATH}", "", keep),
    Rule(r"[^ \t\n\r\f]", f"{_HOST}(?:{_PATH})?", "", keep),
    Rule("[A-Za-z0-9<&]", _MAIL, "", keep),
    Rule("@", "@[A-Za-z_][A-Za-z0-9_]*"),
    Rule("#", f"#{_LETTER}+", "", keep),
    # numbers
    Rule(_DIGIT, _DATE),
    Rule(f"[-+.,:\xad\u066b\u066c]|{_DIGIT}", _NUMBER),
    Rule("[⁺⁻₊₋⁰¹²³⁴-⁹₀-₉]", "[⁺⁻₊₋]?(?:[⁰¹²³⁴-⁹]+|[₀-₉]+)"),
    Rule(_DIGIT, _FRACTION, "", _glue),
    Rule(r"\(", _AREA_PHONE, "", lambda text: _glue(_escape(text))),
    Rule("[+0-9]", _PHONE, "", _glue),
    Rule("[+0-9]", _DOT_PHONE),
    # words with signs in them
    Rule("-", "-(?ai:[lr][rcs]b)-"),
    Rule("[pPaA]", "(?ai:pro|anti)-"),
    Rule("[sS]", "(?ai:S(?:&|&amp;)(?:P-500|Ls))", "", _write_ampersand),
    Rule("[A-Za-z0-9]", _SLASHED),
    Rule("[A-Z]", _SUM, "", _write_ampersand),
    Rule("[A-Z]", r"[A-Z]*\$"),
    Rule("[cCfF]", r"[cC]\+\+|[cCfF]#"),
    # abbreviations
    Rule("[A-Za-z]", r"[A-Za-z](?:\.[A-Za-z])*\."),
    Rule("[A-Za-z]", "[A-Za-z]", rf"\.{SPACE}+(?:{_match_any(_OPENERS)}|{_TAG}){SPACE}"),
    Rule("[A-Za-z]", rf"(?:{_match_any(_ENDINGS)}|{_HALF_ENDINGS})\.", r"[\s\S]{0,2}"),
    Rule("[A-Za-z]", rf"(?:{_match_any(_TITLES)}|{_HALF_TITLES})\."),
    Rule("[aAcCfFnNoOpP]", r"(?ai:ca|nos?|op|pp|figs?|art|prop)\.", f"{SPACE}?{_DIGIT}"),
    *(Rule(_LETDIG, rf"{word}\.", "[,;:、]") for word in (_WORDS, _JOINED, _COMPOUND)),
    Rule("[A-Z]", rf"{_SUM}\.", "[,;:、]", _write_ampersand),
    Rule(_ALNUM, _JOINED),
    Rule("[A-Za-z0-9]", _COMPOUND),
    Rule(_LETDIG, rf"{_LETDIG}+(?:\.{_LETDIG}+)*\.(?ai:{_FILE_TYPES})", f"(?:{SPACE}|[!,.?])", keep),
    # faces, punctuation, signs
    Rule("[<>:;=]", _FACE, "[^A-Za-z0-9]", _escape),
    Rule(r"[\^x=~<>'(-]", _EASTERN_FACE, "", _escape),
    Rule(r"[\^x=~<>]", r"[\^x=~<>]\.\[\^x=[^<]*<>]", "", _escape),  # theirs may end in a later caption
    Rule("[.…]", r"\.{3,5}|(?:\.[ \xa0]){2,4}\.|…", "", "..."),
    Rule("-", "-{3,4}", "", "--"),
    Rule("[–—―\x96\x97]", "[–—―\x96\x97]", "", "--"),
    *(Rule(f"[{sign}]", f"[{sign}]+") for sign in ("-", "!?", "_", "@", "#")),
    Rule(r"[*\\]", r"\*+|(?:\\\*){1,3}"),
    Rule("[<>]", "<<?|>>?"),
    Rule(_QUOTE, f"{_QUOTE}{{1,2}}", "", _straighten),
    Rule("['\"]", "''?|\"", "", "'"),
    *(Rule(re.escape(sign), re.escape(sign), "", form) for sign, form in _SIGNS.items()),
    Rule(r"\S", rf"[{SYMBOLS}⁄、$%&+=~^|\\/.,:;]"),
]
