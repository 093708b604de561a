"""The dictionary: file format, CTC decoding, and agreement with the network."""

from pathlib import Path

import numpy as np
import pytest

from recognition.dictionary import CharacterDictionary, DictionaryError, required_steps

DICTIONARY = CharacterDictionary(("a", "b", " "))


def test_a_dictionary_with_a_space_survives_being_written_and_read(tmp_path: Path) -> None:
    DICTIONARY.write(tmp_path / "dict.txt")

    assert (tmp_path / "dict.txt").read_bytes() == b"a\nb\n \n"
    assert CharacterDictionary.read(tmp_path / "dict.txt") == DICTIONARY


@pytest.mark.parametrize("content", [b"a\r\nb\r\n \r\n", b"a\nb\n "])
def test_line_ends_of_other_systems_are_understood(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dict.txt").write_bytes(content)

    assert CharacterDictionary.read(tmp_path / "dict.txt") == DICTIONARY


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\n\n", "empty"), (b"\xff\xfe", "not UTF-8")]
)
def test_an_unusable_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "dict.txt").write_bytes(content)

    with pytest.raises(DictionaryError, match=reason):
        CharacterDictionary.read(tmp_path / "dict.txt")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="cannot be read"):
        CharacterDictionary.read(tmp_path / "dict.txt")


def test_the_space_that_paddleocr_adds_is_understood() -> None:
    listed = CharacterDictionary(("a", "b"))

    assert listed.fitted_to(3) is listed
    assert listed.fitted_to(4).characters == ("a", "b", " ")


@pytest.mark.parametrize("classes", [3, 5])
def test_a_dictionary_of_another_network_is_refused(classes: int) -> None:
    with pytest.raises(DictionaryError, match="do not belong together"):
        DICTIONARY.fitted_to(classes)


def test_decoding_merges_repeats_and_drops_blanks() -> None:
    assert DICTIONARY.decode([0, 1, 1, 0, 1, 3, 2, 2, 0]) == "aa b"


def test_spelling_and_reading_are_inverse() -> None:
    assert DICTIONARY.encode("ab a") == [1, 2, 3, 1]
    assert DICTIONARY.decode(DICTIONARY.encode("ab a")) == "ab a"


def test_unknown_characters_are_named_once() -> None:
    assert DICTIONARY.unknown("abxyx") == ["x", "y"]
    assert DICTIONARY.encode("axb") == [1, 2]


def test_confidence_is_the_mean_of_the_written_characters() -> None:
    probabilities = np.zeros((2, 4, 4), dtype=np.float32)
    probabilities[0, range(4), [1, 1, 0, 2]] = [0.8, 0.1, 0.9, 0.6]
    probabilities[1, :, 0] = 1.0

    written, blank = DICTIONARY.read_probabilities(probabilities)

    assert written.text == "ab"
    assert written.confidence == pytest.approx(0.7)
    assert (blank.text, blank.confidence) == ("", 0.0)


def test_a_repeated_character_needs_a_blank_between() -> None:
    assert required_steps([1, 1, 2]) == 4
    assert required_steps([]) == 0


ARABIC = CharacterDictionary(tuple("abc123 -.ابتثجحخد"))


@pytest.mark.parametrize(
    ("characters", "leftward"),
    [
        ("abc 123", False),
        ("abcابت", True),
        ("abcאבג", True),
        ("αβγабв", False),
        ("中文字ab", False),
        ("中文字اب", False),
    ],
)
def test_letters_tell_the_reading_direction(characters: str, leftward: bool) -> None:
    assert CharacterDictionary(tuple(characters)).right_to_left is leftward


@pytest.mark.parametrize("text", ["ابت", "ابت 123", "12-3 اب abc تث", "", "ا", "abc"])
def test_a_line_from_right_to_left_is_read_as_it_was_labelled(text: str) -> None:
    outputs = ARABIC.encode(text)

    assert ARABIC.decode([each for output in outputs for each in (output, 0)]) == text
    steps = [each for output in outputs for each in (output, 0)] or [0]
    probabilities = np.eye(ARABIC.classes, dtype=np.float32)[[steps]]
    assert ARABIC.read_probabilities(probabilities)[0].text == text


def test_a_line_from_right_to_left_is_spelled_as_it_stands_in_the_picture() -> None:
    spelled = [ARABIC.characters[output - 1] for output in ARABIC.encode("ابت 123")]

    assert "".join(spelled) == " 123تبا"


def test_a_line_from_left_to_right_is_spelled_as_it_is_written() -> None:
    greek = CharacterDictionary(tuple("αβγ "))

    assert greek.encode("γ αβ") == [3, 4, 1, 2]
