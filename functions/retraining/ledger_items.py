"""What the ledger remembers, and under which keys. Pure. docs/ledger.md has the same for people.

Items have the keys ``pk`` and ``sk``, both text; times are ISO, in UTC, and sort as text:

- ("DATASET", name): state, run_id, attempts, reason, package_arn, train_lines, holdout_lines,
  train_lines_uri, holdout_lines_uri, contents_uri, trained_train_uri, trained_holdout_uri,
  news, offered, queued_at, missing, set_aside_by, last_seen_same_at, updated_at
- ("UPLOAD", dataset/relative): etag, version_id, size, sequencer, lines, seen_at, taken_etag,
  taken_version_id, taken_lines, taken_by, last_seen_same_at
- ("LOCK", "retrain"): run_id, execution_arn, acquired_at, started_at, problem
- ("RUN", run id): execution_arn, datasets, started_at, ended_at, outcome, reason, package_arn
- ("SWITCH", "pause"): since, by, reason
- ("DECISION", "last"): action, reason, datasets, run_id, decided_at
- ("SEARCH", "incoming"): up_to, updated_at
- ("GOLDEN", name): state, reason, lines, problems, fingerprint, lines_uri, contents_uri,
  first_seen_at, updated_at
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Item = Mapping[str, Any]
LOCK: Final = {"pk": "LOCK", "sk": "retrain"}
PAUSE: Final = {"pk": "SWITCH", "sk": "pause"}
DECISION: Final = {"pk": "DECISION", "sk": "last"}
SEARCH: Final = {"pk": "SEARCH", "sk": "incoming"}
DATASETS: Final = "DATASET"
UPLOADS: Final = "UPLOAD"
GOLDEN_SETS: Final = "GOLDEN"
# Of a decision; names have at most 240 bytes, an item at most 400 kB.
MOST_DATASETS_NAMED: Final = 1_000
_SEQUENCER_DIGITS = 64


@dataclass(frozen=True)
class Seen:
    """An upload as it lies in the bucket; ``sequencer`` is S3's order of its versions."""

    dataset: str
    relative: str
    etag: str
    sequencer: str
    size: int
    version_id: str

    @property
    def order(self) -> str:
        """Sort the versions of one file: S3 compares sequencers padded with zeros, as text.

        "" for what no event has told of, and before all others.
        """
        if not self.sequencer:
            return ""
        return self.sequencer.upper().ljust(_SEQUENCER_DIGITS, "0")


@dataclass(frozen=True)
class Upload:
    """A recorded label file or archive.

    ``taken_*`` tell of the version that a run read last. ``lines`` are None where they were not
    counted. ``order`` is that of ``Seen``, "" for a file that was read before it was announced.
    """

    dataset: str
    relative: str
    etag: str
    taken_etag: str
    seen_at: str
    size: int = 0
    version_id: str = ""
    order: str = ""
    lines: int | None = None
    taken_lines: int | None = None
    taken_version_id: str = ""
    taken_by: str = ""
    last_seen_same_at: str = ""

    @property
    def pending(self) -> bool:
        """Tell whether no run has read this version yet."""
        return self.etag not in {"", self.taken_etag}

    @property
    def new_lines(self) -> int | None:
        """Tell how many lines are new: a file that grew brings its growth, any other all."""
        if self.lines is None:
            return None
        grown = self.lines - (self.taken_lines or 0)
        return grown if grown > 0 else self.lines


@dataclass(frozen=True)
class Dataset:
    """A dataset. The ``trained_*`` URIs are of its last version that a registered model knows.

    ``news`` counts its uploads, ``offered`` is that count when its last run began. ``missing``
    counts images that its run waits for; ``set_aside_by`` is a run that went on without it.
    """

    name: str
    state: str
    run_id: str
    attempts: int
    train_lines: int
    train_lines_uri: str
    holdout_lines_uri: str
    trained_train_uri: str
    trained_holdout_uri: str
    holdout_lines: int = 0
    contents_uri: str = ""
    reason: str = ""
    package_arn: str = ""
    news: int = 0
    offered: int = -1
    queued_at: str = ""
    missing: int = 0
    set_aside_by: str = ""
    last_seen_same_at: str = ""
    updated_at: str = ""

    @property
    def has_news(self) -> bool:
        """Tell whether something was uploaded since its last run began."""
        return self.news > self.offered


@dataclass(frozen=True)
class Lock:
    """The active run, and since when.

    ``started_at`` is "" until its execution is known to exist; ``problem`` says why it does not.
    """

    run_id: str
    execution_arn: str
    acquired_at: str
    started_at: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """A run, with the datasets it is started for."""

    run_id: str
    execution_arn: str
    datasets: tuple[str, ...]
    started_at: datetime


@dataclass(frozen=True)
class DatasetLines:
    """Where a run wrote the usable lines of a dataset, and how many there are.

    ``contents_uri`` names the sides of its images' contents, of all runs so far.
    """

    dataset: str
    train_uri: str
    holdout_uri: str
    train_lines: int
    holdout_lines: int
    contents_uri: str = ""


@dataclass(frozen=True)
class Pause:
    """No new run begins, since when, by whom and why."""

    since: str
    by: str
    reason: str


