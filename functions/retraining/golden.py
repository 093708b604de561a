"""Keeps the golden sets: what lies under ``golden/<set>/``, validated and registered like drops.

Nothing announces the last image of an upload, so this looks at what is there, at any time and as
often as one likes. A set is read again only when something in it has changed.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from retraining import coverage, s3_layout, shards
from retraining.archive_streams import SourceError
from retraining.drops import DropReader
from retraining.image_faults import set_faulty_lines_aside
from retraining.image_reading import check_images
from retraining.ledger import Ledger
from retraining.ledger_items import Golden, iso
from retraining.lines import Line, format_line, parse_line, parse_points
from retraining.normalization import Normalization
from retraining.planning import GoldenSet, only_existing
from retraining.settings import Settings
from retraining.storage import Bucket, StoredObject
from retraining.unpacking import HasTime, OutOfTimeError, Unpacker
from retraining.validation_report import DatasetReport
from retraining.workspace import Workspace, new_workspace

REGISTERED, RECEIVING, REJECTED = "registered", "receiving", "rejected"
# What a small function, called by an upload, reads at once; larger sets wait for a validation.
_MOST_IMAGES_AT_ONCE = 300
_LARGEST_AT_ONCE = 1024 * 1024
_MOST_OBJECTS_AT_ONCE = 5_000
_MOST_TEXT_AT_ONCE = 4 * 1024 * 1024
_MOST_PACKED_AT_ONCE = 32 * 1024 * 1024
_OBJECTS_PER_LOOK = 1_000
_NEXT_RUN = "It is read with the next run."
# Kept as they are: the rules for texts may change later, and are applied when a run is planned.
_AS_THEY_ARE = Normalization()


@dataclass(frozen=True)
class GoldenKeeper:
    """Brings ledger and bucket to agree about golden sets."""

    bucket: Bucket
    ledger: Ledger
    settings: Settings
    clock: Callable[[], datetime]

    def refresh(self, *, quick: HasTime | None = None) -> None:
        """Register every golden set that changed, forget those that are gone.

        ``quick`` tells whether there is time left: then sets that are much to read are left to the
        next validation, and what there is no time for to the next call.
        """
        with suppress(OutOfTimeError):
            self._refresh(quick)

    def refresh_or_leave(self, has_time: HasTime) -> str:
        """Do so for as long as there is time; tells why it was left, or "".

        Where AWS refuses it is left to the schedule, which looks again.
        """
        try:
            self.refresh(quick=has_time)
        except (BotoCoreError, ClientError, SourceError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _refresh(self, quick: HasTime | None) -> None:
        known = {each.name: each for each in self.ledger.golden_sets()}
        present: set[str] = set()
        for lying in _lying(self.bucket, quick):
            present.add(lying.name)
            found = known.get(lying.name)
            if found is None or self._is_due(found, lying.fingerprint):
                self._register(lying, found or Golden(lying.name, ""), quick)
        for name in known.keys() - present:
            self.ledger.remove_golden(name)

    def _is_due(self, known: Golden, fingerprint: str) -> bool:
        if known.fingerprint != fingerprint:
            return True
        return known.state == RECEIVING and self._waited_enough(known.first_seen_at)

    def _waited_enough(self, since: str) -> bool:
        limit = timedelta(seconds=self.settings.upload_wait_seconds)
        return self.clock() - datetime.fromisoformat(since) >= limit

    def _register(self, lying: "_Lying", known: Golden, quick: HasTime | None) -> None:
        # How long images may be missing counts from when they first were.
        since = known.first_seen_at if known.state == RECEIVING else iso(self.clock())
        known = replace(known, first_seen_at=since)
        if not s3_layout.is_usable_name(lying.name):
            about = "Its name is too long or holds a character that no name can have; rename it."
            self._tell(replace(known, fingerprint=lying.fingerprint), REJECTED, about)
            return
        if quick and lying.is_much:
            self._tell(known, RECEIVING, _NEXT_RUN)
            return
        root = s3_layout.golden_root(lying.name)
        if quick and lying.has_archives:
            Unpacker(self.bucket).unpack([root], quick)
        with new_workspace() as workspace:
            reader = DropReader(root, self.bucket, workspace, _AS_THEY_ARE)
            reader.read()
            if reader.changed:
                self._tell(known, RECEIVING, "It changed while it was read.")
                return
            if reader.packed or (quick and _is_much(workspace)):
                self._tell(known, RECEIVING, _NEXT_RUN)
                return
            images, most = _images(workspace), self.settings.images_per_function
            if images > most:
                # Else every run would fail over it: no function has the time to read them all.
                about = f"Its labels name {images:,} images; a golden set has at most {most:,}."
                refused = replace(known, fingerprint=lying.fingerprint, lines=0, lines_uri="")
                self._tell(refused, REJECTED, about)
                return
            found = check_images(self.bucket, shards.images_to_check(workspace))
            shards.record_checks(workspace, found)
            set_faulty_lines_aside(workspace)
            self._record(workspace, replace(known, fingerprint=lying.fingerprint))

    def _tell(self, known: Golden, state: str, reason: str) -> None:
        """Record what keeps a set from being read, which is looked at again when it is due."""
        fingerprint = known.fingerprint if state == REJECTED else ""
        told = replace(known, state=state, reason=reason, fingerprint=fingerprint)
        if told != known or not known.updated_at:
            self.ledger.record_golden(replace(told, updated_at=iso(self.clock())))

    def _record(self, workspace: Workspace, golden: Golden) -> None:
        (found,) = coverage.dataset_reports(workspace)
        lines = workspace.count("SELECT COUNT(*) FROM lines WHERE side = ''")
        state, reason = self._judge(found, lines, golden.first_seen_at)
        contents = self.bucket.write_rows(
            s3_layout.golden_contents(golden.name, golden.fingerprint), _contents(workspace)
        )
        lines_uri = golden.lines_uri if state == RECEIVING else ""
        if state == REGISTERED:
            lines_uri = self.bucket.write_rows(
                s3_layout.golden_lines(golden.name, golden.fingerprint), _lines(workspace)
            )
        registered = replace(
            golden,
            state=state,
            reason=reason,
            lines=lines,
            problems=workspace.count("SELECT COUNT(*) FROM problems"),
            lines_uri=lines_uri,
            contents_uri=contents,
            updated_at=iso(self.clock()),
        )
        self._write_report(workspace, registered, found)
        self.ledger.record_golden(registered)

    def _judge(self, found: DatasetReport, lines: int, since: str) -> tuple[str, str]:
        may_wait = not self._waited_enough(since)
        if found.missing and may_wait:
            return RECEIVING, f"{found.missing} images that its labels name are missing."
        if lines:
            return REGISTERED, ""
        if found.label_lines:
            return REJECTED, f"None of its {found.label_lines} label lines can be used."
        reason = "It has no label file: upload labels/test.txt with `path<TAB>text` lines."
        return (RECEIVING if may_wait else REJECTED), reason

    def _write_report(self, workspace: Workspace, golden: Golden, found: DatasetReport) -> None:
        problems = self.bucket.write_rows(
            s3_layout.golden_problems(golden.name), coverage.problem_rows(workspace)
        )
        report = {
            "name": golden.name,
            "state": golden.state,
            "reason": golden.reason,
            "lines": golden.lines,
            "label_lines": found.label_lines,
            "unused_lines": dict(found.unused),
            "label_files": list(found.label_files),
            "missing_count": found.missing,
            "missing": coverage.first_missing(workspace),
            "problems": coverage.problem_summaries(workspace),
            "problems_uri": problems,
            "fingerprint": golden.fingerprint,
            "updated_at": golden.updated_at,
        }
        self.bucket.write_json(s3_layout.golden_report(golden.name), report)


def load_golden_sets(
    bucket: Bucket, ledger: Ledger, normalization: Normalization
) -> tuple[GoldenSet, ...]:
    """Read all registered golden sets, by name; their texts are normalised like those of a drop.

    A set whose new version is still arriving is known by its last one.
    """
    return tuple(
        _load(each, bucket, normalization) for each in ledger.golden_sets() if each.lines_uri
    )


def _load(golden: Golden, bucket: Bucket, normalization: Normalization) -> GoldenSet:
    rows = bucket.read_rows(bucket.key(golden.lines_uri))
    lines = [normalization.line(parse_line(row)) for row in rows]
    existing = {
        each.key
        for prefix in (s3_layout.golden_prefix, s3_layout.extracted_prefix)
        for each in bucket.list(prefix(golden.name))
    }
    present = only_existing(lines, existing)
    return GoldenSet(golden.name, present, golden.problems + len(lines) - len(present))


@dataclass
class _Lying:
    """A golden set as it lies there now."""

    name: str
    objects: int = 0
    text_bytes: int = 0
    archive_bytes: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, stored: StoredObject, relative: str) -> None:
        """Take in one of its objects."""
        self._digest.update(f"{relative}\n{stored.etag}\n".encode())
        self.objects += 1
        if s3_layout.is_archive(relative):
            self.archive_bytes += stored.size
        elif relative.lower().endswith(".txt"):
            self.text_bytes += stored.size

    @property
    def fingerprint(self) -> str:
        """Tell one state of the set from any other."""
        return self._digest.hexdigest()[:16]

    @property
    def has_archives(self) -> bool:
        return self.archive_bytes > 0

    @property
    def is_much(self) -> bool:
        """Tell whether it is too much for a small function, by the listing alone."""
        return (
            self.objects > _MOST_OBJECTS_AT_ONCE
            or self.text_bytes > _MOST_TEXT_AT_ONCE
            or self.archive_bytes > _MOST_PACKED_AT_ONCE
        )


def _lying(bucket: Bucket, quick: HasTime | None) -> Iterator[_Lying]:
    """Sum up every golden set; listings are sorted, so sets come whole.

    Raises OutOfTimeError.
    """
    current: _Lying | None = None
    for each in bucket.list(s3_layout.GOLDEN):
        of, _, relative = each.key.removeprefix(s3_layout.GOLDEN).partition("/")
        if not (of and relative):
            continue
        if current is None or of != current.name:
            if current:
                yield current
            current = _Lying(of)
        if quick and current.objects % _OBJECTS_PER_LOOK == 0 and not quick():
            raise OutOfTimeError
        current.add(each, relative)
    if current:
        yield current


def _images(workspace: Workspace) -> int:
    return workspace.count("SELECT COUNT(DISTINCT object) FROM lines")


def _is_much(workspace: Workspace) -> bool:
    images, largest = workspace.db.execute(
        "SELECT COUNT(*), COALESCE(MAX(size), 0) FROM objects"
        " WHERE id IN (SELECT object FROM lines)"
    ).fetchone()
    return bool(images > _MOST_IMAGES_AT_ONCE or largest > _LARGEST_AT_ONCE)


def _lines(workspace: Workspace) -> Iterator[str]:
    for key, text, points in workspace.db.execute(
        "SELECT key, text, points FROM lines JOIN objects ON objects.id = lines.object"
        " WHERE side = '' ORDER BY lines.id"
    ):
        yield format_line(Line(key, text, parse_points(points)))


def _contents(workspace: Workspace) -> Iterator[str]:
    for (digest,) in workspace.db.execute(
        "SELECT lower(hex(sha256)) FROM images WHERE problem = '' GROUP BY sha256 ORDER BY sha256"
    ):
        yield f"{digest}\tgolden\n"
