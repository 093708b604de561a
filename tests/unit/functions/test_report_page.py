"""report.html: every section, hostile names, what is missing, and how large it may get."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from retraining.report.inputs import Evaluation, Training, Validation, Verdict, parse
from retraining.report.page import MOST_BYTES, ReportTooLargeError, render

from . import report_documents as documents


class Reader(HTMLParser):
    """What a browser would make of the page: its text, its elements, and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in {"td", "th", "dt", "dd", "li"}:
            self.words.append(" ")
        self.open.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", "".join(read(page).words))


def page_of(**changes: Any) -> str:
    return render(documents.material(**changes))


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    assert found is not None, f"no section {name}"
    return text_of(found[1])


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(pictures=documents.data_uris())


def test_the_verdict_and_its_reasons_come_first(page: str) -> None:
    text = text_of(page)
    assert re.search(r'class="badge promoted">Promoted<', page)
    assert "95.2\u00a0% of the new lines are read exactly instead of 83.2\u00a0%." in "".join(
        read(page).words
    )
    reasons = documents.verdict()["reasons"]
    assert all(reason in section(page, "reasons") for reason in reasons)
    assert text.index(reasons[0]) < text.index("Lines read exactly")


def test_a_rejection_is_called_one() -> None:
    given = documents.verdict() | {"promote": False, "headline": "Rejected: not enough."}
    page = page_of(verdict=parse(Verdict, given))
    assert re.search(r'class="badge rejected">Rejected<', page)
    assert "<h1>Not enough.</h1>" in page


def test_every_slice_has_its_numbers_and_intervals(page: str) -> None:
    text = section(page, "accuracy")
    for name in ("invoices new data", "receipts earlier data", "general golden set"):
        assert name in text
    assert "250 of 412 1 unreadable 83.2 % 78.0 to 87.3 95.2 % 91.8 to 97.2 +12.0" in text
    assert "6.1 % → 1.2 %" in text


def test_the_bars_show_both_models_with_whiskers(page: str) -> None:
    (drawn,) = re.findall(r'<svg[^>]*class="plot-accuracy".*?</svg>', page, re.DOTALL)
    assert drawn.count('class="ci"') == 8
    assert {"83.2 %", "95.2 %", "99.0 %", "invoices", "general"} <= set(read(drawn).words)
    assert all(f"<{tag}" not in drawn for tag in ("style", "script", "desc", "defs", "title"))


def test_the_course_of_the_training_is_drawn(page: str) -> None:
    section(page, "training")
    assert page.count('class="plot-loss alone"') == page.count('class="plot-progress"') == 1
    (drawn,) = re.findall(r'<svg[^>]*class="plot-loss.*?</svg>', page, re.DOTALL)
    assert drawn.count("<circle") == 12


def test_confusions_of_both_models_are_added_up_over_the_slices(page: str) -> None:
    text = section(page, "confusions")
    assert "written read times l 1 12 nothing . 8" in text
    assert "0 O 44 ü u 28 ␣ nothing 16" in text


def test_new_characters_are_listed_with_their_recall_worst_first(page: str) -> None:
    text = section(page, "characters")
    assert "ź U+017A LATIN SMALL LETTER Z WITH ACUTE 9 5 56 %" in text
    assert text.index("ź U+") < text.index("¥ U+") < text.index("額 U+")


def test_lines_show_what_was_read_and_mark_what_differs(page: str) -> None:
    assert "<del>␣</del>284,5<mark>O</mark> EUR" in page
    assert 'dir="auto">8B<mark>O</mark>O-Il1<mark>l</mark>-5<mark>5</mark>2Z</dd>' in page
    assert section(page, "improved").count("the candidate is 87 % sure") == 10
    assert section(page, "worst").count("the candidate is 87 % sure") == 6


def test_lines_are_pictures_from_the_file_itself(page: str) -> None:
    sources = [value for name, value in read(page).attributes if name == "src"]
    assert len(sources) == 16
    assert all(each.startswith("data:image/jpeg;base64,/9j/") for each in sources)


def test_the_data_section_says_what_was_set_aside_and_why(page: str) -> None:
    text = section(page, "data")
    assert "invoices 2071 1640 412 9 × no tab between image and text; 6 ×" in text
    assert "labels/train.txt line 17: images/x.png" in text
    assert "compose in 17 lines" in text
    assert "2 × a text that its image has no room for" in text


def test_cost_tells_hours_saving_and_money(page: str) -> None:
    text = section(page, "cost")
    # 452 s of 1.408 and 274 s of 0.408 dollars an hour.
    assert "The jobs cost about 0.21 USD together." in text
    assert "Spot capacity saved 21 min 31 s of 29 min 03 s of training, about 0.50 USD." in text
    assert "ml.g5.xlarge 23 min 51 s 7 min 32 s 68 % 0.18 USD" in text


