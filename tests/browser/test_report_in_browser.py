"""The report as a browser shows it: on a phone, on a desk, in the dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from tests.unit.functions import report_documents as documents

from retraining.report.page import render

Open = Callable[..., Page]
WIDTHS = (360, 768, 1200)
# What somebody must be able to read without scrolling sideways or opening anything.
KEY_NUMBERS = ("83.2 %", "95.2 %", "91.8 to 97.2", "+12.0", "−0.6", "0.21 USD", "1640")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(documents.material(pictures=documents.data_uris())), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Open]:
    """Open the report; afterwards nothing may have been asked for, refused or complained about."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def note_request(request: Request) -> None:
        if not request.url.startswith(("data:", report.as_uri())):
            complaints.append(request.url)

    contexts = []

    def open_report(width: int = 1200, **options: str) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("request", note_request)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(report.as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_key_numbers_are_within_the_screen(opened: Open, width: int) -> None:
    page = opened(width)
    for number in KEY_NUMBERS:
        box = page.get_by_text(number).first.bounding_box()
        assert box is not None, f"{number} is not shown"
        assert box["width"] > 0
        assert box["height"] >= 8
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_reaches_beyond_the_screen(opened: Open, width: int) -> None:
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """width => [...document.querySelectorAll('body *')]
            .filter(each => each.checkVisibility())
            .filter(each => each.getBoundingClientRect().right > width + 1)
            .map(each => each.outerHTML.slice(0, 100))""",
        width,
    )
    assert beyond == []


@pytest.mark.parametrize("width", [360, 1200])
def test_the_text_of_the_plots_is_text_and_large_enough(opened: Open, width: int) -> None:
    page = opened(width)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('svg text')].map(each => [each.textContent,
            parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a])"""
    )
    texts = {text for text, _ in sizes}
    assert {"invoices", "general", "100 %"} <= texts
    assert min(size for _, size in sizes) >= 9
    assert max(size for _, size in sizes) <= 24


def test_bars_are_as_long_as_their_numbers(opened: Open) -> None:
    page = opened()
    widths = [
        each.bounding_box()["width"] for each in page.locator(".plot-accuracy .serie-1 .rect").all()
    ]
    shares = [each["candidate_exact_match"] for each in documents.verdict()["slices"]][::-1]
    scale = widths[0] / shares[0]
    assert widths == pytest.approx([scale * share for share in shares], rel=0.02)


def test_every_picture_is_drawn(opened: Open) -> None:
    page = opened(360)
    drawn = page.evaluate("[...document.images].map(each => each.naturalWidth * each.width)")
    assert len(drawn) == 16
    assert all(drawn)


def test_text_runs_in_its_own_direction(opened: Open) -> None:
    page = opened()
    rows = page.locator("#improved .reading")
    arabic, latin = rows.filter(has_text="فاتورة").first, rows.filter(has_text="Invoice").first
    measure = """each => {
        const range = document.createRange(); range.selectNodeContents(each);
        const text = range.getBoundingClientRect(), box = each.getBoundingClientRect();
        return [text.left - box.left, box.right - text.right];
    }"""
    left, right = arabic.evaluate(measure)
    assert left > right
    left, right = latin.evaluate(measure)
    assert left < right


def test_chinese_is_drawn_with_glyphs_of_its_own(opened: Open) -> None:
    page = opened()
    drawn = page.evaluate(
        """() => [...'合計金額'].map(character => {
            const canvas = document.createElement('canvas');
            const context = canvas.getContext('2d');
            context.font = '40px ' + getComputedStyle(document.body).fontFamily;
            context.fillText(character, 0, 40);
            return canvas.toDataURL();
        })"""
    )
    # Boxes in place of letters would all look alike.
    assert len(set(drawn)) == 4


def test_in_the_dark_the_page_is_dark_and_its_text_light(opened: Open) -> None:
    page = opened(color_scheme="dark")
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    background, ink = (sum(map(int, each[4:-1].split(","))) / 3 for each in colours)
    assert background < 60
    assert ink > 200


def test_it_prints_on_a4(opened: Open) -> None:
    page = opened()
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 9
    sizes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", printed)
    # In points: 210 mm by 297 mm.
    assert {(round(float(width)), round(float(height))) for width, height in sizes} == {(595, 842)}


def test_on_paper_lines_stand_in_two_columns_and_no_column_is_squeezed(opened: Open) -> None:
    # The width of A4 without its margins, in CSS pixels.
    page = opened(688)
    page.emulate_media(media="print")
    columns = "[...document.querySelectorAll('#worst li')].map(each => each.offsetLeft)"
    assert len(set(page.evaluate(columns))) == 2
    narrow = "[...document.querySelectorAll('td[colspan]')].map(each => each.offsetHeight)"
    assert max(page.evaluate(narrow)) < 60


def test_on_paper_it_is_black_on_white_and_shows_what_was_folded(opened: Open) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.get_by_text("paddlepaddle").is_visible()
    assert not page.locator("nav").is_visible()


def test_hostile_text_is_shown_as_it_was_typed(opened: Open) -> None:
    page = opened()
    assert page.get_by_text(documents.HOSTILE).first.is_visible()
    assert page.evaluate("document.scripts.length") == 0
