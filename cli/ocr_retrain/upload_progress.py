"""How far an upload is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocr_retrain.counting import Wording, counting
from ocr_retrain.dataset_folder import DatasetFolder, FolderFile
from ocr_retrain.terminal import INDENT

_WORDING = Wording("Uploading", "file", "in place")


@contextmanager
def upload_progress(
    folder: DatasetFolder, indent: int = INDENT
) -> Iterator[Callable[[FolderFile], None]]:
    """Show the progress of an upload of ``folder`` on stderr; call what is given for each file."""
    total = len(folder.images) + len(folder.announcing)
    with counting(total, _WORDING, indent) as files:
        yield lambda _: files.advance()
