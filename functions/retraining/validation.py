"""Validates the drops of a run and writes the lines that can be used."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from retraining import s3_layout
from retraining.character_check import KnownCharacters, NotKnown, check_characters
from retraining.dictionary import Dictionary
from retraining.drops import Drop, DropLine, read_drop
from retraining.holdout import Split, UsableLine, split
from retraining.images import LARGEST_FILE_BYTES, ImageCheck, check_image
from retraining.label_files import Problem
from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines, Upload
from retraining.lines import Line, format_lines
from retraining.new_characters import Growth, format_characters
from retraining.normalization import Normalization, Normalized, count_changes
from retraining.registry import Registry
from retraining.settings import Settings
from retraining.storage import Bucket, NoSuchObjectError
from retraining.validation_report import DatasetReport, Report, Validation

READERS = 24


@dataclass(frozen=True)
class _Readable:
    """The lines of a drop whose image can be read, and what is wrong with the others."""

    lines: tuple[UsableLine, ...]
    normalized: tuple[Normalized, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Validator:
    """The work, with what it works on."""

    bucket: Bucket
    ledger: Ledger
    registry: Registry
    settings: Settings
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def validate(self, run_id: str, datasets: Sequence[str], started_at: datetime) -> Validation:
        """Validate the datasets of a run.

        While images are missing and there is time left, only says so. Otherwise reads every
        image once, writes the usable lines of each dataset and settles its label files in the
        ledger. validation.json is written either way.
        """
        # Before the listing: what the ledger knows by now is contained in what is read below.
        uploads = {name: self.ledger.uploads_of(name) for name in datasets}
        drops = [read_drop(name, self.bucket) for name in datasets]
        waited = self.clock() - started_at
        report = Report(
            run_id=run_id,
            complete=not any(each.missing for each in drops),
            give_up_waiting=waited >= timedelta(seconds=self.settings.upload_wait_seconds),
            datasets=[_found(each) for each in drops],
            missing=[name for each in drops for name in each.missing],
            problems=[problem for each in drops for problem in each.problems],
        )
        if not report.waits:
            report = self._finish(report, drops)
            for drop in drops:
                self._settle(drop, uploads[drop.dataset], run_id)
        uri = self.bucket.write_json(s3_layout.validation_report(run_id), report.as_json())
        return report.as_answer(uri)

    def _finish(self, report: Report, drops: Sequence[Drop]) -> Report:
        images = self._check_images([line for each in drops for line in each.lines])
        readable = [_readable(each, images, self.settings.text_normalization) for each in drops]
        growth = Growth(self.settings.grow_dictionary, self.settings.min_character_lines)
        usable = check_characters(self._split(readable), self._known(), growth)
        for drop, parts in zip(drops, usable.parts, strict=True):
            self._write(report.run_id, drop.dataset, parts)
        self.bucket.write_text(
            s3_layout.new_characters(report.run_id), format_characters(usable.new)
        )
        return Report(
            run_id=report.run_id,
            complete=report.complete,
            give_up_waiting=report.give_up_waiting,
            datasets=[_used(drop, parts) for drop, parts in zip(drops, usable.parts, strict=True)],
            missing=report.missing,
            problems=[
                *report.problems,
                *(found for each in readable for found in each.problems),
                *usable.problems,
            ],
            normalised=count_changes(found for each in readable for found in each.normalized),
            characters=usable.findings,
        )

    def _known(self) -> KnownCharacters:
        champion = self.registry.latest_approved()
        if champion is None:
            return NotKnown("There is no approved model; characters were not checked.")
        if not champion.dictionary_uri:
            return NotKnown(f"{champion.arn} has no dictionary_uri; characters were not checked.")
        try:
            content = self.bucket.read_text(self.bucket.key(champion.dictionary_uri))
        except (NoSuchObjectError, UnicodeDecodeError, ValueError) as error:
            return NotKnown(
                f"The dictionary of {champion.arn} cannot be read ({error}); "
                "characters were not checked."
            )
        return Dictionary.parse(content)

    def _check_images(self, lines: Sequence[DropLine]) -> Mapping[str, ImageCheck]:
        """Read every image once. Only the results are kept, never the bytes."""
        sizes = {line.image: line.size for line in lines}
        with ThreadPoolExecutor(READERS) as readers:
            checks = readers.map(self._check_image, sizes.keys(), sizes.values())
            return dict(zip(sizes, checks, strict=True))

    def _check_image(self, key: str, size: int) -> ImageCheck:
        if size > LARGEST_FILE_BYTES:
            limit = LARGEST_FILE_BYTES // 1024**2
            return ImageCheck("", f"the file is larger than {limit} MB")
        try:
            return check_image(self.bucket.read(key).body)
        except NoSuchObjectError:
            return ImageCheck("", "the file was deleted while the dataset was read")

    def _split(self, readable: Sequence[_Readable]) -> list[Split]:
        parts = [
            split(each.lines, self.settings.holdout_percent, self.settings.min_slice_lines)
            for each in readable
        ]
        # The same image in two datasets may be held out in only one of them: holdout wins.
        held = {sha for each in parts for sha in each.held_images}
        return [each.without_train_images(held) for each in parts]

    def _write(self, run_id: str, dataset: str, parts: Split) -> None:
        train, holdout = (
            self.bucket.write_text(key(run_id, dataset), format_lines(lines))
            for key, lines in (
                (s3_layout.train_lines, parts.train),
                (s3_layout.holdout_lines, parts.holdout),
            )
        )
        written = DatasetLines(dataset, train, holdout, len(parts.train), len(parts.holdout))
        self.ledger.record_lines(written, run_id, self.clock())

    def _settle(self, drop: Drop, uploads: Sequence[Upload], run_id: str) -> None:
        """Mark the label files of a drop as taken, those deleted meanwhile included."""
        known = {each.relative: each.etag for each in uploads}
        read = {each.relative: each.etag for each in drop.read_files}
        for relative in {**known, **read}:
            known_etag = known.get(relative, "")
            self.ledger.take_upload(
                drop.dataset,
                relative,
                read_etag=read.get(relative, known_etag),
                known_etag=known_etag,
                run_id=run_id,
            )


def _readable(
    drop: Drop, images: Mapping[str, ImageCheck], normalization: Normalization
) -> _Readable:
    lines: list[UsableLine] = []
    normalized: list[Normalized] = []
    problems: list[Problem] = []
    for each in drop.lines:
        check = images[each.image]
        if check.problem:
            about = f"{each.image}: {check.problem}"
            problems.append(Problem("unreadable_image", each.where, about))
            continue
        normal = normalization.apply(each.text)
        normalized.append(normal)
        line = Line(each.image, normal.text)
        lines.append(UsableLine(line, check.sha256, each.own_holdout, each.where))
    return _Readable(tuple(lines), tuple(normalized), tuple(problems))


def _found(drop: Drop) -> DatasetReport:
    return DatasetReport(drop.dataset, drop.label_files, drop.label_lines)


def _used(drop: Drop, parts: Split) -> DatasetReport:
    return DatasetReport(
        drop.dataset,
        drop.label_files,
        drop.label_lines,
        train_lines=len(parts.train),
        holdout_lines=len(parts.holdout),
        holdout_rule=parts.rule,
    )
