"""The characters a model can write. Pure."""

from dataclasses import dataclass
from functools import cached_property

# PaddleOCR adds the space itself (use_space_char), so dictionaries mostly do not list it.
_ALWAYS_KNOWN = frozenset(" ")


@dataclass(frozen=True)
class Dictionary:
    """The characters of one model."""

    characters: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, content: str) -> "Dictionary":
        """Read a PaddleOCR dictionary: one character per line."""
        return cls(frozenset(row.rstrip("\r") for row in content.split("\n")) - {""})

    @cached_property
    def _known(self) -> frozenset[str]:
        return self.characters | _ALWAYS_KNOWN

    def knows(self, text: str) -> bool:
        """Tell whether the model can write a whole text."""
        return self._known.issuperset(text)

    def unknown(self, text: str) -> tuple[str, ...]:
        """Tell which characters of a text are missing, each once, in order."""
        return tuple(each for each in dict.fromkeys(text) if each not in self._known)
