"""Hands images out to many functions and takes in what they found."""

import json
from collections.abc import Iterable, Iterator

from retraining import s3_layout
from retraining.image_reading import StoredImage, check_images
from retraining.images import ImageCheck
from retraining.storage import Bucket
from retraining.workspace import Workspace

# One function reads so many in its time even where each is the largest page that is let through;
# of cropped lines, in a few seconds.
IMAGES_PER_SHARD = 1_000
BYTES_PER_SHARD = 512 * 1024 * 1024


def images_to_check(workspace: Workspace) -> Iterator[StoredImage]:
    """Tell the images that usable lines name and that have not been checked, each once."""
    found = workspace.db.execute(
        "SELECT id, key, size FROM objects WHERE id IN (SELECT object FROM lines WHERE side = '')"
        " AND id NOT IN (SELECT object FROM images) ORDER BY id"
    )
    return (StoredImage(*row) for row in found)


def record_checks(workspace: Workspace, checks: Iterable[tuple[StoredImage, ImageCheck]]) -> None:
    """Take in what was found in images."""
    workspace.db.executemany(
        "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)",
        (
            (image.number, bytes.fromhex(each.sha256), each.width, each.height, each.problem)
            for image, each in checks
        ),
    )


def write_shards(
    bucket: Bucket, run_id: str, images: Iterable[StoredImage], most: int
) -> tuple[int, str]:
    """Write what each function is to check; returns how many there are and where their list is.

    ``most`` is what one function can read in its time.
    """
    names: list[str] = []
    for part in _parts(images, min(most, IMAGES_PER_SHARD)):
        names.append(f"{len(names):05d}")
        rows = (_row(each.number, each.key, each.size) for each in part)
        bucket.write_rows(s3_layout.images_to_check(run_id, names[-1]), rows)
    return len(names), bucket.write_json(s3_layout.image_shards(run_id), names)


def _parts(images: Iterable[StoredImage], most: int) -> Iterator[list[StoredImage]]:
    part: list[StoredImage] = []
    size = 0
    for each in images:
        if part and (len(part) == most or size + each.size > BYTES_PER_SHARD):
            yield part
            part, size = [], 0
        part.append(each)
        size += each.size
    if part:
        yield part


def check_shard(bucket: Bucket, run_id: str, shard: str) -> tuple[int, int]:
    """Check the images of one shard; returns how many there are and how many cannot be read."""
    rows = bucket.read_rows(s3_layout.images_to_check(run_id, shard))
    images = [StoredImage(*json.loads(row)) for row in rows]
    checks = list(check_images(bucket, images))
    bucket.write_rows(
        s3_layout.checked_images(run_id, shard),
        (_row(image.number, image.key, image.size, *_check_fields(each)) for image, each in checks),
    )
    return len(checks), sum(bool(each.problem) for _, each in checks)


def read_checks(bucket: Bucket, run_id: str) -> Iterator[tuple[StoredImage, ImageCheck]]:
    """Read what all functions found.

    Raises NoSuchObjectError when one of them has not finished.
    """
    for shard in bucket.read_json(s3_layout.image_shards(run_id)):
        for row in bucket.read_rows(s3_layout.checked_images(run_id, shard)):
            number, key, size, *fields = json.loads(row)
            yield StoredImage(number, key, size), ImageCheck(*fields)


def _check_fields(check: ImageCheck) -> tuple[object, ...]:
    return check.sha256, check.problem, check.width, check.height


def _row(*values: object) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"
