"""Text that others typed, made fit to be shown: nothing invisible, nothing endless. Pure."""

from __future__ import annotations

import unicodedata

_LONGEST = 300
_JOINERS = frozenset({0x200C, 0x200D})
_VARIATION_SELECTORS = frozenset(range(0xFE00, 0xFE10))


def visible(text: str, longest: int = _LONGEST) -> str:
    """Name the characters that cannot be seen, or that turn around what follows, and cut."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(_shown(each) for each in cut)


def clusters(text: str) -> list[str]:
    """Split text so that accents and joiners stay with the letter they belong to."""
    parts: list[str] = []
    for each in text:
        joined = parts and (_attaches(each) or ord(parts[-1][-1]) in _JOINERS)
        if joined:
            parts[-1] += each
        else:
            parts.append(each)
    return parts


def code_point(character: str) -> str:
    """Give the number and the name of a character, as Unicode tells them."""
    return f"U+{ord(character[0]):04X} {unicodedata.name(character[0], '')}".rstrip()


def shortened(text: str, longest: int) -> str:
    """Cut a label for a plot."""
    shown = visible(text, longest)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _attaches(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or ord(character) in _JOINERS


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    hidden = category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    if not hidden or ord(character) in _JOINERS | _VARIATION_SELECTORS:
        return character
    return f"⟨U+{ord(character):04X}⟩"
