"""Reads a drop into the workspace: its listing and its label files, not yet its images."""

import json
import posixpath
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from retraining import s3_layout
from retraining.label_files import (
    is_holdout_file,
    is_superseded,
    looks_like_a_label_file,
    parse_label_file,
)
from retraining.label_paths import OutsideDatasetError, candidates, composed
from retraining.label_rows import LabelLine
from retraining.lines import format_points
from retraining.normalization import Normalization
from retraining.problems import Problem
from retraining.s3_layout import Root
from retraining.storage import Bucket, NoSuchObjectError, StoredObject
from retraining.undownloadable import set_undownloadable_lines_aside
from retraining.workspace import Workspace

# Most text files are small and many wait for S3 at once; larger ones are read piece by piece.
_READ_AT_ONCE = 256 * 1024
_READERS = 24
_BATCH = 96


@dataclass(frozen=True)
class _File:
    path: str
    key: str
    size: int
    etag: str
    loose: bool = True


class DropReader:
    """Reads one labelled folder. Faults in it are problems in the workspace, never exceptions."""

    def __init__(
        self, root: Root, bucket: Bucket, workspace: Workspace, normalization: Normalization
    ) -> None:
        """Read that folder of the bucket; texts are normalised on the way."""
        self._root = root
        self._bucket = bucket
        self._workspace = workspace
        self._db = workspace.db
        self._normalization = normalization
        self._dataset = workspace.add_dataset(root.name)
        self.packed = 0
        self.changed = False

    def read(self) -> None:
        """List the folder and read its label files; ``packed`` archives are left for later.

        ``changed`` tells that a label file was replaced meanwhile: the new one may name images that
        came after the listing, so the folder must be read anew.
        """
        self._list_loose_objects()
        self._list_archive_members()
        texts = self._text_files()
        names = [each.path for each in texts]
        for file, stream in self._opened([each for each in texts if self._counts(each, names)]):
            self._read_text_file(file, stream)
        set_undownloadable_lines_aside(self._workspace, self._dataset, self._root.prefix)

    def mark_known(self, relative: str, etag: str) -> None:
        """Note what the ledger knew of an upload before the folder was listed.

        An archive that is there but is not unpacked yet is left for later.
        """
        if s3_layout.is_archive(relative) and self._lies_unread(relative):
            return
        self._db.execute(
            "INSERT INTO uploads (dataset, relative, known_etag) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET known_etag = ?3",
            (self._dataset, relative, etag),
        )

    def _lies_unread(self, relative: str) -> bool:
        found = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM objects WHERE dataset = ?1 AND composed = ?2"
            " AND key = ?3) AND NOT EXISTS (SELECT 1 FROM uploads WHERE dataset = ?1"
            " AND relative = ?4)",
            (self._dataset, composed(relative), self._root.prefix + relative, relative),
        ).fetchone()
        return bool(found[0])

    # --- the listing

    def _list_loose_objects(self) -> None:
        root = self._root.prefix
        self._db.executemany(
            "INSERT INTO objects (dataset, path, composed, key, size, etag)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (self._row(each.key.removeprefix(root), each) for each in self._bucket.list(root)),
        )

    def _list_archive_members(self) -> None:
        """Take in the members of archives; what lies there loose wins over a member."""
        for archive in self._archives():
            try:
                index = self._bucket.read_json(self._root.archive_index(archive.path, archive.etag))
            except NoSuchObjectError:
                self.packed += 1
                continue
            self._mark_read(archive.path, archive.etag)
            for each in index["problems"]:
                problem = Problem(each["code"], each["where"], each["detail"])
                self._workspace.add_problem(self._dataset, problem, of_line=False)
            folder = posixpath.dirname(archive.path)
            members = self._root.archive_members(archive.path, archive.etag)
            self._db.executemany(
                "INSERT INTO objects (dataset, path, composed, key, size, etag)"
                " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM objects"
                " WHERE dataset = ?1 AND composed = ?3 AND path = ?2)",
                (
                    self._row(posixpath.join(folder, each.key.removeprefix(members)), each)
                    for each in self._bucket.list(members)
                ),
            )

    def _archives(self) -> list[_File]:
        is_archive = " OR ".join(f"path LIKE '%{each}'" for each in s3_layout.ARCHIVE_SUFFIXES)
        found = self._db.execute(
            f"SELECT path, key, size, etag FROM objects WHERE dataset = ? AND ({is_archive})",  # noqa: S608
            (self._dataset,),
        )
        return sorted((_File(*each) for each in found), key=lambda each: each.path)

    def _row(self, path: str, stored: StoredObject) -> tuple[object, ...]:
        return (self._dataset, path, composed(path), stored.key, stored.size, stored.etag)

    # --- label files

    def _text_files(self) -> list[_File]:
        """Tell all text files; those that hold out come first, since the first mention counts."""
        found = self._db.execute(
            "SELECT path, key, size, etag FROM objects WHERE dataset = ? AND path LIKE '%.txt'",
            (self._dataset,),
        )
        texts = [
            _File(path, key, size, etag, loose=key == self._root.prefix + path)
            for path, key, size, etag in found
        ]
        return sorted(texts, key=lambda each: (not is_holdout_file(each.path), each.path))

    def _counts(self, file: _File, names: Sequence[str]) -> bool:
        if not is_superseded(file.path, names):
            return True
        self._mark_read(file.path, file.etag, loose=file.loose)
        about = "was not read: rec_gt*.txt beside it holds the same lines, cropped"
        self._file_problem(Problem("superseded_label_file", self._named(file), about))
        return False

    def _opened(self, files: Sequence[_File]) -> Iterator[tuple[_File, Iterator[bytes] | None]]:
        """Give the content of each file in order, None when it has been deleted since."""
        with ThreadPoolExecutor(_READERS) as readers:
            for start in range(0, len(files), _BATCH):
                batch = files[start : start + _BATCH]
                small = [each for each in batch if each.size <= _READ_AT_ONCE]
                contents = dict(zip(small, readers.map(self._content, small), strict=True))
                for each in batch:
                    yield each, contents[each] if each in contents else self._stream(each)

    def _content(self, file: _File) -> Iterator[bytes] | None:
        try:
            content = self._bucket.read(file.key)
        except NoSuchObjectError:
            return None
        return iter([content.etag.encode(), content.body])

    def _stream(self, file: _File) -> Iterator[bytes] | None:
        try:
            stream = self._bucket.stream(file.key)
        except NoSuchObjectError:
            return None
        return chain([stream.etag.encode()], stream.chunks)

    def _read_text_file(self, file: _File, content: Iterator[bytes] | None) -> None:
        if content is None:
            return
        etag = next(content).decode()
        self.changed |= etag != file.etag
        self._mark_read(file.path, etag, loose=file.loose)
        first = next(content, b"")
        if not looks_like_a_label_file(file.path, first):
            about = "has no `path<TAB>text` lines; ignored"
            self._file_problem(Problem("not_a_label_file", self._named(file), about))
            return
        self._db.execute("INSERT INTO label_files VALUES (?, ?)", (self._dataset, file.path))
        own_holdout = is_holdout_file(file.path)
        for row in parse_label_file(self._named(file), chain([first], content)):
            for problem in row.problems:
                of_line = row.number > 0
                self._workspace.add_problem(self._dataset, problem, of_line=of_line)
            for line in row.lines:
                self._add_line(line, file.path, own_holdout=own_holdout)

    def _named(self, file: _File) -> str:
        return f"{self._root.name}/{file.path}"

    def _file_problem(self, problem: Problem) -> None:
        self._workspace.add_problem(self._dataset, problem, of_line=False)

    def _mark_read(self, relative: str, etag: str, *, loose: bool = True) -> None:
        # What lies in an archive is settled with the archive.
        if loose:
            self._db.execute(
                "INSERT INTO uploads (dataset, relative, read_etag) VALUES (?1, ?2, ?3)"
                " ON CONFLICT DO UPDATE SET read_etag = ?3",
                (self._dataset, relative, etag),
            )

    # --- lines

    def _add_line(self, line: LabelLine, label_file: str, *, own_holdout: bool) -> None:
        problem = self._fault(line, label_file, own_holdout=own_holdout)
        if problem:
            self._workspace.add_problem(self._dataset, problem, of_line=True)

    def _fault(self, line: LabelLine, label_file: str, *, own_holdout: bool) -> Problem | None:
        try:
            paths = candidates(line.path, label_file)
        except OutsideDatasetError:
            return Problem("outside_dataset", line.where, f"{line.path} lies outside the dataset")
        found = self._find(paths)
        if found is None:
            self._db.execute(
                "INSERT OR IGNORE INTO missing VALUES (?, ?)",
                (self._dataset, self._root.prefix + paths[0]),
            )
            return Problem("missing_image", line.where, line.path)
        return self._add_found(found, line, own_holdout=own_holdout)

    def _find(self, paths: Sequence[str]) -> int | None:
        for path in paths:
            found = self._db.execute(
                "SELECT id FROM objects WHERE dataset = ? AND composed = ?"
                " ORDER BY path = ? DESC LIMIT 1",
                (self._dataset, composed(path), path),
            ).fetchone()
            if found:
                return int(found[0])
        return None

    def _add_found(self, image: int, line: LabelLine, *, own_holdout: bool) -> Problem | None:
        normal = self._normalization.apply(line.text)
        points = format_points(line.points) if line.points else ""
        added = self._db.execute(
            "INSERT OR IGNORE INTO lines"
            " (dataset, object, points, text, place, own_holdout, changed_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._dataset,
                image,
                points,
                normal.text,
                line.where,
                own_holdout,
                ",".join(normal.changed_by),
            ),
        )
        if added.rowcount:
            return None
        text, place = self._db.execute(
            "SELECT text, place FROM lines WHERE object = ? AND points = ?", (image, points)
        ).fetchone()
        if text == normal.text:
            about = f"{line.path} has the same text from {place} already"
            return Problem("duplicate_line", line.where, about)
        about = f"{line.path} has another text from {place}: {json.dumps(text, ensure_ascii=False)}"
        return Problem("conflicting_label", line.where, about)