def test_lineage_names_parent_label_versions_images_and_code(page: str) -> None:
    text = section(page, "lineage")
    assert "model-package/ocr-retrain/3" in text
    assert "labels/train.txt, 2071 lines" in text
    assert "version 3sL4kqtJlcpXroDTDmJ" in text
    assert documents.DIGEST in text
    assert "Version of the code 1f0c2aa" in text
    assert "paddlepaddle 3.3.1" in text
    assert "learning rate 0.001" in text


# --- what others typed

HOSTILE = documents.HOSTILE


def hostile_page() -> str:
    evaluation, verdict = documents.evaluation(), documents.verdict()
    validation, plan, training = (
        documents.validation(),
        documents.plan(),
        documents.training(),
    )
    for part, judged in zip(evaluation["slices"], verdict["slices"], strict=True):
        part["name"] = judged["name"] = HOSTILE
        part["confusions"]["candidate"] = [{"truth": "</td>", "read": "<b", "count": 3}]
        part["new_characters"] = [{"character": "<", "occurrences": 2, "candidate_recalled": 1}]
    verdict |= {"headline": HOSTILE, "reasons": [HOSTILE], "policy": {HOSTILE: HOSTILE}}
    validation["datasets"][0] |= {"name": HOSTILE, "unused_lines": {HOSTILE: 1}}
    validation |= {"notes": [HOSTILE], "problems_uri": HOSTILE, "normalised": {HOSTILE: 2}}
    plan |= {"datasets": [HOSTILE], "hyperparameters": {HOSTILE: HOSTILE}}
    training |= {"versions": {HOSTILE: HOSTILE}, "family": HOSTILE}
    return page_of(
        verdict=parse(Verdict, verdict),
        evaluation=parse(Evaluation, evaluation),
        validation=parse(Validation, validation),
        training=parse(Training, training),
        gaps=(HOSTILE,),
        code_version=HOSTILE,
    )


def test_what_others_typed_is_text_and_nothing_else() -> None:
    hostile, harmless = read(hostile_page()), read(page_of())
    assert "script" not in hostile.tags
    assert "img" not in hostile.tags
    assert set(hostile.tags) <= set(harmless.tags)
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]
    assert HOSTILE in "".join(hostile.words)


def test_the_page_asks_for_nothing_and_runs_nothing(page: str) -> None:
    reader = read(page)
    policy = dict(re.findall(r'http-equiv="([\w-]+)" content="([^"]+)"', page))
    assert policy["Content-Security-Policy"].startswith("default-src 'none';")
    assert "script" not in policy["Content-Security-Policy"]
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(reader.tags)
    assert "url(" not in page
    assert "@import" not in page
    for name, value in reader.attributes:
        if name in {"src", "href", "srcset", "action"}:
            assert value.startswith(("data:image/jpeg;base64,", "#"))


def test_characters_that_hide_or_reorder_text_are_named() -> None:
    given = documents.verdict() | {"reasons": ["gpj.\u202eexe and \u200b and \x1b[31m"]}
    text = section(page_of(verdict=parse(Verdict, given)), "reasons")
    assert "gpj.⟨U+202E⟩exe and ⟨U+200B⟩ and ⟨U+001B⟩[31m" in text


def test_a_picture_that_is_no_jpeg_never_reaches_the_page() -> None:
    with pytest.raises(ValueError, match="no data: URI of a JPEG"):
        page_of(pictures={"examples/0000.jpg": "data:text/html,<script>"})


@pytest.mark.parametrize("text", ["合計金額", "فاتورة", "קבלה", "नमस्ते"])
def test_any_script_is_shown_with_its_own_direction(page: str, text: str) -> None:
    assert re.search(rf'class="reading" dir="auto">{text}', page)


# --- what is missing

MISSING: list[tuple[dict[str, Any], str]] = [
    ({"verdict": None}, "The verdict of this run cannot be read."),
    ({"evaluation": None}, "Lines read exactly"),
    ({"training": None}, "Lines read exactly"),
    ({"validation": None}, "Lines read exactly"),
    ({"plan": None}, "Lines read exactly"),
    ({"jobs": ()}, "No job ran."),
    ({"started_at": None}, "Lines read exactly"),
    ({"digests": {}}, "could not be looked up"),
    ({"code_version": ""}, "not told at deployment"),
]


@pytest.mark.parametrize(("changes", "expected"), MISSING)
def test_without_one_input_there_is_a_report_of_the_others(
    changes: dict[str, Any], expected: str
) -> None:
    assert expected in text_of(page_of(**changes, gaps=("There is no telling one thing.",)))


