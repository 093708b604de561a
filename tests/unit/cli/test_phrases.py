from __future__ import annotations

import pytest

from ocr_retrain.phrases import count, duration, percent, points, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_read_naturally(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_read_naturally() -> None:
    assert percent(0.8731) == "87.3 %"
    assert [points(value) for value in (0.402, -0.005, 0.0001)] == ["+40.2", "-0.5", "±0.0"]
    assert [size(value) for value in (512, 3_400, 12_000_000)] == ["512 B", "3.4 kB", "12.0 MB"]
    assert [count(value, "file") for value in (0, 1, 1234)] == ["0 files", "1 file", "1,234 files"]
