"""From content to one HTML file: no script, no resource from elsewhere, bounded. Pure."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from retraining.report.content import Content, content_of
from retraining.report.costs import money
from retraining.report.material import Material
from retraining.report.plain_text import code_point, visible
from retraining.texts import duration

MOST_BYTES = 6 * 1024 * 1024
_LONGEST = 2000
_PICTURE = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")
_NO_PICTURES = "The pictures of the lines are left out: with them this file would be too large."


class ReportTooLargeError(Exception):
    """The report does not fit into its limit, not even without pictures."""


def render(material: Material, most_bytes: int = MOST_BYTES) -> str:
    """Write the report; pictures are left out when it is too large with them.

    Raises ReportTooLargeError when it is too large without.
    """
    page = _page(content_of(material))
    if _size(page) <= most_bytes:
        return page
    bare = dataclasses.replace(material, pictures={}, gaps=(*material.gaps, _NO_PICTURES))
    page = _page(content_of(bare))
    if _size(page) > most_bytes:
        raise ReportTooLargeError(
            f"The report of run {material.run_id} has {_size(page):,} bytes; "
            f"at most {most_bytes:,} are written."
        )
    return page


def _size(page: str) -> int:
    return len(page.encode("utf-8"))


def _page(content: Content) -> str:
    return _environment().get_template("report.html.jinja").render(report=content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every text that the template prints goes through here, so that none can be forgotten.
        finalize=_fit_to_show,
    )
    environment.filters.update(
        percent=_percent,
        points=_points,
        interval=_interval,
        duration=duration,
        money=money,
        cut=visible,
        code_point=code_point,
        picture=_picture,
        unbroken=_unbroken,
        number=_number,
        milliseconds=_milliseconds,
    )
    environment.globals["style"] = Markup(  # noqa: S704  # a file of our own
        Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    )
    return environment


def _fit_to_show(value: object) -> object:
    return visible(value, _LONGEST) if type(value) is str else value


def _picture(uri: str) -> Markup:
    """Let a picture through uncut; it holds nothing that a browser could take for anything else."""
    if not _PICTURE.fullmatch(uri):
        raise ValueError("A picture of the report is no data: URI of a JPEG.")
    return Markup(uri)  # noqa: S704


def _unbroken(text: str) -> str:
    return text.replace(" %", "\u00a0%")


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _points(difference: float | None) -> str:
    if difference is None:
        return "–"
    points = f"{100 * difference:+.1f}"
    return "±0.0" if points[1:] == "0.0" else points.replace("-", "−")


def _interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    low, high = (f"{100 * each:.1f}".replace("-", "−") for each in interval)
    return f"{low} to {high}"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}"