@dataclass(frozen=True)
class Decided:
    """What was last decided about starting a run, and about which datasets."""

    action: str
    reason: str
    datasets: tuple[str, ...]
    run_id: str
    decided_at: str

    def is_about(self, dataset: str) -> bool:
        """Tell whether it is about a dataset, as far as its datasets are named."""
        return dataset in self.datasets or len(self.datasets) >= MOST_DATASETS_NAMED


@dataclass(frozen=True)
class Golden:
    """A golden set: ``registered``, ``receiving`` or ``rejected``; ``problems`` are a count."""

    name: str
    state: str
    reason: str = ""
    lines: int = 0
    problems: int = 0
    fingerprint: str = ""
    lines_uri: str = ""
    contents_uri: str = ""
    first_seen_at: str = ""
    updated_at: str = ""


def iso(moment: datetime) -> str:
    """Write a time so that earlier times sort first as text."""
    return moment.isoformat(timespec="milliseconds")


def dataset_key(name: str) -> dict[str, str]:
    """Key of a dataset."""
    return {"pk": DATASETS, "sk": name}


def upload_key(dataset: str, relative: str) -> dict[str, str]:
    """Key of a label file or archive."""
    return {"pk": UPLOADS, "sk": f"{dataset}/{relative}"}


def run_key(run_id: str) -> dict[str, str]:
    """Key of a run."""
    return {"pk": "RUN", "sk": run_id}


def golden_key(name: str) -> dict[str, str]:
    """Key of a golden set."""
    return {"pk": GOLDEN_SETS, "sk": name}


def upload(item: Item) -> Upload:
    """Read the item of a label file or archive."""
    dataset, _, relative = str(item["sk"]).partition("/")
    return Upload(
        dataset,
        relative,
        etag=_text(item, "etag"),
        taken_etag=_text(item, "taken_etag"),
        seen_at=_text(item, "seen_at"),
        size=_number(item, "size"),
        version_id=_text(item, "version_id"),
        order=_text(item, "sequencer"),
        lines=_count(item, "lines"),
        taken_lines=_count(item, "taken_lines"),
        taken_version_id=_text(item, "taken_version_id"),
        taken_by=_text(item, "taken_by"),
        last_seen_same_at=_text(item, "last_seen_same_at"),
    )


def dataset(item: Item) -> Dataset:
    """Read a dataset's item."""
    return Dataset(
        name=str(item["sk"]),
        state=_text(item, "state"),
        run_id=_text(item, "run_id"),
        attempts=_number(item, "attempts"),
        train_lines=_number(item, "train_lines"),
        train_lines_uri=_text(item, "train_lines_uri"),
        holdout_lines_uri=_text(item, "holdout_lines_uri"),
        trained_train_uri=_text(item, "trained_train_uri"),
        trained_holdout_uri=_text(item, "trained_holdout_uri"),
        holdout_lines=_number(item, "holdout_lines"),
        contents_uri=_text(item, "contents_uri"),
        reason=_text(item, "reason"),
        package_arn=_text(item, "package_arn"),
        news=_number(item, "news"),
        # Without a run so far, whatever is pending is news.
        offered=int(item.get("offered", -1)),
        queued_at=_text(item, "queued_at"),
        missing=_number(item, "missing"),
        set_aside_by=_text(item, "set_aside_by"),
        last_seen_same_at=_text(item, "last_seen_same_at"),
        updated_at=_text(item, "updated_at"),
    )


def lock(item: Item) -> Lock:
    """Read the lock's item."""
    return Lock(
        str(item["run_id"]),
        _text(item, "execution_arn"),
        str(item["acquired_at"]),
        started_at=_text(item, "started_at"),
        problem=_text(item, "problem"),
    )


def run(item: Item) -> Run:
    """Read a run's item."""
    return Run(
        run_id=str(item["sk"]),
        execution_arn=_text(item, "execution_arn"),
        datasets=tuple(str(each) for each in item.get("datasets", ())),
        started_at=datetime.fromisoformat(str(item["started_at"])),
    )


def pause(item: Item) -> Pause:
    """Read the pause switch."""
    return Pause(_text(item, "since"), _text(item, "by"), _text(item, "reason"))


def decided(item: Item) -> Decided:
    """Read the last decision."""
    return Decided(
        action=_text(item, "action"),
        reason=_text(item, "reason"),
        datasets=tuple(str(each) for each in item.get("datasets", ())),
        run_id=_text(item, "run_id"),
        decided_at=_text(item, "decided_at"),
    )


def golden(item: Item) -> Golden:
    """Read a golden set's item."""
    return Golden(
        name=str(item["sk"]),
        state=_text(item, "state"),
        reason=_text(item, "reason"),
        lines=_number(item, "lines"),
        problems=_number(item, "problems"),
        fingerprint=_text(item, "fingerprint"),
        lines_uri=_text(item, "lines_uri"),
        contents_uri=_text(item, "contents_uri"),
        first_seen_at=_text(item, "first_seen_at"),
        updated_at=_text(item, "updated_at"),
    )


def _text(item: Item, name: str) -> str:
    return str(item.get(name) or "")


def _number(item: Item, name: str) -> int:
    return int(item.get(name) or 0)


def _count(item: Item, name: str) -> int | None:
    value = item.get(name)
    return None if value is None else int(value)
