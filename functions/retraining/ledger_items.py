"""What the ledger remembers, and under which keys. Pure.

Items have the keys ``pk`` and ``sk``, both text: ("DATASET", name), ("UPLOAD", dataset/relative),
("LOCK", "retrain") and ("RUN", run id). Times are ISO, in UTC, and sort as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Item = Mapping[str, Any]
LOCK: Final = {"pk": "LOCK", "sk": "retrain"}
DATASETS: Final = "DATASET"
UPLOADS: Final = "UPLOAD"
_SEQUENCER_DIGITS = 64


@dataclass(frozen=True)
class Seen:
    """A label file as it lies in the bucket; ``sequencer`` is S3's order of its versions."""

    dataset: str
    relative: str
    etag: str
    sequencer: str
    size: int
    version_id: str

    @property
    def order(self) -> str:
        """Sort the versions of one file: S3 compares sequencers padded with zeros, as text."""
        return self.sequencer.upper().ljust(_SEQUENCER_DIGITS, "0")


@dataclass(frozen=True)
class Upload:
    """A recorded label file."""

    dataset: str
    relative: str
    etag: str
    taken_etag: str
    seen_at: str

    @property
    def pending(self) -> bool:
        """Tell whether no run has read this version yet."""
        return self.etag not in {"", self.taken_etag}


@dataclass(frozen=True)
class Dataset:
    """A dataset. The ``trained_*`` URIs are of its last version that a registered model knows."""

    name: str
    state: str
    run_id: str
    attempts: int
    train_lines: int
    train_lines_uri: str
    holdout_lines_uri: str
    trained_train_uri: str
    trained_holdout_uri: str


@dataclass(frozen=True)
class Lock:
    """The active run, and since when."""

    run_id: str
    execution_arn: str
    acquired_at: str


@dataclass(frozen=True)
class Run:
    """A run, with the datasets it is started for."""

    run_id: str
    execution_arn: str
    datasets: tuple[str, ...]
    started_at: datetime


@dataclass(frozen=True)
class DatasetLines:
    """Where a run wrote the usable lines of a dataset, and how many there are."""

    dataset: str
    train_uri: str
    holdout_uri: str
    train_lines: int
    holdout_lines: int


def iso(moment: datetime) -> str:
    """Write a time so that earlier times sort first as text."""
    return moment.isoformat(timespec="milliseconds")


def dataset_key(name: str) -> dict[str, str]:
    """Key of a dataset."""
    return {"pk": DATASETS, "sk": name}


def upload_key(dataset: str, relative: str) -> dict[str, str]:
    """Key of a label file."""
    return {"pk": UPLOADS, "sk": f"{dataset}/{relative}"}


def run_key(run_id: str) -> dict[str, str]:
    """Key of a run."""
    return {"pk": "RUN", "sk": run_id}


def upload(item: Item) -> Upload:
    """Read a label file's item."""
    dataset, _, relative = str(item["sk"]).partition("/")
    return Upload(
        dataset,
        relative,
        etag=str(item.get("etag", "")),
        taken_etag=str(item.get("taken_etag", "")),
        seen_at=str(item.get("seen_at", "")),
    )


def dataset(item: Item) -> Dataset:
    """Read a dataset's item."""
    return Dataset(
        name=str(item["sk"]),
        state=str(item.get("state", "")),
        run_id=str(item.get("run_id", "")),
        attempts=int(item.get("attempts", 0)),
        train_lines=int(item.get("train_lines", 0)),
        train_lines_uri=str(item.get("train_lines_uri", "")),
        holdout_lines_uri=str(item.get("holdout_lines_uri", "")),
        trained_train_uri=str(item.get("trained_train_uri", "")),
        trained_holdout_uri=str(item.get("trained_holdout_uri", "")),
    )


def lock(item: Item) -> Lock:
    """Read the lock's item."""
    return Lock(str(item["run_id"]), str(item["execution_arn"]), str(item["acquired_at"]))


def run(item: Item) -> Run:
    """Read a run's item."""
    return Run(
        run_id=str(item["sk"]),
        execution_arn=str(item.get("execution_arn", "")),
        datasets=tuple(str(each) for each in item.get("datasets", ())),
        started_at=datetime.fromisoformat(str(item["started_at"])),
    )
