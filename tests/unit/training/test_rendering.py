"""Generic lines: reproducible, within the dictionary, different from line to line."""

import numpy as np

from finetuning.fonts import cjk_faces, latin_faces
from finetuning.rendering import GenericLines
from recognition.dictionary import CharacterDictionary

GENERAL = CharacterDictionary(
    (*"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *"-./:,$%# ", *"中文字行")
)
DIGITS = CharacterDictionary(tuple("0123456789"))


def test_the_same_seed_gives_the_same_lines() -> None:
    first = list(GenericLines(GENERAL, 3).lines(12))
    again = list(GenericLines(GENERAL, 3).lines(12))

    assert [line.text for line in first] == [line.text for line in again]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_other_seeds_give_other_lines() -> None:
    first = {line.text for line in GenericLines(GENERAL, 3).lines(12)}
    other = {line.text for line in GenericLines(GENERAL, 4).lines(12)}

    assert len(first & other) < 6


def test_only_characters_of_the_dictionary_are_drawn() -> None:
    for dictionary in (GENERAL, DIGITS):
        lines = list(GenericLines(dictionary, 1).lines(40))

        assert len(lines) == 40
        assert not any(dictionary.unknown(line.text) for line in lines)
        assert len({line.text for line in lines}) > 30


def test_every_known_script_is_drawn() -> None:
    text = "".join(line.text for line in GenericLines(GENERAL, 1).lines(60))

    assert set("中文字行") & set(text)
    assert any(character.isalpha() and character.isascii() for character in text)
    assert any(character.isdigit() for character in text)


def test_a_dictionary_no_font_can_draw_gives_no_lines() -> None:
    assert list(GenericLines(CharacterDictionary(("\U0001f600",)), 1).lines(3)) == []


def test_training_fonts_leave_others_for_the_golden_set() -> None:
    latin = [face.file.name.lower() for face in latin_faces(40)]

    assert len(latin) >= 10
    assert all("a" <= name[0] <= "m" for name in latin)
    assert cjk_faces(40)


def test_a_font_knows_what_it_cannot_draw() -> None:
    (face,) = (face for face in latin_faces(40) if face.file.name == "Caladea-Regular.ttf")

    assert face.draws("Total 12.50")
    assert not face.draws("中")
    # The font has the glyphs; joined and from right to left it does not draw them.
    assert not face.draws("ابت")
