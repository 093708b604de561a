"""Reads images of the bucket, many at once, without ever holding many of them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from threading import BoundedSemaphore

from retraining.images import LARGEST_FILE_BYTES, ImageCheck, check_image
from retraining.storage import Bucket, NoSuchObjectError

READERS = 24
# Between batches a caller may look at the clock: a scanned page takes half a second.
_BATCH = 10 * READERS
# As many large files as there are readers would not fit into the function's memory.
_LARGE_FILE_BYTES = 1024 * 1024
_holding_large_files = BoundedSemaphore(4)


@dataclass(frozen=True)
class StoredImage:
    """An image to read: its number in the workspace, its key and its bytes."""

    number: int
    key: str
    size: int


def check_images(
    bucket: Bucket, images: Iterable[StoredImage]
) -> Iterator[tuple[StoredImage, ImageCheck]]:
    """Read images, many at once; only the results are kept, never the bytes."""
    left = iter(images)
    with ThreadPoolExecutor(READERS) as readers:
        while batch := list(islice(left, _BATCH)):
            checks = readers.map(lambda each: _check_stored(bucket, each), batch)
            yield from zip(batch, checks, strict=True)


def _check_stored(bucket: Bucket, image: StoredImage) -> ImageCheck:
    if image.size > LARGEST_FILE_BYTES:
        limit = LARGEST_FILE_BYTES // 1024**2
        return ImageCheck("", f"the file is larger than {limit} MB")
    is_large = image.size > _LARGE_FILE_BYTES
    try:
        with _holding_large_files if is_large else nullcontext():
            return check_image(bucket.read(image.key).body)
    except NoSuchObjectError:
        return ImageCheck("", "the file was deleted while the dataset was read")
