"""The lessons' formulas: LaTeX to a checked tree of MathML, which browsers show and the terminal's text is made of.

The converter lets what it does not know through (`\\foo` becomes an identifier of that name, an unknown environment
vanishes). Here that is an error: a lesson is refused rather than shown with a wrong formula.
"""

from __future__ import annotations

import re
import unicodedata
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

MATRICES = ("matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix")
ENVIRONMENTS = {*MATRICES, "aligned", "align", "align*", "split", "cases", "array"}
SUMS = set("∑∏⋃⋂")
LIMITS = {"max", "min", "argmax", "argmin", "lim", "sup", "inf"}  # names whose subscript stands below them
OPENING, CLOSING = set("([{⌊⌈⟨"), set(")]}⌋⌉⟩")
_CHILDREN = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "munder": 2,
    "mover": 2,
    "munderover": 3,
}
_SYMBOLS = set("∞∂∇∀∃∅ℓ⊤⊥…⋯⋮⋱′″‴%")  # what the converter calls operators, and would be spaced like them
_SLANTED = set("∂ℓ")
_REWRITE = (
    (r"\\(begin|end)\{aligned\}", r"\\\1{align*}"),  # the converter knows only the starred twin
    (r"\\\\\s*\[[^\]]*\]", r"\\\\"),  # extra space between rows
    (r"\\(?:nonumber|notag)(?![A-Za-z])", ""),
    (r"\\arg(?![A-Za-z])", r"\\operatorname{arg}"),
    (r"\\begin\{(\w*matrix)\}", r"{\\begin{\1}"),  # or a power of a matrix would fall apart
    (r"\\end\{(\w*matrix)\}", r"\\end{\1}}"),
)
_BOLD = {"bold": "MATHEMATICAL BOLD", "bold-italic": "MATHEMATICAL BOLD"}  # upright: one bold is enough


def mathml(latex: str, display: bool = False) -> str:
    """Convert a formula to MathML for an HTML page.

    Args:
        latex: what stands between the dollars.
        display: on a line of its own; otherwise within a sentence.

    Raises:
        ValueError: the formula is broken or uses what cannot be shown; it is named.
    """
    root = parse_formula(latex, display)
    root.set("alttext", " ".join(latex.split()))
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def parse_formula(latex: str, display: bool = False) -> Element:
    """Parse a formula into a `math` element that holds presentation MathML Core and nothing else.

    Args:
        latex: what stands between the dollars.
        display: on a line of its own: sums carry their limits above and below.

    Raises:
        ValueError: the formula is broken or uses what cannot be shown; it is named.
    """
    from latex2mathml.converter import convert

    source = " ".join(latex.split())
    _check_source(source)
    rewritten = source
    for pattern, replacement in _REWRITE:
        rewritten = re.sub(pattern, replacement, rewritten)
    try:
        text = convert(rewritten, display="block" if display else "inline")
    except Exception as error:  # it raises classes of its own without words, and whatever goes wrong inside
        reason = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower().removesuffix(" error")
        raise ValueError(f"cannot read the formula {source} ({reason})") from error
    if "<mi>&</mi>" in text:
        raise ValueError(f"cannot read the formula {source} (& outside a matrix or aligned)")
    text = re.sub(r"(<mtext[^>]*>)(.*?)(</mtext>)", _escape_text, text.replace(" xmlns=", " data-ns="))
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"cannot read the formula {source} ({error})") from error
    root.attrib.pop("data-ns", None)
    _check_tree(root, source)
    _normalise(root, display)
    return root


def is_function(element: Element) -> bool:
    """Say whether an element is a name such as tanh or max, with or without scripts."""
    while element.tag in ("msub", "msup", "msubsup", "munder", "munderover", "mrow") and len(element):
        if element.tag == "mrow" and len(element) > 1:
            return False
        element = element[0]
    return element.tag == "mi" and len(element.text or "") > 1


def _check_source(source: str) -> None:
    if not source:
        raise ValueError("cannot read an empty formula")
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", source):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            break
    if depth:
        raise ValueError(f"cannot read the formula {source} (its braces do not match)")
    for name in re.findall(r"\\begin\{([^}]*)\}", source):
        if name not in ENVIRONMENTS:
            raise ValueError(f"cannot show the formula {source} (the environment {name} is not supported)")


