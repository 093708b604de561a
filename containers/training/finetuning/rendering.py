"""Rendered lines of general text: what a model that knows it must not forget.

They stand in for the data a base model was trained on, which nobody has. Everything is drawn from
one seed, so that a line depends on the seed and its number alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from PIL import Image, ImageDraw

from finetuning.fonts import Face, cjk_faces, common_chinese_characters, latin_faces, words
from recognition.dictionary import CharacterDictionary
from recognition.images import Pixels

_SIZE = 40
_MAX_ATTEMPTS = 50
_LONGEST = 24
_SMALLEST_SCRIPT = 8
_LABELS = ("Invoice", "Total", "No.", "Date", "Order", "Ref", "Amount", "Tax", "Qty", "Due", "Item")
_CURRENCIES = ("$", "€", "£", "EUR ", "USD ", "¥")
_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PUNCTUATION = "!\"#%&'()*+,-./:;<=>?@[]_"


@dataclass(frozen=True)
class RenderedLine:
    """A line of text and its picture, BGR uint8 [height, width, 3]."""

    text: str
    pixels: Pixels


@dataclass(frozen=True)
class GenericLines:
    """Makes lines in the alphabets that a dictionary holds and the packaged fonts can draw."""

    dictionary: CharacterDictionary
    seed: int

    def lines(self, count: int) -> Iterator[RenderedLine]:
        """Yield that many lines; fewer when the dictionary leaves nothing to draw."""
        for number in range(count):
            line = self._line(np.random.default_rng((self.seed, number)))
            if line is not None:
                yield line

    def _line(self, rng: np.random.Generator) -> RenderedLine | None:
        for _ in range(_MAX_ATTEMPTS):
            writer, faces = self._style(rng)
            if not faces:
                continue
            face = faces[rng.integers(len(faces))]
            text = writer(rng)[:_LONGEST].strip()
            if text and not self.dictionary.unknown(text) and face.draws(text):
                return RenderedLine(text, draw_line(text, face, rng))
        return None

    def _style(
        self, rng: np.random.Generator
    ) -> tuple[Callable[[np.random.Generator], str], tuple[Face, ...]]:
        kind = rng.random()
        if self._ideographs and kind < 0.4:
            return self._chinese, self._cjk
        if not self._writes_words or kind > 0.92:
            return self._one_script, self._latin
        if kind < 0.7:
            return _phrase, self._latin
        return (_form_entry if kind < 0.85 else _code), self._latin

    @cached_property
    def _latin(self) -> tuple[Face, ...]:
        return latin_faces(_SIZE)

    @cached_property
    def _cjk(self) -> tuple[Face, ...]:
        return cjk_faces(_SIZE)

    @cached_property
    def _writes_words(self) -> bool:
        return not self.dictionary.unknown("aeiounrst 0123456789")

    @cached_property
    def _ideographs(self) -> tuple[str, ...]:
        known = (c for c in self.dictionary.characters if len(c) == 1 and "\u4e00" <= c <= "\u9fff")
        return tuple(known)

    @cached_property
    def _scripts(self) -> tuple[tuple[str, ...], ...]:
        """The other characters, by script: what is written together in one line."""
        groups: dict[str, list[str]] = {}
        for character in self.dictionary.characters:
            if len(character) == 1 and character not in self._ideographs:
                groups.setdefault(_script(character), []).append(character)
        # A script of three symbols is no alphabet: lines of it would teach repetition only.
        return tuple(
            tuple(group) for _, group in sorted(groups.items()) if len(group) >= _SMALLEST_SCRIPT
        )

    def _chinese(self, rng: np.random.Generator) -> str:
        length = int(rng.integers(2, 10))
        common = common_chinese_characters()
        pool = common if common and rng.random() < 0.5 else self._ideographs
        return "".join(_choose(pool, rng) for _ in range(length))

    def _one_script(self, rng: np.random.Generator) -> str:
        if not self._scripts:
            return ""
        group = self._scripts[rng.integers(len(self._scripts))]
        return "".join(_choose(group, rng) for _ in range(int(rng.integers(3, 9))))


def _choose(pool: tuple[str, ...] | str, rng: np.random.Generator) -> str:
    return pool[rng.integers(len(pool))] if pool else ""


def _script(character: str) -> str:
    if character.isascii():
        return "ASCII"
    return unicodedata.name(character, "UNKNOWN").split(" ")[0]


def _phrase(rng: np.random.Generator) -> str:
    chosen = [_choose(words(), rng) for _ in range(int(rng.integers(1, 4)))]
    text = unicodedata.normalize("NFC", " ".join(chosen))
    case = rng.random()
    if case < 0.25:
        text = text.title()
    elif case < 0.4:
        text = text.upper()
    elif case < 0.5:
        text = text.capitalize()
    return text + (_choose(_PUNCTUATION, rng) if rng.random() < 0.15 else "")


def _form_entry(rng: np.random.Generator) -> str:
    day, month = int(rng.integers(1, 29)), int(rng.integers(1, 13))
    year, number = int(rng.integers(1990, 2031)), int(rng.integers(1, 100000))
    cents = int(rng.integers(0, 100))
    value = (
        str(number),
        f"{_choose(_CURRENCIES, rng)}{number % 10000:,}.{cents:02d}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}/{month:02d}/{year}",
        f"{number % 1000},{cents:02d} kg",
        f"+{number % 90 + 10} {number % 997:03d} {cents:02d} {day:02d}",
        f"{cents}%",
    )[rng.integers(7)]
    return f"{_choose(_LABELS, rng)} {value}" if rng.random() < 0.6 else value


def _code(rng: np.random.Generator) -> str:
    parts = [
        "".join(_choose(_CODE_LETTERS, rng) for _ in range(int(rng.integers(2, 6))))
        for _ in range(int(rng.integers(1, 4)))
    ]
    return _choose(("-", "", "/", " ", "."), rng).join(parts)


def draw_line(text: str, face: Face, rng: np.random.Generator) -> Pixels:
    """Draw a text as a photographed line might look: tinted, a little turned, blurred and noisy."""
    background, ink = _colours(rng)
    left, top, right, bottom = face.font.getbbox(text)
    pad_x, pad_y = int(rng.integers(3, 14)), int(rng.integers(2, 9))
    size = (int(right - left) + 2 * pad_x, int(bottom - top) + 2 * pad_y)
    picture = Image.new("RGB", size, background)
    ImageDraw.Draw(picture).text((pad_x - left, pad_y - top), text, font=face.font, fill=ink)
    return _photograph(np.asarray(picture, dtype=np.uint8)[:, :, ::-1], background[::-1], rng)


def _colours(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    light = rng.integers(185, 256, 3)
    dark = rng.integers(0, 95, 3)
    pair = (light, dark) if rng.random() < 0.75 else (dark, light)
    first, second = (tuple(int(value) for value in colour) for colour in pair)
    return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _photograph(
    picture: Pixels, background: tuple[int, int, int], rng: np.random.Generator
) -> Pixels:
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-1.5, 1.5)), 1.0)
    pixels = cv2.warpAffine(picture, turn, (width, height), borderValue=background)
    target = int(rng.integers(26, 57))
    pixels = cv2.resize(pixels, (max(8, round(width * target / height)), target))
    if rng.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.2, 0.8)))
    shade = np.linspace(rng.uniform(0.85, 1.0), rng.uniform(0.85, 1.0), pixels.shape[1])
    noise = rng.normal(0.0, rng.uniform(0.5, 7.0), pixels.shape)
    lit = pixels.astype(np.float32) * shade[None, :, None] + noise
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)
