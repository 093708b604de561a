"""The plots of a report: inline SVG whose text is text and whose colours the page decides.

The library also writes styles, scripts and tooltips; the report allows no script and has one style
sheet for light, dark and paper, so only the drawing is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import pygal
from markupsafe import Markup
from pygal.style import Style

from retraining.report.inputs import Epoch, SliceVerdict
from retraining.report.plain_text import shortened

# pygal leaves a finder of Python 2's protocol behind, at which other imports stumble.
sys.meta_path[:] = [each for each in sys.meta_path if hasattr(each, "find_spec")]

# Drawn for a phone: a wider screen enlarges it, text and all.
_WIDTH = 340
_LONGEST_LABEL = 12
_MOST_BARS = 24
_MOST_POINTS = 200
_STYLE = Style(label_font_size=12, major_label_font_size=12, value_font_size=11)
_DROPPED = frozenset({"defs", "desc", "title"})


def accuracy_chart(slices: Sequence[SliceVerdict]) -> Markup:
    """Draw the share of lines read exactly by both models, with 95 % intervals, slice by slice."""
    shown = list(slices[:_MOST_BARS])[::-1]
    with_champion = any(each.champion_exact_match is not None for each in shown)
    bars = 2 if with_champion else 1
    chart = pygal.HorizontalBar(
        **_common(height=34 + len(shown) * (18 + 20 * bars)),
        print_values=True,
        range=(0, 100),
        y_labels=[0, 25, 50, 75, 100],
        value_formatter=lambda value: f"{value:g} %",
        formatter=lambda value: f"{value:.1f} %",
        spacing=6,
    )
    chart.x_labels = [shortened(each.name, _LONGEST_LABEL) for each in shown]
    if with_champion:
        chart.add(
            "champion", [_bar(each.champion_exact_match, each.champion_interval) for each in shown]
        )
    chart.add(
        "candidate", [_bar(each.candidate_exact_match, each.candidate_interval) for each in shown]
    )
    classes = "" if with_champion else " alone"
    return _drawn(chart, "accuracy", "Share of lines read exactly, per slice", classes)


def loss_chart(history: Sequence[Epoch]) -> Markup:
    """Draw the loss over the epochs."""
    points = [(each.epoch, each.loss) for each in _thinned(history) if each.loss is not None]
    chart = _lines([("loss", points)], lambda value: f"{value:.3g}")
    return _drawn(chart, "loss", "Loss by epoch", " alone")


def progress_chart(history: Sequence[Epoch]) -> Markup:
    """Draw how many held-back lines were read exactly after each epoch, new ones and old ones."""
    thinned = _thinned(history)
    old = [(e.epoch, 100 * e.guard_exact_match) for e in thinned if e.guard_exact_match is not None]
    new = [(e.epoch, 100 * e.dev_exact_match) for e in thinned if e.dev_exact_match is not None]
    chart = _lines([("old lines", old), ("new lines", new)], lambda value: f"{value:.4g} %")
    return _drawn(chart, "progress", "Held-back lines read exactly, by epoch")


def _lines(series: Sequence[tuple[str, list[tuple[int, float]]]], formatter: object) -> pygal.XY:
    last = max((point[0] for _, points in series for point in points), default=1)
    step = max(1, -(-last // 8))
    chart = pygal.XY(
        **_common(height=220),
        value_formatter=formatter,
        x_value_formatter=lambda value: f"{value:g}",
        dots_size=2.5,
        max_scale=6,
    )
    chart.x_labels = list(range(0, last + 1, step))
    for name, points in series:
        chart.add(name, points)
    return chart


def _common(height: int) -> dict[str, object]:
    return {
        "js": (),
        "style": _STYLE,
        "width": _WIDTH,
        "height": height,
        "margin": 4,
        "margin_right": 18,
        "show_legend": False,
    }


def _bar(share: float | None, interval: tuple[float, float] | None) -> object:
    if share is None:
        return None
    bar: dict[str, object] = {"value": 100 * share}
    if interval:
        bar["ci"] = {"low": 100 * interval[0], "high": 100 * interval[1]}
    return bar


def _thinned(history: Sequence[Epoch]) -> Sequence[Epoch]:
    every = max(1, -(-len(history) // _MOST_POINTS))
    thinned = list(history[::every])
    if history and thinned[-1] is not history[-1]:
        thinned.append(history[-1])
    return thinned


def _drawn(chart: pygal.Graph, name: str, label: str, classes: str = "") -> Markup:
    chart.uuid = name

    def strip(root: Element) -> Element:
        _strip(root)
        root.set("role", "img")
        root.set("aria-label", label)
        root.set("class", f"plot-{name}{classes}")
        return root

    chart.add_xml_filter(strip)
    # The library escapes what it is given: names reach it as text of elements only.
    return Markup(chart.render(is_unicode=True, disable_xml_declaration=True))  # noqa: S704


def _strip(element: Element) -> None:
    for child in list(element):
        # Comments have a function for a tag.
        tag: object = child.tag
        dropped = not isinstance(tag, str) or tag in _DROPPED
        if dropped or "tooltip-overlay" in child.get("class", ""):
            element.remove(child)
        else:
            _strip(child)
