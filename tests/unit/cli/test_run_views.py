from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from .fakes import DEPLOY, RUN, load_events

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

    Recorded = list[HistoryEventTypeDef]

from ocr_retrain.executions import Execution
from ocr_retrain.follow import Snapshot
from ocr_retrain.history import read_history
from ocr_retrain.job_progress import JobProgress
from ocr_retrain.run_views import LiveView, PlainView

JOB = f"ocr-retrain-{RUN}-train-d1"
START = datetime(2026, 11, 20, 9, 21, 3, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def _snapshot(history: Recorded, nested: Recorded | None = None, step: int = 0) -> Snapshot:
    progress = JobProgress(done=step, total=66, epoch=1, epochs=3, loss=1.5)
    return Snapshot(
        Execution("arn", RUN, "RUNNING", START, None),
        read_history(history),
        {DEPLOY: read_history(nested)} if nested else {},
        {JOB: progress} if step else {},
    )


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def _plain(output: io.StringIO, clock: Clock) -> PlainView:
    return PlainView(Console(file=output, width=160, highlight=False, markup=False), now=clock)


def test_plain_view_prints_one_line_per_state_and_none_twice(output: io.StringIO) -> None:
    view = _plain(output, Clock())
    for _ in range(3):
        view.update(_snapshot(load_events("training")))

    lines = output.getvalue().splitlines()
    assert lines == [
        "  ✓ Wait for upload to settle  30 s",
        "  ✓ Validate datasets  11 s",
        "  ✓ Is the upload complete?",
        "  ✓ Wait for the rest of the upload  15 s",
        "  ✓ Anything to train on?",
        "  ✓ Plan training  2.5 s",
        "  ▸ Fine-tune recognizer",
    ]


def test_plain_view_reminds_of_what_runs_now_and_then(output: io.StringIO) -> None:
    clock = Clock()
    view = _plain(output, clock)
    view.update(_snapshot(load_events("training"), step=4))
    clock.now += timedelta(seconds=5)
    view.update(_snapshot(load_events("training"), step=8))
    clock.now += timedelta(seconds=11)
    view.update(_snapshot(load_events("training"), step=13))

    reminders = [line for line in output.getvalue().splitlines() if "epoch" in line]
    assert len(reminders) == 1
    assert reminders[0].startswith("  ● Fine-tune recognizer")
    assert reminders[0].endswith("  7 %  attempt 2, epoch 1/3, loss 1.500")


def test_plain_view_ends_a_nesting_state_below_its_nested_states(output: io.StringIO) -> None:
    view = _plain(output, Clock())
    view.update(_snapshot(load_events("promoted"), nested=load_events("deploying")))

    lines = output.getvalue().splitlines()
    begin = lines.index("  ▸ Deploy endpoint")
    end = lines.index("  ✓ Deploy endpoint  5 min 05 s")
    assert lines[begin + 1].startswith("      ✓ Find latest approved")
    assert end == begin + 1 + 9
    assert "\x1b" not in output.getvalue()


def test_live_view_leaves_every_state_on_the_screen_once(output: io.StringIO) -> None:
    console = Console(
        file=output,
        force_terminal=True,
        width=120,
        height=12,
        color_system=None,
        legacy_windows=False,
    )
    with LiveView(console, now=Clock()) as view:
        view.update(_snapshot(load_events("training"), step=33))
        view.update(_snapshot(load_events("promoted"), nested=load_events("deploying")))

    last_frame = output.getvalue().rpartition("\x1b[2K")[2]
    assert "Promoted" in last_frame
    assert output.getvalue().count("✓ Wait for upload to settle") >= 1
