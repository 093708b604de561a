"""The product's loop on a local cloud, used as a person would use it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import LabelledLine, write_labels
from benchmarks.models import unpack
from benchmarks.places import REPOSITORY, ROOT
from localcloud import lifecycle
from ocr_retrain.bootstrap import bootstrap
from ocr_retrain.connection import Cloud, connect_local
from ocr_retrain.dataset_folder import FolderFile, scan
from ocr_retrain.drop import drop, upload
from ocr_retrain.errors import UserError
from ocr_retrain.follow import known_executions, next_execution
from ocr_retrain.local_cloud import start_local_cloud
from ocr_retrain.model_registry import describe_version, latest_approved
from ocr_retrain.s3_uris import split_uri
from ocr_retrain.terminal import note
from ocr_retrain.watching import Watched, watch_run

_START_TIMEOUT = 180.0


@dataclass(frozen=True)
class Loop:
    """The deployed product; `workspace` is for the folders that are dropped and for models."""

    cloud: Cloud
    workspace: Path

    def start_from(self, base: str, golden: Sequence[LabelledLine], images: Path) -> None:
        """Register and deploy a base model, and upload what must not get worse."""
        bootstrap(self.cloud, REPOSITORY, base)
        folder = write_folder(self.workspace / "golden", images, {"test.txt": golden})
        upload(self.cloud.s3, self.cloud.stack.bucket, "golden/general/", scan(folder), _ignore)

    def learn(
        self, name: str, parts: Mapping[str, Sequence[LabelledLine]], images: Path
    ) -> Watched:
        """Drop a dataset (label file to lines) and wait until its run is over."""
        folder = write_folder(self.workspace / name, images, parts)
        known = known_executions(self.cloud)
        drop(self.cloud.s3, self.cloud.stack.bucket, scan(folder), name, _ignore)
        execution = next_execution(self.cloud, known, time.monotonic() + _START_TIMEOUT)
        if execution is None:
            raise UserError(f"Dropping {name} started no run.")
        return watch_run(self.cloud, execution.arn)

    def approved(self) -> tuple[int, Path]:
        """Return the latest approved version's number and its model."""
        package = latest_approved(self.cloud.sagemaker, self.cloud.stack.model_package_group)
        if package is None:
            raise UserError("No version is approved.")
        directory = self.workspace / "models" / str(package.version)
        if not directory.is_dir():
            uri = describe_version(self.cloud.sagemaker, package.arn).model_data
            archive = directory.with_suffix(".tar.gz")
            archive.parent.mkdir(parents=True, exist_ok=True)
            self.cloud.s3.download_file(*split_uri(uri), str(archive))
            unpack(archive, directory)
        return package.version, directory


@contextmanager
def running_loop(workspace: Path, parameters: Mapping[str, str]) -> Iterator[Loop]:
    """Start a local cloud with the stack in it, and end it."""
    home = workspace / "cloud"
    connection = start_local_cloud(
        home, ROOT, note, parameters=parameters, bind_to_this_process=True
    )
    try:
        yield Loop(connect_local(connection, connection.stack_name), workspace)
    finally:
        lifecycle.stop(home)


def write_folder(folder: Path, images: Path, parts: Mapping[str, Sequence[LabelledLine]]) -> Path:
    """Write a dataset as people upload it: images/ and the named files in labels/."""
    (folder / "images").mkdir(parents=True)
    for file, lines in parts.items():
        named = []
        for line in lines:
            image = f"images/{line.name.replace('/', '-')}"
            shutil.copyfile(images / line.name, folder / image)
            named.append(LabelledLine(image, line.text))
        write_labels(folder / "labels" / file, named)
    return folder


def _ignore(_: FolderFile) -> None:
    return None
