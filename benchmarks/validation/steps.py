"""The functions of a validation, one per process: each is measured as Lambda would run it."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.validation.recorded import DATASET, RecordedClient
from retraining import s3_layout, shards
from retraining.image_reading import StoredImage
from retraining.ledger import Ledger
from retraining.ledger_items import Dataset, DatasetLines, Golden, Upload
from retraining.registry import Package, Registry
from retraining.settings import Settings
from retraining.storage import Bucket
from retraining.validation import Validator

RUN = "20261122-101545-3fa9c1"
_BUCKET = "bench"
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_CHARACTERS = "".join(f"{each}\n" for each in "0123456789No./")


class _Ledger:
    """What a ledger says of a first drop; the calls themselves cost nothing here."""

    def uploads_of(self, dataset: str) -> tuple[Upload, ...]:
        return (Upload(dataset, "labels/train.txt", "labels", "", ""),)

    def datasets(self) -> tuple[Dataset, ...]:
        return ()

    def golden_sets(self) -> tuple[Golden, ...]:
        return ()

    def record_lines(self, lines: DatasetLines, run_id: str, now: datetime) -> None:
        print(f"{lines.train_lines} train, {lines.holdout_lines} holdout", file=sys.stderr)

    def take_upload(self, dataset: str, relative: str, **_: object) -> None:
        pass


class _Registry:
    def latest_approved(self) -> Package:
        about = {"dictionary_uri": f"s3://{_BUCKET}/dict.txt"}
        return Package("arn", 1, "Approved", "", f"s3://{_BUCKET}/model", _LONG_AGO, about)


def main(step: str, lines: int, folder: Path) -> None:
    """Run one step and print what it took as JSON."""
    bucket = Bucket(cast(Any, RecordedClient(lines, folder)), _BUCKET)
    steps: dict[str, Callable[[], object]] = {
        "validate": lambda: _validator(bucket).validate(RUN, [DATASET], _LONG_AGO),
        "shard": lambda: shards.check_shard(bucket, RUN, "00000"),
        "fill": lambda: _fill(bucket),
        "finish": lambda: _validator(bucket).finish(RUN),
    }
    bucket.write_text("dict.txt", _CHARACTERS)
    began, used = time.perf_counter(), time.process_time()
    answer = steps[step]()
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    about = {
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": round(peak / (1024**2 if sys.platform == "darwin" else 1024)),
        "answer": answer,
    }
    print(json.dumps(about))


def _validator(bucket: Bucket) -> Validator:
    settings = Settings(
        bucket=_BUCKET,
        table="table",
        prefix="bench",
        model_package_group="bench",
        endpoint_name="bench",
        images_per_function=int(os.environ.get("IMAGES_PER_FUNCTION", "20000")),
    )
    return Validator(bucket, cast(Ledger, _Ledger()), cast(Registry, _Registry()), settings)


def _fill(bucket: Bucket) -> None:
    """Write for all shards what reading them would find; reading a million pictures takes hours."""
    for shard in bucket.read_json(s3_layout.image_shards(RUN)):
        rows = bucket.read_rows(s3_layout.images_to_check(RUN, shard))
        images = (StoredImage(*json.loads(row)) for row in rows)
        bucket.write_rows(
            s3_layout.checked_images(RUN, shard),
            (
                json.dumps(
                    [*_fields(each), hashlib.sha256(each.key.encode()).hexdigest(), "", 320, 48]
                )
                + "\n"
                for each in images
            ),
        )


def _fields(image: StoredImage) -> tuple[int, str, int]:
    return image.number, image.key, image.size


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
