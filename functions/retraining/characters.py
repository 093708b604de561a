"""Which characters must never become an output of a model, and how people are told. Pure."""

import unicodedata
from collections.abc import Iterable

_MOST_LISTED = 10
_LOST = {
    "\ufffc": "it stands for an object that is no text",
    "\ufffd": "it stands for text that was lost when the file was saved",
}
_BY_CATEGORY = {
    "Cc": "it is a control character",
    "Cf": "it is an invisible formatting character",
    "Cn": f"Unicode {unicodedata.unidata_version} does not assign it",
    "Co": "it is for private use, so nobody else knows what it means",
    "Cs": "it is half of a surrogate pair",
    "Zl": "it is a line separator",
    "Zp": "it is a paragraph separator",
}
_VARIATION_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
# Accents of no script in particular. Marks of one script (Thai, Devanagari, Arabic ...) are
# outputs of PaddleOCR's models for it; these are not, a composed letter is.
_ACCENTS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0x302A, 0x302F),
    (0x3099, 0x309A),
    (0xFE20, 0xFE2F),
)
_IDEOGRAPHIC_SPACE = "\u3000"


def refusal(character: str, text: str) -> str:
    """Tell why a model must not learn a character of a text; "" when it may.

    What is refused is a typo or a broken encoding far more often than something to read.
    """
    if character in _LOST:
        return _LOST[character]
    category = unicodedata.category(character)
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    if category == "Zs" and character != _IDEOGRAPHIC_SPACE:
        return "it looks like an ordinary space; TextNormalization=spaces makes it one"
    if category[0] == "M":
        return _mark_refusal(character, text)
    return ""


def named(character: str) -> str:
    """Name a character so that a person sees which one is meant.

    Beyond ASCII with its code point: many look alike, and some cannot be seen at all.
    """
    if character.isascii() and character.isprintable():
        return repr(character)
    code = f"U+{ord(character):04X}"
    if unicodedata.category(character)[0] in "LNPS" and character not in _LOST:
        return f"{character!r} {code}"
    return f"{code} {unicodedata.name(character, '')}".rstrip()


def listed(about: Iterable[str], separator: str = ", ", last: str = " and ") -> str:
    """List what is said about characters, cut short: a line or a dataset may hold thousands."""
    every = list(about)
    more = len(every) - _MOST_LISTED
    return separator.join(every[:_MOST_LISTED]) + (f"{last}{more} more" if more > 0 else "")


def _mark_refusal(mark: str, text: str) -> str:
    if _within(mark, _VARIATION_SELECTORS):
        return "it is a variation selector"
    if _within(mark, _ACCENTS):
        return "it is an accent without its letter; TextNormalization=compose joins what it can"
    if _stands_alone(mark, text):
        return "it is a combining mark without its letter"
    return ""


def _stands_alone(mark: str, text: str) -> bool:
    carried = False
    for each in text:
        category = unicodedata.category(each)[0]
        if category != "M":
            carried = category in "LN"
        elif each == mark and not carried:
            return True
    return False


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)
