"""A progress bar for uploads; outside a terminal, a line now and then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ocr_retrain.dataset_folder import DatasetFolder, FolderFile
from ocr_retrain.phrases import count
from ocr_retrain.terminal import INDENT, is_interactive, progress, tell

_PLAIN_PARTS = 4
_MANY_FILES = 100


class UploadProgress:
    """Counts files as they are in place."""

    def __init__(self, bar: Progress | None, folder: DatasetFolder, indent: int) -> None:
        """Show on ``bar``, or as plain lines when there is none."""
        self._bar = bar
        self._margin = " " * indent
        self._done = 0
        self._total = len(folder.images) + len(folder.announcing)
        self._task = bar.add_task("Uploading", total=self._total) if bar else None

    def __call__(self, file: FolderFile) -> None:
        """Take note that ``file`` is in place."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        elif self._is_worth_a_line():
            tell(f"{self._margin}{self._done:,} of {count(self._total, 'file')} in place")

    def _is_worth_a_line(self) -> bool:
        parts = _PLAIN_PARTS if self._total >= _MANY_FILES else 1
        return self._done * parts // self._total != (self._done - 1) * parts // self._total


@contextmanager
def upload_progress(folder: DatasetFolder, indent: int = INDENT) -> Iterator[UploadProgress]:
    """Show the progress of an upload of ``folder`` on stderr."""
    if not is_interactive():
        yield UploadProgress(None, folder, indent)
        return
    columns = (
        TextColumn(" " * indent + "{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress()) as bar:
        yield UploadProgress(bar, folder, indent)