def test_what_is_missing_is_said() -> None:
    page = page_of(evaluation=None, gaps=("There is no telling the evaluation: it is not there.",))
    assert "There is no telling the evaluation" in section(page, "missing")


def test_an_evaluation_of_an_earlier_version_is_shown_as_far_as_it_tells() -> None:
    given = documents.evaluation()
    for part in given["slices"]:
        for field in ("available", "confusions", "new_characters"):
            del part[field]
        part["examples"] = {"worst": [{"image": "a.png", "truth": "a", "candidate": "b"}]}
    verdict = documents.verdict()
    for each in verdict["slices"]:
        for field in ("confidence_interval", "champion_interval", "candidate_interval"):
            del each[field]
    del verdict["policy"]
    page = page_of(evaluation=parse(Evaluation, given), verdict=parse(Verdict, verdict))
    assert "invoices new data" in section(page, "accuracy")
    assert 'class="ci"' not in page
    missing = section(page, "missing")
    assert "which characters were confused" in missing
    assert "no confidence intervals" in missing


def test_without_a_champion_the_candidate_stands_alone() -> None:
    evaluation, verdict = documents.evaluation(), documents.verdict()
    evaluation["champion"] = {"package_arn": "arn:p/3", "error": "The archive is damaged."}
    for part in evaluation["slices"]:
        part["champion"] = part["paired"] = None
        part["examples"]["most_improved"] = []
        for each in part["examples"]["worst"]:
            each["champion"] = None
    for each in verdict["slices"]:
        each |= {"champion_exact_match": None, "difference": None, "champion_interval": None}
        each["confidence_interval"] = None
    page = page_of(evaluation=parse(Evaluation, evaluation), verdict=parse(Verdict, verdict))
    assert "There was no champion to compare with: The archive is damaged." in text_of(page)
    assert page.count('class="ci"') == 4
    assert "<dt>champion</dt>" not in page


def test_one_malformed_slice_does_not_take_the_others_along() -> None:
    given = documents.evaluation()
    given["slices"][1] = {"name": 7}
    given["slices"][0]["examples"]["worst"].append({"truth": None})
    parsed = parse(Evaluation, given)
    assert parsed is not None
    assert [each.name for each in parsed.slices] == ["invoices", "plates", "general"]
    assert section(page_of(evaluation=parsed), "worst").count("87 % sure") == 6


def test_a_drop_without_a_usable_line_gets_its_reasons() -> None:
    given = documents.validation() | {"reason": "None of the 9 label lines can be used."}
    page = page_of(
        trained=False,
        validation=parse(Validation, given),
        verdict=None,
        evaluation=None,
        training=None,
        plan=None,
        jobs=(),
    )
    assert "<h1>None of the 9 label lines can be used.</h1>" in page
    assert "9 × no tab between image and text" in section(page, "data")
    assert 'id="cost"' not in page
    assert "deployed" not in text_of(page)


# --- size


def test_a_report_that_would_be_too_large_goes_without_pictures(page: str) -> None:
    limit = len(page.encode()) - 1
    smaller = render(documents.material(pictures=documents.data_uris()), limit)
    assert len(smaller.encode()) <= limit
    assert "<img" not in smaller
    assert "The pictures of the lines are left out" in section(smaller, "missing")


def test_a_report_that_is_too_large_even_so_is_refused() -> None:
    with pytest.raises(ReportTooLargeError, match="at most 1,000 are written"):
        render(documents.material(), 1_000)


def test_as_much_of_everything_as_is_taken_stays_within_the_limit() -> None:
    evaluation, verdict = documents.evaluation(), documents.verdict()
    name = "数" * 100
    line = documents.example(0, "長" * 500, "短" * 500, "他" * 500)
    part = evaluation["slices"][0] | {
        "examples": {"worst": [line] * 50, "most_improved": [line] * 50},
        "new_characters": [
            {"character": chr(0x4E00 + each), "occurrences": 3, "candidate_recalled": 1}
            for each in range(300)
        ],
    }
    evaluation["slices"] = [part | {"name": f"{name}{each}"} for each in range(500)]
    judged = verdict["slices"][0] | {"sentence": "長" * 5000}
    verdict["slices"] = [judged | {"name": f"{name}{each}"} for each in range(500)]
    validation = documents.validation()
    validation["datasets"] *= 200
    validation["problems"] = [{"code": "no_tab", "count": 1, "first": ["長" * 9000] * 50}] * 200
    training = documents.training()
    training["history"] *= 500
    page = page_of(
        evaluation=parse(Evaluation, evaluation),
        verdict=parse(Verdict, verdict),
        validation=parse(Validation, validation),
        training=parse(Training, training),
    )
    assert len(page.encode()) < MOST_BYTES / 3
    assert "more slices are told in verdict.json" in page
