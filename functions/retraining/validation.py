"""Validates the drops of a run and writes the lines that can be used.

Small drops are finished by one function. Where there are more images than one function reads, they
are handed out to many (``check_images``), and ``finish`` takes the work up again with the
workspace that lies in the bucket meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from retraining import coverage, s3_layout, shards
from retraining.character_check import CharacterCheck, KnownCharacters, NotKnown
from retraining.character_findings import CharacterFindings
from retraining.dictionary import Dictionary
from retraining.drops import DropReader
from retraining.golden import GoldenKeeper
from retraining.holdout import Rule, format_sides, load_golden, load_sides, split
from retraining.image_faults import set_faulty_lines_aside
from retraining.image_reading import check_images
from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines
from retraining.lines import Line, format_line, parse_points
from retraining.new_characters import Growth, format_characters
from retraining.registry import Registry
from retraining.settings import Settings
from retraining.storage import Bucket, NoSuchObjectError
from retraining.validation_report import Lists, Report, Validation
from retraining.workspace import HOLDOUT, TRAIN, UNUSED, Workspace, new_workspace

# Of the function's 15 minutes; the rest is for what comes before and after. Images are counted
# beforehand, but a page takes a hundred times as long as a line.
_TIME_FOR_IMAGES = timedelta(minutes=8)
_MOST_READINGS = 3


class DropChangedError(Exception):
    """A drop does not hold still."""


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

        While images are missing and there is time left, only says so. Otherwise reads every image
        once, writes the usable lines of each dataset and settles its uploads in the ledger; or, of
        too many images for one function, hands them out and says so. validation.json is written
        each time.

        Raises DropChangedError when label files are replaced again and again while they are read.
        """
        began = self.clock()
        self._golden().refresh()
        for _ in range(_MOST_READINGS):
            with new_workspace() as workspace:
                if self._read_drops(workspace, datasets):
                    return self._go_on(run_id, workspace, began, started_at)
        raise DropChangedError(
            f"Label files of {', '.join(datasets)} were replaced each time they were read; let the "
            "upload come to an end."
        )

    def _go_on(
        self, run_id: str, workspace: Workspace, began: datetime, started_at: datetime
    ) -> Validation:
        waited = self.clock() - started_at
        late = waited >= timedelta(seconds=self.settings.upload_wait_seconds)
        report = self._report(run_id, workspace)
        # What an earlier run has read was waited for then.
        awaited = any(
            each.missing and workspace.noted(f"news of {each.name}") for each in report.datasets
        )
        give_up = late or not (report.complete or awaited)
        workspace.note("give_up_waiting", "yes" if give_up else "")
        report = replace(report, give_up_waiting=give_up)
        if report.waits:
            for each in report.datasets:
                self.ledger.record_missing(each.name, each.missing, run_id, self.clock())
            return self._answer(replace(report, lists=self._write_lists(run_id, workspace)))
        self._set_incomplete_aside(workspace)
        if not self._check_images(workspace, until=began + _TIME_FOR_IMAGES):
            return self._hand_out(run_id, workspace)
        return self._finish(run_id, workspace)

    def finish(self, run_id: str) -> Validation:
        """Finish a validation whose images other functions have checked.

        Raises NoSuchObjectError when one of them has not.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "workspace.sqlite")
            self.bucket.download(s3_layout.workspace(run_id), path)
            workspace = Workspace(path)
            try:
                shards.record_checks(workspace, shards.read_checks(self.bucket, run_id))
                return self._finish(run_id, workspace)
            finally:
                workspace.close()

    # --- reading

    def _read_drops(self, workspace: Workspace, datasets: Sequence[str]) -> bool:
        """Read all of them; False when one has changed meanwhile."""
        for name in datasets:
            # Before the listing: what the ledger knows by now is contained in what is read below.
            uploads = self.ledger.uploads_of(name)
            root = s3_layout.drop_root(name)
            normalization = self.settings.text_normalization
            reader = DropReader(root, self.bucket, workspace, normalization)
            reader.read()
            if reader.changed:
                return False
            if not uploads or any(each.pending for each in uploads):
                workspace.note(f"news of {name}", "yes")
            for each in uploads:
                reader.mark_known(each.relative, each.etag)
        return True

    def _golden(self) -> GoldenKeeper:
        return GoldenKeeper(self.bucket, self.ledger, self.settings, self.clock)

    def _set_incomplete_aside(self, workspace: Workspace) -> None:
        if self.settings.on_missing_images != "reject":
            return
        for number, missing in workspace.db.execute(
            "SELECT dataset, COUNT(*) FROM missing GROUP BY dataset"
        ).fetchall():
            images = "1 image is" if missing == 1 else f"{missing} images are"
            why = f"was set aside because {images} missing (OnMissingImages is reject)"
            workspace.db.execute("UPDATE datasets SET set_aside = ? WHERE id = ?", (why, number))
            workspace.db.execute("UPDATE lines SET side = ? WHERE dataset = ?", (UNUSED, number))

    def _check_images(self, workspace: Workspace, *, until: datetime) -> bool:
        """Check all images, or those there is time for; tells whether that were all."""
        images = workspace.count("SELECT COUNT(DISTINCT object) FROM lines WHERE side = ''")
        if images > self.settings.images_per_function:
            return False
        checks = check_images(self.bucket, list(shards.images_to_check(workspace)))
        in_time = takewhile(lambda _: self.clock() < until, checks)
        shards.record_checks(workspace, in_time)
        return next(shards.images_to_check(workspace), None) is None

    def _hand_out(self, run_id: str, workspace: Workspace) -> Validation:
        images = shards.images_to_check(workspace)
        most = self.settings.images_per_function
        count, uri = shards.write_shards(self.bucket, run_id, images, most)
        report = self._report(run_id, workspace, lists=Lists(shards=count, shards_uri=uri))
        self.bucket.upload(s3_layout.workspace(run_id), workspace.save())
        return self._answer(report)

    # --- deciding, once everything is read

    def _finish(self, run_id: str, workspace: Workspace) -> Validation:
        set_faulty_lines_aside(workspace)
        self._load_history(workspace)
        split(workspace, Rule(self.settings.holdout_percent, self.settings.min_slice_lines))
        growth = Growth(self.settings.grow_dictionary, self.settings.min_character_lines)
        checked = CharacterCheck(self._known(), growth).run(
            workspace.texts(TRAIN),
            workspace.texts(HOLDOUT),
            workspace.used_lines(),
            workspace.set_line_aside,
        )
        new = format_characters(checked.new)
        self.bucket.write_text(s3_layout.new_characters(run_id), new)
        lists = self._write_lists(run_id, workspace)
        report = self._report(run_id, workspace, checked.findings, lists)
        answer = self._answer(report)
        self._write_datasets(report, workspace)
        self._settle(run_id, workspace)
        return answer

    def _load_history(self, workspace: Workspace) -> None:
        """Take in which images earlier runs trained on or held out, and which are golden."""
        numbers = {name: number for number, name in workspace.datasets()}
        for dataset in self.ledger.datasets():
            if dataset.contents_uri:
                rows = self.bucket.read_rows(self.bucket.key(dataset.contents_uri))
                load_sides(workspace, rows, numbers.get(dataset.name))
        for golden in self.ledger.golden_sets():
            if golden.contents_uri:
                rows = self.bucket.read_rows(self.bucket.key(golden.contents_uri))
                load_golden(workspace, rows, golden.name)

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

    # --- telling

    def _report(
        self,
        run_id: str,
        workspace: Workspace,
        characters: CharacterFindings | None = None,
        lists: Lists | None = None,
    ) -> Report:
        datasets = coverage.dataset_reports(workspace)
        return Report(
            run_id=run_id,
            complete=not any(each.missing for each in datasets),
            give_up_waiting=bool(workspace.noted("give_up_waiting")),
            datasets=datasets,
            missing_first=coverage.first_missing(workspace),
            problems=coverage.problem_summaries(workspace),
            normalised=coverage.normalised(workspace),
            characters=characters or CharacterFindings(),
            lists=lists or Lists(),
            enough_to_judge=self.settings.min_slice_lines,
        )

    def _write_lists(self, run_id: str, workspace: Workspace) -> Lists:
        missing, problems = (
            self.bucket.write_rows(key(run_id), rows(workspace))
            for key, rows in (
                (s3_layout.missing_images, coverage.missing_rows),
                (s3_layout.problems, coverage.problem_rows),
            )
        )
        return Lists(missing, problems)

    def _answer(self, report: Report) -> Validation:
        uri = self.bucket.write_json(s3_layout.validation_report(report.run_id), report.as_json())
        return report.as_answer(uri)

    def _write_datasets(self, report: Report, workspace: Workspace) -> None:
        for (number, name), found in zip(workspace.datasets(), report.datasets, strict=True):
            train, holdout = (
                self.bucket.write_rows(key(report.run_id, name), _rows(workspace, number, side))
                for key, side in (
                    (s3_layout.train_lines, TRAIN),
                    (s3_layout.holdout_lines, HOLDOUT),
                )
            )
            if found.set_aside:
                self.ledger.set_aside(name, found.set_aside, report.run_id, self.clock())
                continue
            contents = self.bucket.write_rows(
                s3_layout.contents(report.run_id, name),
                format_sides(workspace, number, trains=not report.outcome),
            )
            self.bucket.write_rows(
                s3_layout.image_contents(report.run_id, name), _image_rows(workspace, number)
            )
            written = DatasetLines(
                name, train, holdout, found.train_lines, found.holdout_lines, contents
            )
            self.ledger.record_lines(written, report.run_id, self.clock())

    def _settle(self, run_id: str, workspace: Workspace) -> None:
        """Mark the uploads of all drops as taken, those deleted meanwhile included."""
        for name, relative, known_etag, read_etag in workspace.db.execute(
            "SELECT datasets.name, relative, known_etag, read_etag FROM uploads"
            " JOIN datasets ON datasets.id = uploads.dataset ORDER BY dataset, relative"
        ):
            self.ledger.take_upload(
                name,
                relative,
                read_etag=read_etag or known_etag,
                known_etag=known_etag,
                run_id=run_id,
            )


def _rows(workspace: Workspace, dataset: int, side: str) -> Iterator[str]:
    for key, text, points in workspace.db.execute(
        "SELECT key, text, points FROM lines JOIN objects ON objects.id = lines.object"
        " WHERE lines.dataset = ? AND side = ? ORDER BY lines.id",
        (dataset, side),
    ):
        yield format_line(Line(key, text, parse_points(points)))


def _image_rows(workspace: Workspace, dataset: int) -> Iterator[str]:
    for digest, key in workspace.db.execute(
        "SELECT DISTINCT lower(hex(sha256)), key FROM lines"
        " JOIN objects ON objects.id = lines.object JOIN images ON images.object = lines.object"
        " WHERE lines.dataset = ? AND side IN (?, ?)",
        (dataset, TRAIN, HOLDOUT),
    ):
        yield f"{digest}\t{key}\n"
