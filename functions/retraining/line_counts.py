"""Counts the lines of uploaded label files, to tell whether enough has arrived for a run."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from retraining import s3_layout
from retraining.ledger_items import Upload
from retraining.storage import Bucket, NoSuchObjectError

# A longer file is counted in part and the rest is estimated: this decides on waiting only.
MOST_BYTES_READ = 4 * 1024 * 1024
# What is not counted in this time is taken to be enough, so that a storm of files starts a run.
MOST_SECONDS = 15.0


@dataclass(frozen=True)
class LineCounter:
    """Counts the uploads of one bucket."""

    bucket: Bucket
    timer: Callable[[], float] = time.monotonic

    def count(self, uploads: Iterable[Upload]) -> Iterator[tuple[Upload, int]]:
        """Count the label files that were not counted yet, while there is time."""
        end = self.timer() + MOST_SECONDS
        for each in uploads:
            # Archives are not opened for this.
            if each.lines is not None or not each.relative.lower().endswith(".txt"):
                continue
            if self.timer() > end:
                return
            lines = self._lines(each)
            if lines is not None:
                yield each, lines

    def _lines(self, upload: Upload) -> int | None:
        key = f"{s3_layout.dataset_prefix(upload.dataset)}{upload.relative}"
        try:
            return count_lines(self.bucket.stream(key).chunks, upload.size)
        except NoSuchObjectError:
            return 0
        except (BotoCoreError, ClientError):
            # A count is a courtesy; without one the upload is taken to be enough.
            return None


def count_lines(chunks: Iterable[bytes], size: int, most_bytes: int = MOST_BYTES_READ) -> int:
    """Count the lines of a file of ``size`` bytes."""
    lines = read = 0
    last = b"\n"
    for chunk in chunks:
        lines += chunk.count(b"\n")
        read += len(chunk)
        last = chunk[-1:] or last
        if read >= most_bytes and read < size:
            return max(1, lines * size // read)
    return lines + (last != b"\n")
