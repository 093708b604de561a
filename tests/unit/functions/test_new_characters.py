"""Which characters a run adds to the dictionary, by the pure rules."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraining.character_findings import CharacterFindings
from retraining.characters import named, refusal
from retraining.dictionary import Dictionary
from retraining.new_characters import (
    Choice,
    Growth,
    choose,
    format_characters,
    offer,
    parse_characters,
)

DIGITS = Dictionary(frozenset("0123456789"))


def decide(
    train: Sequence[str], holdout: Sequence[str] = (), *, needed: int = 3, allowed: bool = True
) -> Choice:
    return choose(train, holdout, DIGITS, Growth(allowed, needed))


def test_a_character_with_enough_train_lines_is_new() -> None:
    choice = decide(["A1", "2A", "AA", "3"])
    assert choice.new == {"A": 3}
    assert choice.rare == {}
    assert choice.faults("A9 A") == {}


def test_a_character_counts_once_per_line() -> None:
    assert decide(["AAA", "1A"]).rare == {"A": 2}


def test_a_rarer_character_is_reported_with_its_lines_and_what_is_needed() -> None:
    choice = decide(["A1", "2A"])
    assert (choice.new, choice.rare) == ({}, {"A": 2})
    assert choice.faults("A") == {"A": "2 usable train lines hold it, 3 are needed"}


def test_one_line_is_spoken_of_in_the_singular() -> None:
    assert decide(["A1"]).faults("A") == {"A": "1 usable train line holds it, 3 are needed"}


def test_holdout_lines_do_not_count() -> None:
    choice = decide(["A1", "2A"], ["A3", "A4", "B"])
    assert choice.new == {}
    assert choice.rare == {"A": 2, "B": 0}


@pytest.mark.parametrize(
    ("train", "new", "rare"),
    [
        # C is in one line, without it A has two lines, without those B has two.
        (["AC", "AB", "A", "B", "B"], {}, {"A": 2, "B": 2, "C": 1}),
        (["AC", "A", "A", "A"], {"A": 3}, {"C": 1}),
        (["AC", "AB", "A", "A", "B", "B"], {"A": 3, "B": 3}, {"C": 1}),
        # Every line of A holds a rare character, so nothing of it is left.
        (["AB", "AC", "AD"], {}, {"A": 0, "B": 1, "C": 1, "D": 1}),
        (["A\ufffd", "A", "A"], {}, {"A": 2}),
    ],
)
def test_setting_lines_aside_is_repeated_until_nothing_changes(
    train: list[str], new: dict[str, int], rare: dict[str, int]
) -> None:
    choice = decide(train)
    assert (choice.new, choice.rare) == (new, rare)


@given(st.lists(st.text("ABCD1", min_size=1, max_size=3)), st.integers(1, 5))
def test_what_is_used_has_enough_lines_and_what_is_set_aside_has_not(
    train: list[str], needed: int
) -> None:
    choice = decide(train, needed=needed)
    used = [text for text in train if not choice.faults(text)]
    for character in "ABCD":
        lines = sum(character in text for text in used)
        assert lines == choice.new.get(character, 0)
        assert lines == 0 or lines >= needed
    # No larger set of lines would do: one more rare character never has enough by itself.
    for character in choice.rare:
        allowed = {*choice.new, character, "1"}
        assert sum(character in text and set(text) <= allowed for text in train) < needed


def test_switched_off_no_character_is_new_and_the_parameter_is_named() -> None:
    choice = decide(["A"] * 50, allowed=False)
    assert (choice.new, choice.rare) == ({}, {})
    assert choice.faults("A1") == {"A": "GrowDictionary is off"}


@pytest.mark.parametrize(
    ("text", "character", "why"),
    [
        ("a\x07b", "\x07", "control"),
        ("a\x85b", "\x85", "control"),
        ("a\ue000", "\ue000", "private use"),
        ("a\U00100000", "\U00100000", "private use"),
        ("a\u0378", "\u0378", "does not assign"),
        ("a\uffff", "\uffff", "does not assign"),
        ("a\ufffd", "\ufffd", "lost"),
        ("a\ufffc", "\ufffc", "no text"),
        ("a\u200b", "\u200b", "invisible"),
        ("a\ufeff", "\ufeff", "invisible"),
        ("a\u00ad", "\u00ad", "invisible"),
        ("a\u200f", "\u200f", "invisible"),
        ("a\u2028", "\u2028", "line separator"),
        ("a\u00a0", "\u00a0", "ordinary space"),
        ("\u263a\ufe0f", "\ufe0f", "variation selector"),
        ("\u845b\U000e0100", "\U000e0100", "variation selector"),
        ("q\u0301", "\u0301", "accent"),
        ("\u30a2\u3099", "\u3099", "accent"),
        ("1\u20dd", "\u20dd", "accent"),
        ("\u0e31", "\u0e31", "without its letter"),
        ("\u0e01 \u0e31", "\u0e31", "without its letter"),
        ("\u0915\u093f, \u093f", "\u093f", "without its letter"),
    ],
)
def test_what_is_no_character_of_a_text_is_never_learnt(
    text: str, character: str, why: str
) -> None:
    assert why in refusal(character, text)
    choice = decide([text] * 100)
    assert character not in choice.new
    assert why in choice.refused[character]
    assert why in choice.faults(text)[character]


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("A", "A"),
        ("\u20ac5", "\u20ac"),
        ("\u9f8d", "\u9f8d"),
        ("a\u3000b", "\u3000"),
        ("\uff21", "\uff21"),
        ("\u00bd", "\u00bd"),
        ("\U0001f600", "\U0001f600"),
        ("\u0e01\u0e31\u0e49", "\u0e49"),
        ("\u0915\u094d\u0937\u093f", "\u093f"),
        ("\u0628\u064e", "\u064e"),
    ],
)
def test_what_can_be_read_may_be_learnt(text: str, character: str) -> None:
    assert refusal(character, text) == ""
    assert character in decide([text] * 3).new


def test_a_long_run_of_marks_takes_no_longer_than_other_text() -> None:
    marks = "\u0e31" * 300_000
    assert refusal("\u0e31", f"\u0e01{marks}") == ""
    assert "without its letter" in refusal("\u0e31", f"\u0e01{marks} \u0e31")


def test_what_the_model_can_write_is_never_in_question() -> None:
    known = Dictionary(frozenset("\u200b\ue000\u0301"))
    choice = choose(["\u200b\ue000 \u0301"], [], known, Growth(True, 3))
    assert choice.faults("\u200b\ue000 \u0301") == {}
    assert (choice.rare, choice.refused) == ({}, {})


def test_a_line_with_a_refused_character_does_not_count_for_the_others() -> None:
    assert decide(["A\x07", "A", "A", "B", "B", "B"]).new == {"B": 3}


def test_without_a_dictionary_every_well_supported_character_is_offered() -> None:
    train = ["A1 \ufffd", "A1", "A1", "B"]
    assert offer(train, Growth(True, 3)) == {"1": 3, "A": 3}
    assert offer(train, Growth(False, 3)) == {}


@given(st.sets(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n")))
def test_the_file_gives_back_what_was_written(characters: set[str]) -> None:
    content = format_characters(characters)
    assert set(parse_characters(content)) == characters
    assert content == format_characters(sorted(characters, reverse=True))
    assert content == "" or content.endswith("\n")


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("A", "'A'"),
        (",", "','"),
        ("\u9f8d", "'\u9f8d' U+9F8D"),
        ("\u0410", "'\u0410' U+0410"),
        ("\ufffd", "U+FFFD REPLACEMENT CHARACTER"),
        ("\u3000", "U+3000 IDEOGRAPHIC SPACE"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u0301", "U+0301 COMBINING ACUTE ACCENT"),
        ("\x07", "U+0007"),
        ("\U00100000", "U+100000"),
    ],
)
def test_every_character_has_a_name_that_can_be_seen(character: str, name: str) -> None:
    assert named(character) == name


# --- what people are told


def found(train: Sequence[str], needed: int = 3) -> CharacterFindings:
    choice = decide(train, needed=needed)
    return CharacterFindings.of(
        choice, [faults for text in train if (faults := choice.faults(text))]
    )


def test_new_characters_are_one_line_with_the_least_supported() -> None:
    assert found(["A", "AB", "AB", "B", "A"]).sentences() == [
        "2 new characters: 'A', 'B'; 'B' has the fewest train lines (3)."
    ]


def test_characters_that_are_not_learnt_are_one_line_with_the_reasons() -> None:
    assert found(["Q1", "Q2", "\ufffd"]).sentences() == [
        "2 characters not learnt: 'Q' (2 usable train lines hold it, 3 are needed), "
        "U+FFFD REPLACEMENT CHARACTER (it stands for text that was lost when the file was saved)."
    ]


def test_a_single_character_is_spoken_of_in_the_singular() -> None:
    new, other = found(["A", "A", "A", "Q"]).sentences()
    assert new == "1 new character: 'A'; 'A' has the fewest train lines (3)."
    assert other.startswith("1 character not learnt: 'Q' (1 usable")


def test_many_characters_are_cut_short() -> None:
    alphabet = [chr(0x4E00 + each) for each in range(25)]
    (sentence,) = found(alphabet, needed=1).sentences()
    assert sentence.startswith("25 new characters: '\u4e00' U+4E00, '\u4e01' U+4E01")
    assert " and 15 more; " in sentence


def test_nothing_new_needs_no_words() -> None:
    assert found(["1", "2"]).sentences() == []


def test_the_report_has_every_character() -> None:
    assert found(["A", "AB", "AB", "B", "A", "Q", "A\x07"]).as_json() == {
        "new_characters": {"A": 4, "B": 3},
        "rare_characters": {"Q": {"lines": 1, "needed": 3}},
        "refused_characters": {"\x07": "it is a control character"},
        "unknown_characters": {"Q": 1, "\x07": 1},
    }
