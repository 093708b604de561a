"""Which texts of labels can be used, whatever the file they come from. Pure."""

import re
import unicodedata

from retraining.problems import Problem

LONGEST_TEXT = 1_000

# What annotators write on text that nobody can read, and what PPOCRLabel puts into boxes that
# nobody has read yet.
ILLEGIBLE = frozenset({"###"})
UNREAD = frozenset({"待识别", "TEMPORARY"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def text_problem(text: str, where: str, path: str) -> Problem | None:
    """Say why a text cannot be used as a label; None when it can."""
    fault = _fault(text)
    return Problem(fault[0], where, f"{fault[1]} {shortened(path)}") if fault else None


def _fault(text: str) -> tuple[str, str] | None:
    if not text:
        return "empty_label", "no text for"
    if text in ILLEGIBLE:
        return "illegible_box", "somebody marked as illegible"
    if "\t" in text:
        return "extra_tab", "a second tab in the text of"
    control = _CONTROL.search(text)
    if control:
        return "control_character", f"U+{ord(control[0]):04X} inside the text of"
    if _SURROGATE.search(text):
        return "not_utf8", "half of a character in the text of"
    if len(text) > LONGEST_TEXT:
        return "label_too_long", f"{len(text):,} characters for"
    return None


def shortened(text: str, longest: int = 80) -> str:
    """Make a text of strangers fit for a message: not long, and nothing that a terminal obeys."""
    shown = "".join(map(_shown, text[:longest]))
    return shown if len(text) <= longest else f"{shown}..."


def duration(seconds: float) -> str:
    """Give a duration in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _shown(character: str) -> str:
    if unicodedata.category(character) in _INVISIBLE:
        return character.encode("unicode_escape").decode()
    return character
