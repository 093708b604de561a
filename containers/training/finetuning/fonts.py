"""Fonts and words that installed packages ship, for rendering lines of general text."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import ImageFont

from recognition.dictionary import runs_leftward

_LATIN_PACKAGES = {
    "matplotlib": "mpl-data/fonts/ttf",
    "font_amatic_sc": "files",
    "font_caladea": "files",
    "font_fredoka_one": "files",
    "font_hanken_grotesk": "files",
    "font_manrope": "files",
}
_CJK_PACKAGES = {"matplotlib_fontja": "fonts", "zhplot": "fonts"}
_WORD_PACKAGE = ("mnemonic", "wordlist")
_WORD_LANGUAGES = ("english", "french", "italian", "portuguese", "spanish", "czech", "turkish")
_SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})
# Display fonts of symbols, and the ones whose code points are not Unicode's.
_UNUSABLE = ("cm", "LastResort", "STIX", "Display")
_MISSING = "\U0010ffff"


def _directory(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / inside
    return path if path.is_dir() else None


def _font_files(packages: dict[str, str]) -> tuple[Path, ...]:
    directories = [_directory(package, inside) for package, inside in packages.items()]
    files = [
        file
        for directory in directories
        if directory is not None
        for file in directory.iterdir()
        if file.suffix.lower() in _SUFFIXES and not any(part in file.name for part in _UNUSABLE)
    ]
    return tuple(sorted(files, key=lambda file: file.name))


@dataclass(frozen=True)
class Face:
    """A font at one size, which knows the characters it can draw."""

    file: Path
    size: int
    _drawable: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        """The loaded font."""
        return _load(self.file, self.size)

    def draws(self, text: str) -> bool:
        """Whether the font has a glyph for every character of the text, and draws it as people do.

        Scripts that run from right to left are neither turned nor joined here: lines of them would
        teach what no page shows.
        """
        return not any(map(runs_leftward, text)) and all(
            self._draws_character(character) for character in text
        )

    def _draws_character(self, character: str) -> bool:
        if character == " ":
            return True
        if character not in self._drawable:
            mask = self.font.getmask(character)
            box = _missing_glyph(self.file, self.size)
            drawn = mask.getbbox() is not None
            self._drawable[character] = drawn and (mask.size, bytes(mask)) != box
        return self._drawable[character]


@cache
def _load(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), size)


@cache
def _missing_glyph(file: Path, size: int) -> tuple[tuple[int, int], bytes]:
    mask = _load(file, size).getmask(_MISSING)
    return mask.size, bytes(mask)


def latin_faces(size: int) -> tuple[Face, ...]:
    """Return the fonts for alphabets, by file name; empty when no font package is installed."""
    return tuple(Face(file, size) for file in _font_files(_LATIN_PACKAGES))


def cjk_faces(size: int) -> tuple[Face, ...]:
    """Return the fonts for Chinese and Japanese characters, by file name."""
    return tuple(Face(file, size) for file in _font_files(_CJK_PACKAGES))


@cache
def words() -> tuple[str, ...]:
    """Return everyday words of several European languages; empty when the package is missing."""
    return tuple(word for language in _WORD_LANGUAGES for word in _word_list(language))


@cache
def common_chinese_characters() -> tuple[str, ...]:
    """Return about two thousand frequent simplified Chinese characters."""
    return tuple(_word_list("chinese_simplified"))


def _word_list(language: str) -> list[str]:
    directory = _directory(*_WORD_PACKAGE)
    if directory is None:
        return []
    return (directory / f"{language}.txt").read_text(encoding="utf-8").split()
