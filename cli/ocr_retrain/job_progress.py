"""What a job's log lines say about how far it is: pure, without AWS.

The jobs print ``epoch=2/3 step=40/66 loss=1.2345 learning_rate=0.00035 images_per_second=81.2``,
``epoch=2/3 dev_exact_match=0.8731 dev_lines=120`` and ``slice=handwriting lines=64/200``, and
before the first epoch ``new_lines=1020 replay_lines=437 ...`` and ``encoded=640/3991``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

_PAIR = re.compile(r"(?:^|\s)([a-z_]+)=(\S+)")
# Libraries write to the same log: their records carry dates, levels and brackets.
_SENTENCE = re.compile(r"[A-Z][a-z][^\[\]=]*\.$")
_OF = re.compile(r"^(\d+)/(\d+)$")


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    ``done``/``total`` count steps of the epoch or lines of the slice being evaluated (total 0:
    not known yet), ``epoch`` counts from 1 (0: before training), ``loss``, ``images_per_second``
    and ``dev_exact_match`` (0..1) are the latest told, ``note`` is the last sentence since.
    """

    done: int = 0
    total: int = 0
    epoch: int = 0
    epochs: int = 0
    slice_name: str = ""
    loss: float | None = None
    images_per_second: float | None = None
    dev_exact_match: float | None = None
    note: str = ""

    @property
    def fraction(self) -> float | None:
        """Return the part of the training, or of the slice, that is done: 0..1, None: unknown."""
        if not self.total:
            return None
        earlier, parts = (max(self.epoch - 1, 0), self.epochs) if self.epochs else (0, 1)
        return min((earlier + self.done / self.total) / parts, 1.0)


def read_progress(lines: Iterable[str], before: JobProgress | None = None) -> JobProgress:
    """Return the progress after ``lines``, continuing from ``before``."""
    progress = before or JobProgress()
    for line in lines:
        progress = _after(progress, line.strip())
    return progress


def _after(progress: JobProgress, line: str) -> JobProgress:
    values: Mapping[str, str] = dict(_PAIR.findall(line))
    if "slice" in values:
        done, total = _of(values.get("lines", ""))
        return replace(progress, slice_name=values["slice"], done=done, total=total, note="")
    if "new_lines" in values:
        return replace(progress, note=f"preparing {values['new_lines']} new lines and others")
    if "encoded" in values:
        return replace(progress, note=f"preparing pictures, {values['encoded']} done")
    if "epoch" not in values:
        return replace(progress, note=line) if _SENTENCE.match(line) else progress
    epoch, epochs = _of(values["epoch"])
    progress = replace(progress, epoch=epoch, epochs=epochs, note="")
    if "step" in values:
        done, total = _of(values["step"])
        progress = replace(progress, done=done, total=total)
    return replace(
        progress,
        loss=_number(values.get("loss"), progress.loss),
        images_per_second=_number(values.get("images_per_second"), progress.images_per_second),
        dev_exact_match=_number(values.get("dev_exact_match"), progress.dev_exact_match),
    )


def _of(text: str) -> tuple[int, int]:
    match = _OF.match(text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _number(text: str | None, otherwise: float | None) -> float | None:
    try:
        return otherwise if text is None else float(text)
    except ValueError:
        return otherwise
