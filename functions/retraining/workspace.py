"""What a validation knows so far, on the function's own disk.

A drop may name a million images; in a database on the disk they need no more memory than ten. The
steps of a validation (reading drops, checking images, splitting, checking characters) each work on
these tables and leave what they found there. Between two functions the file travels through S3.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from retraining.problems import Problem

_SCHEMA = """
CREATE TABLE datasets (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, rule TEXT DEFAULT '', set_aside TEXT DEFAULT '');
CREATE TABLE objects (
    id INTEGER PRIMARY KEY, dataset INTEGER, path TEXT, composed TEXT, key TEXT, size INTEGER,
    etag TEXT);
CREATE INDEX objects_by_name ON objects (dataset, composed);
CREATE TABLE label_files (dataset INTEGER, relative TEXT);
CREATE TABLE uploads (
    dataset INTEGER, relative TEXT, known_etag TEXT DEFAULT '', read_etag TEXT DEFAULT '',
    PRIMARY KEY (dataset, relative));
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, dataset INTEGER, object INTEGER, points TEXT, text TEXT, place TEXT,
    own_holdout INTEGER, changed_by TEXT, side TEXT DEFAULT '', UNIQUE (object, points));
CREATE TABLE missing (dataset INTEGER, key TEXT, PRIMARY KEY (dataset, key)) WITHOUT ROWID;
CREATE TABLE problems (
    id INTEGER PRIMARY KEY, dataset INTEGER, line INTEGER, of_line INTEGER, code TEXT, place TEXT,
    detail TEXT);
CREATE TABLE images (
    object INTEGER PRIMARY KEY, sha256 BLOB, width INTEGER, height INTEGER, problem TEXT);
CREATE INDEX images_by_content ON images (sha256);
CREATE TABLE sides (sha256 BLOB PRIMARY KEY, side TEXT) WITHOUT ROWID;
CREATE TABLE earlier_contents (
    dataset INTEGER, sha256 BLOB, side TEXT, PRIMARY KEY (dataset, sha256)) WITHOUT ROWID;
CREATE TABLE golden (sha256 BLOB PRIMARY KEY, name TEXT) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
"""
# The file is worth nothing after a crash, so nothing is spent on surviving one.
_PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA temp_store = FILE",
    "PRAGMA cache_size = -49152",
)
_PAGE = 5000

TRAIN, HOLDOUT, UNUSED = "train", "holdout", "unused"


@dataclass(frozen=True)
class StoredLine:
    """A line whose image exists, as far as the character check looks at it."""

    number: int
    dataset: int
    text: str
    place: str


class Workspace:
    """The tables. Steps read and write them through ``db``; what several need is here."""

    def __init__(self, path: Path) -> None:
        """Open the database at a path; it is made when there is none."""
        is_new = not path.exists()
        self._path = path
        self.db = open_database(path)
        if is_new:
            self.db.executescript(_SCHEMA)
        self.db.execute("BEGIN")

    def save(self) -> Path:
        """Write everything to the file and give its path."""
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")
        return self._path

    def close(self) -> None:
        """Leave the file; what was not saved is lost."""
        self.db.close()

    # --- datasets

    def add_dataset(self, name: str) -> int:
        """Make room for a dataset and give its number."""
        return int(
            self.db.execute("INSERT INTO datasets (name) VALUES (?)", (name,)).lastrowid or 0
        )

    def datasets(self) -> list[tuple[int, str]]:
        """Tell the numbers and names of all datasets of the run."""
        return list(self.db.execute("SELECT id, name FROM datasets ORDER BY id"))

    # --- problems

    def add_problem(self, dataset: int, problem: Problem, *, of_line: bool) -> None:
        """Note a problem; ``of_line`` when it keeps one line from being used."""
        self.db.execute(
            "INSERT INTO problems (dataset, of_line, code, place, detail) VALUES (?, ?, ?, ?, ?)",
            (dataset, of_line, problem.code, problem.where, problem.detail),
        )

    def set_line_aside(self, line: StoredLine, problem: Problem) -> None:
        """Note what is wrong with a line; it is not used."""
        self.db.execute(
            "INSERT INTO problems (dataset, line, of_line, code, place, detail)"
            " VALUES (?, ?, 1, ?, ?, ?)",
            (line.dataset, line.number, problem.code, problem.where, problem.detail),
        )
        self.db.execute("UPDATE lines SET side = ? WHERE id = ?", (UNUSED, line.number))

    def set_lines_aside(self, code: str, detail: str, where: str, values: Iterable[object]) -> int:
        """Set all lines aside for which a condition holds, each with a problem of its own.

        ``detail`` is an SQL expression; it and the condition may use the tables lines and images.
        Returns how many lines that were.
        """
        arguments = tuple(values)
        last = self.db.execute("SELECT COALESCE(MAX(id), 0) FROM problems").fetchone()[0]
        self.db.execute(
            "INSERT INTO problems (dataset, line, of_line, code, place, detail)"  # noqa: S608
            f" SELECT lines.dataset, lines.id, 1, ?, lines.place, {detail} FROM lines"
            f" LEFT JOIN images ON images.object = lines.object WHERE lines.side <> '{UNUSED}'"
            f" AND ({where}) ORDER BY lines.id",
            (code, *arguments),
        )
        changed = self.db.execute(
            "UPDATE lines SET side = ? WHERE id IN (SELECT line FROM problems WHERE id > ?)",
            (UNUSED, last),
        )
        return changed.rowcount

    # --- lines

    def texts(self, side: str) -> Iterator[str]:
        """Tell the texts on one side, in the order of the label files."""
        for (text,) in self.db.execute(
            "SELECT text FROM lines WHERE side = ? ORDER BY id", (side,)
        ):
            yield text

    def used_lines(self) -> Iterator[StoredLine]:
        """Tell all lines that are on a side; they may be set aside while this goes on."""
        for side in (TRAIN, HOLDOUT):
            last = 0
            while page := self.db.execute(
                "SELECT id, dataset, text, place FROM lines WHERE id > ? AND side = ?"
                " ORDER BY id LIMIT ?",
                (last, side, _PAGE),
            ).fetchall():
                yield from (StoredLine(*row) for row in page)
                last = page[-1][0]

    def count(self, sql: str, *values: object) -> int:
        """Give the one number of a query."""
        return int(self.db.execute(sql, values).fetchone()[0])

    # --- facts that travel with the file

    def note(self, name: str, value: str) -> None:
        """Remember a fact about the validation as a whole."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str:
        """Tell a remembered fact, or ""."""
        found = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database that nobody else reads: what is written in it becomes one transaction."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        database.execute(pragma)
    return database


@contextmanager
def new_workspace() -> Iterator[Workspace]:
    """Make a workspace that is gone afterwards."""
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder, "workspace.sqlite"))
        try:
            yield workspace
        finally:
            workspace.close()