def _check_tree(root: Element, source: str) -> None:
    """Refuse what the converter let through."""
    for element in root.iter():
        unknown = re.search(r"\\[A-Za-z]+", element.text or "")
        if unknown and element.tag != "mtext":
            raise ValueError(f"cannot show the formula {source} ({unknown[0]} is not supported)")
        if len(element) != _CHILDREN.get(element.tag, len(element)):
            raise ValueError(f"cannot read the formula {source} (a part of {element.tag[1:]} is missing)")
        if element.get("linebreak"):
            raise ValueError(f"cannot show the formula {source} (a line break outside aligned)")


def _escape_text(match: re.Match[str]) -> str:
    words = re.sub(r"&(?!#?\w+;)", "&amp;", match[2])
    return match[1] + words.replace("<", "&lt;") + match[3]


def _normalise(element: Element, display: bool) -> None:
    """Turn the converter's MathML into MathML Core, in place: browsers ignore bold variants and column alignment."""
    for child in element:
        _normalise(child, display)
    if element.tag in ("mi", "mn", "mo", "mtext"):
        _normalise_token(element)
    elif element.tag == "mtable":
        if element.get("columnspacing"):
            element.set("class", "aligned")
        for name in ("columnspacing", "rowspacing"):
            element.attrib.pop(name, None)
    elif element.tag == "mtd":
        element.set("class", element.attrib.pop("columnalign", "center"))
    elif element.get("width") == "negativethinmathspace":
        element.set("width", "-0.167em")
    if element.tag == "mover" and element[1].text == "―":
        element[1].text = "‾"
    if display and element.tag == "msub" and element[0].text in LIMITS:
        element.tag = "munder"
    if element.tag in ("mrow", "mtd", "mstyle", "math"):
        _merge_names(element)
        _settle_bars(element)
        _space_functions(element)


def _normalise_token(element: Element) -> None:
    text = element.text or ""
    variant = element.get("mathvariant")
    if variant in _BOLD:
        element.text = "".join(_find_letter(_BOLD[variant], character) for character in text)
        del element.attrib["mathvariant"]
    elif element.tag == "mo" and (text.isalpha() or text in _SYMBOLS) and text not in SUMS:
        element.tag = "mi"
        if text in _SYMBOLS - _SLANTED:
            element.set("mathvariant", "normal")
        element.attrib.pop("movablelimits", None)
    elif element.tag == "mi" and len(text) == 1 and text not in _SYMBOLS:
        if unicodedata.category(text)[0] in "SP":
            element.tag = "mo"
            if text in OPENING | CLOSING:
                element.set("stretchy", "false")
    elif element.tag == "mi" and text in _SYMBOLS - _SLANTED:
        element.set("mathvariant", "normal")


def _find_letter(alphabet: str, character: str) -> str:
    """Return a letter or digit of a mathematical alphabet, or the character itself where there is none."""
    words = unicodedata.name(character, "").removeprefix("GREEK ").replace(" LETTER", "")
    try:
        return unicodedata.lookup(f"{alphabet} {words.removeprefix('LATIN ')}")
    except KeyError:
        return character


def _merge_names(row: Element) -> None:
    """Join the upright letters of one name (R, e, L, U) in one element."""
    previous = None
    for child in list(row):
        if child.tag == "mi" and child.get("mathvariant") == "normal" and (child.text or "").isalpha():
            if previous is not None:
                previous.text = (previous.text or "") + (child.text or "")
                row.remove(child)
                continue
            previous = child
        else:
            previous = None
    for child in row:
        if child.tag == "mi" and len(child.text or "") > 1:
            child.attrib.pop("mathvariant", None)


def _settle_bars(row: Element) -> None:
    """Let bars grow around matrices only: those of a norm would be too tall for its letter."""
    for place, child in enumerate(row):
        if child.tag == "mo" and child.text in ("|", "‖") and not child.get("form"):
            neighbours = (*row[max(place - 1, 0) : place], *row[place + 1 : place + 2])
            if all(neighbour.tag != "mtable" for neighbour in neighbours):
                child.set("stretchy", "false")


def _space_functions(row: Element) -> None:
    """Put thin spaces around names of functions, as TeX does: log x, but log(x)."""
    for child in [child for child in row if is_function(child)]:
        place = list(row).index(child)
        after = row[place + 1] if place + 1 < len(row) else None
        if after is not None and not _starts_with_operator(after):
            row.insert(place + 1, Element("mspace", {"width": "0.167em", "class": "apply"}))
        if place and row[place - 1].tag in ("mi", "mn", "msub", "msup", "msubsup", "mfrac"):
            row.insert(place, Element("mspace", {"width": "0.167em", "class": "apply"}))


def _starts_with_operator(element: Element) -> bool:
    while len(element) and element.tag != "mfrac":
        element = element[0]
    return element.tag in ("mo", "mspace", "mtext")
