"""Keeps the golden sets: what lies under ``golden/<set>/``, validated and registered like drops.

Nothing announces the last image of an upload, so this looks at what is there, at any time and as
often as one likes. A set is read again only when something in it has changed.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from retraining import coverage, s3_layout, shards
from retraining.drops import DropReader, Root
from retraining.image_faults import set_faulty_lines_aside
from retraining.image_reading import check_images
from retraining.ledger import Ledger
from retraining.ledger_items import Golden, iso
from retraining.lines import Line, format_line, parse_line, parse_points
from retraining.normalization import Normalization
from retraining.planning import GoldenSet, only_existing
from retraining.settings import Settings
from retraining.storage import Bucket
from retraining.validation_report import DatasetReport
from retraining.workspace import Workspace, new_workspace

REGISTERED, RECEIVING, REJECTED = "registered", "receiving", "rejected"
# What a small function, called by an upload, reads at once; larger sets wait for a validation.
_MOST_IMAGES_AT_ONCE = 300
_LARGEST_AT_ONCE = 1024 * 1024
# Kept as they are: the rules for texts may change later, and are applied when a run is planned.
_AS_THEY_ARE = Normalization()


@dataclass(frozen=True)
class GoldenKeeper:
    """Brings ledger and bucket to agree about golden sets."""

    bucket: Bucket
    ledger: Ledger
    settings: Settings
    clock: Callable[[], datetime]

    def refresh(self, *, quick: bool = False) -> None:
        """Register every golden set that changed, forget those that are gone.

        ``quick`` leaves sets with many or large images to the next validation.
        """
        known = {each.name: each for each in self.ledger.golden_sets()}
        present = dict(_fingerprints(self.bucket))
        for name in known.keys() - present.keys():
            self.ledger.remove_golden(name)
        for name, fingerprint in present.items():
            found = known.get(name)
            if found is None or self._is_due(found, fingerprint):
                self._register(name, fingerprint, found or Golden(name, ""), quick=quick)

    def _is_due(self, known: Golden, fingerprint: str) -> bool:
        if known.fingerprint != fingerprint:
            return True
        return known.state == RECEIVING and self._waited_enough(known.first_seen_at)

    def _waited_enough(self, since: str) -> bool:
        limit = timedelta(seconds=self.settings.upload_wait_seconds)
        return self.clock() - datetime.fromisoformat(since) >= limit

    def _register(self, name: str, fingerprint: str, known: Golden, *, quick: bool) -> None:
        now = iso(self.clock())
        # How long images may be missing counts from when they first were.
        since = known.first_seen_at if known.state == RECEIVING else now
        with new_workspace() as workspace:
            root = Root(name, s3_layout.golden_prefix(name), unpacked=False)
            DropReader(root, self.bucket, workspace, _AS_THEY_ARE).read()
            if quick and _is_much(workspace):
                about = "It is read with the next run."
                waiting = replace(known, state=RECEIVING, reason=about, fingerprint="")
                self.ledger.record_golden(replace(waiting, first_seen_at=since, updated_at=now))
                return
            found = check_images(self.bucket, shards.images_to_check(workspace))
            shards.record_checks(workspace, found)
            set_faulty_lines_aside(workspace)
            self._record(workspace, replace(known, fingerprint=fingerprint, first_seen_at=since))

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
    existing = {each.key for each in bucket.list(s3_layout.golden_prefix(golden.name))}
    present = only_existing(lines, existing)
    return GoldenSet(golden.name, present, golden.problems + len(lines) - len(present))


def _fingerprints(bucket: Bucket) -> Iterator[tuple[str, str]]:
    """Sum up every golden set as it lies there now; listings are sorted, so sets come whole."""
    name, digest = "", hashlib.sha256()
    for each in bucket.list(s3_layout.GOLDEN):
        of, slash, relative = each.key.removeprefix(s3_layout.GOLDEN).partition("/")
        if not (slash and relative):
            continue
        if of != name:
            if name:
                yield name, digest.hexdigest()[:16]
            name, digest = of, hashlib.sha256()
        digest.update(f"{relative}\n{each.etag}\n".encode())
    if name:
        yield name, digest.hexdigest()[:16]


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
