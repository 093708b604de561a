"""Added characters: which ones, from how many lines, and how often they are shown."""

from pathlib import Path

import pytest

from finetuning.alphabet import (
    PracticeLines,
    Support,
    listed_characters,
    repeats_per_epoch,
)
from finetuning.labels import Label
from finetuning.samples import Sample
from recognition.dictionary import CharacterDictionary, DictionaryError

KNOWN = CharacterDictionary(tuple("0123456789 "))


def sample(text: str) -> Sample:
    return Sample(text, (), 0)


def listed(tmp_path: Path, content: str) -> Path:
    (tmp_path / "new_characters.txt").write_text(content, encoding="utf-8")
    return tmp_path


def test_listed_characters_that_are_used_are_taken_in_their_order(tmp_path: Path) -> None:
    labels = listed(tmp_path, "Я\n1\nЖ\nЯ\nЩ\n")

    assert listed_characters(labels, [Label("a", "1ЖЯ")]) == ("Я", "1", "Ж")


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_an_empty_list_adds_nothing(tmp_path: Path, content: str) -> None:
    assert listed_characters(listed(tmp_path, content), [Label("a", "Ж")]) == ()
    assert listed_characters(tmp_path / "none", [Label("a", "Ж")]) == ()


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new_characters.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(DictionaryError, match=r"new_characters\.txt is not UTF-8"):
        listed_characters(tmp_path, [])


def test_support_counts_lines_and_names_the_rarest() -> None:
    support = Support.of("ЖЯ", [sample("ЖЖЯ"), sample("Ж1"), sample("12")])

    assert support.lines == {"Ж": 2, "Я": 1}
    assert support.least == ("Я", 1)
    assert Support.of("", [sample("1")]).least == ("", 0)


def test_lines_of_rare_added_characters_are_repeated_up_to_a_limit() -> None:
    samples = [sample("Ж")] * 10 + [sample("ЖЯ"), sample("12")]

    assert repeats_per_epoch(samples, Support.of("ЖЯ", samples), presentations=100, epochs=5) == (
        2,
    ) * 10 + (8, 1)
    assert set(repeats_per_epoch(samples, Support.of("", samples), 100, 5)) == {1}


def test_practice_lines_show_every_drawable_character_evenly() -> None:
    added = tuple("ЖЯЩЫ")
    dictionary = CharacterDictionary((*KNOWN.characters, *added))
    practice = PracticeLines(dictionary, added, ("12 ЖЯ", "7 7"), seed=1)

    lines = list(practice.lines(40))

    assert len(lines) == 40
    support = Support.of(added, [sample(line.text) for line in lines])
    assert support.least[1] >= 5
    assert any(line.text == "12 ЖЯ" for line in lines)
    assert not any("7 7" in line.text for line in lines)
    assert [line.text for line in practice.lines(5)] == [line.text for line in lines[:5]]


def test_what_no_font_can_draw_is_not_practised() -> None:
    dictionary = CharacterDictionary((*KNOWN.characters, "\U0001f9ff"))

    assert list(PracticeLines(dictionary, ("\U0001f9ff",), (), 1).lines(10)) == []
    assert list(PracticeLines(KNOWN, (), ("1",), 1).lines(10)) == []


def test_the_number_of_practice_lines_follows_the_alphabet() -> None:
    wanted = [PracticeLines(KNOWN, tuple("Ж" * size), (), 1) for size in (0, 5, 500)]

    assert [each.wanted(None) for each in wanted] == [0, 60, 900]
    assert wanted[1].wanted(7) == 7
