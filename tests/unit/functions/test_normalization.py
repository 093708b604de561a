import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from retraining.lines import Line
from retraining.normalization import Normalization, Rule
from retraining.settings import Settings, SettingsError

from .conftest import ENVIRONMENT

ALL = "compose,width,ligatures,spaces"


def only(rule: str) -> Normalization:
    return Normalization.parse(rule)


@pytest.mark.parametrize(
    ("rule", "given_text", "expected"),
    [
        ("compose", "Cafe\u0301", "Caf\u00e9"),
        ("compose", "A\u030angstro\u0308m", "\u00c5ngstr\u00f6m"),
        ("compose", "\u1112\u1161\u11ab", "\ud55c"),
        ("compose", "\u304b\u3099", "\u304c"),
        ("compose", "\u09c7\u09be", "\u09cb"),
        ("compose", "q\u0301", "q\u0301"),
        ("compose", "Ａ\u00a0ﬁ", "Ａ\u00a0ﬁ"),
        ("width", "ＡＢ１２！～", "AB12!~"),
        ("width", "ｶﾀｶﾅ", "カタカナ"),
        ("width", "ｶﾞﾊﾟ", "ガパ"),
        ("width", "カﾞ", "ガ"),
        ("width", "ｱﾞ", "ア\u309b"),
        ("width", "ﾟ", "\u309c"),
        ("width", "｢ｱ･ｲ｣｡", "「ア・イ」。"),
        ("width", "a\u3000b", "a b"),
        ("width", "￥①㌔", "￥①㌔"),
        ("ligatures", "ﬀﬁﬂﬃﬄﬅﬆ", "fffiflffifflstst"),
        ("ligatures", "ĳsĲ", "ijsIJ"),
        ("ligatures", "\ufb13", "\u0574\u0576"),
        ("ligatures", "½²œæ㎏", "½²œæ㎏"),
        ("spaces", "a\u00a0b\u2009c\u202fd\u2007e\u205ff", "a b c d e f"),
        ("spaces", "a\u2028b\u2029c", "a b c"),
        ("spaces", "a\u3000b\u200bc", "a\u3000b\u200bc"),
        ("none", "Ａ\u00a0ﬁe\u0301\u3000", "Ａ\u00a0ﬁe\u0301\u3000"),
    ],
)
def test_each_rule_changes_what_it_says_and_nothing_else(
    rule: str, given_text: str, expected: str
) -> None:
    assert only(rule).text(given_text) == expected


@pytest.mark.parametrize(
    "character",
    # What NFC replaces or takes apart, and PaddleOCR's dictionaries hold.
    ["\u2126", "\u212b", "\u0958", "\u09dc", "\ufb31", "\uf92c", "\u2329"],
)
def test_composing_never_changes_a_single_character(character: str) -> None:
    assert only("compose").text(f"e\u0301{character}o\u0308") == f"\u00e9{character}\u00f6"


def test_rules_work_together_in_any_order_they_are_given() -> None:
    for given_rules in (ALL, "spaces,ligatures,width,compose"):
        assert only(given_rules).text("Ｅ\u0301\u3000ﬁ\u00a0ｶﾞ") == "\u00c9 fi ガ"


def test_by_default_full_width_forms_stay() -> None:
    rules = Settings.from_environment(ENVIRONMENT).text_normalization
    assert rules == Normalization((Rule.SPACES, Rule.COMPOSE))
    assert rules.text("Ａ\u3000ｶﾞ ﬁ e\u0301\u00a0") == "Ａ\u3000ｶﾞ ﬁ \u00e9 "


@pytest.mark.parametrize("given_rules", ["", "nfkc", "compose,", "none,spaces", "Compose"])
def test_an_unknown_choice_is_refused_with_what_can_be_chosen(given_rules: str) -> None:
    with pytest.raises(ValueError, match="compose, ligatures, spaces, width, or none"):
        Normalization.parse(given_rules)


def test_an_unknown_choice_in_the_environment_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="TEXT_NORMALIZATION: .*choose from compose"):
        Settings.from_environment({**ENVIRONMENT, "TEXT_NORMALIZATION": "nfkd"})
    with pytest.raises(ValidationError):
        Settings.model_validate({"text_normalization": 3})


def test_lines_keep_their_images_and_corners() -> None:
    corners = ((1, 2), (30, 2), (30, 20), (1, 20))
    lines = [Line("e\u0301.png", "e\u0301", corners)]
    assert only("compose").lines(lines) == (Line("e\u0301.png", "\u00e9", corners),)


_TRICKY = st.text(
    st.sampled_from(
        "eA\u0301\u0308\u093c\u0915\u0958ｶﾞﾟカ\u3099ﬁĳ\u00a0\u3000\u2028\u212b\u2126Ａ\u1112\u1161"
    )
)


@settings(deadline=None)
@given(_TRICKY | st.text(), st.sets(st.sampled_from(sorted(Rule))))
def test_normalising_twice_changes_nothing(text: str, rules: set[Rule]) -> None:
    normalization = Normalization(tuple(rule for rule in Rule if rule in rules))
    once = normalization.text(text)
    assert normalization.apply(once).changed_by == ()
    assert once or not text
