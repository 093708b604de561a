"""The lines of a plan, on the function's own disk: any number of them, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from retraining.lines import Line, format_line, format_points, rank
from retraining.planning import EvaluationSlice, choose_dev, replay_lines, share_evenly
from retraining.workspace import open_database

TRAIN, DEV, REPLAY = "train", "dev", "replay"
_EARLIER, _SLICE = "earlier", "slice"
# Training reads train, dev and replay; this is also their order in its manifest.
_SCHEMA = """
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, part TEXT, source INTEGER, key TEXT, rank TEXT, row TEXT);
CREATE TABLE existing (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE barred (key TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class PlanLines:
    """Collects the lines that a run may use, then chooses among them."""

    def __init__(self, path: Path) -> None:
        """Keep them in a new file."""
        self._db = open_database(path)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        self._earlier: dict[int, str] = {}
        self._slices: list[EvaluationSlice] = []
        self._sources = 0

    def close(self) -> None:
        """Leave the file."""
        self._db.close()

    # --- collecting

    def add_train(self, lines: Iterable[Line]) -> int:
        """Take new train lines; returns how many they are."""
        return self._add(TRAIN, lines)

    def add_earlier(self, name: str, lines: Iterable[Line], salt: str) -> int:
        """Take train lines of an earlier dataset whose images still exist and may be used."""
        count = self._add(_EARLIER, lines, salt, only_existing=True)
        self._earlier[self._sources] = name
        return count

    def add_slice(
        self, kind: str, name: str, lines: Iterable[Line], most: int, *, only_existing: bool = False
    ) -> int:
        """Take at most so many lines of an evaluation set; one without lines is left out.

        The lines are the same ones in every run, also when the set has grown: those of lowest rank.
        """
        available = self._add(_SLICE, lines, only_existing=only_existing)
        self._db.execute(
            "DELETE FROM lines WHERE id IN (SELECT id FROM lines WHERE part = ?"
            " ORDER BY rank, id LIMIT -1 OFFSET ?)",
            (_SLICE, most),
        )
        count = min(available, most)
        if count:
            self._slices.append(EvaluationSlice(name, kind, count, available))
            self._db.execute(
                "UPDATE lines SET part = ?, rank = '' WHERE part = ?",
                (self._slices[-1].file, _SLICE),
            )
        return count

    def set_existing(self, keys: Iterable[str]) -> None:
        """Tell which images there are: one missing key fails a whole SageMaker job."""
        self._replace("existing", keys)

    def set_barred(self, keys: Iterable[str]) -> None:
        """Tell which images must not be trained on again."""
        self._replace("barred", keys)

    def _replace(self, table: str, keys: Iterable[str]) -> None:
        self._db.execute(f"DELETE FROM {table}")  # noqa: S608
        self._db.executemany(
            f"INSERT OR IGNORE INTO {table} VALUES (?)",  # noqa: S608
            ((each,) for each in keys),
        )

    def _add(
        self, part: str, lines: Iterable[Line], salt: str = "", *, only_existing: bool = False
    ) -> int:
        self._sources += 1
        before = self._db.total_changes
        condition = " WHERE ?3 IN (SELECT key FROM existing)" if only_existing else " WHERE 1"
        if part == _EARLIER:
            condition += " AND ?3 NOT IN (SELECT key FROM barred)"
        self._db.executemany(
            "INSERT INTO lines (part, source, key, rank, row) SELECT ?1, ?2, ?3, ?4, ?5"
            + condition,
            (
                (part, self._sources, each.key, _rank(part, each, salt), format_line(each))
                for each in lines
            ),
        )
        return self._db.total_changes - before

    # --- choosing

    def choose(self, replay_ratio: float) -> None:
        """Set development lines aside and choose what is replayed."""
        self._set_dev_aside()
        available = {
            str(source): self._count("part = ? AND source = ?", _EARLIER, source)
            for source in self._earlier
        }
        wanted = replay_lines(self.count(TRAIN), replay_ratio)
        for source, share in share_evenly(available, wanted).items():
            self._db.execute(
                "UPDATE lines SET part = ? WHERE id IN (SELECT id FROM lines"
                " WHERE part = ? AND source = ? ORDER BY rank, id LIMIT ?)",
                (REPLAY, _EARLIER, int(source), share),
            )

    def _set_dev_aside(self) -> None:
        images = self._db.execute("SELECT DISTINCT key FROM lines WHERE part = ?", (TRAIN,))
        self._db.execute("CREATE TEMP TABLE dev (key TEXT PRIMARY KEY)")
        chosen = choose_dev(key for (key,) in images)
        self._db.executemany("INSERT INTO dev VALUES (?)", ((each,) for each in chosen))
        move = "UPDATE lines SET part = ? WHERE part = ?"
        self._db.execute(f"{move} AND key IN (SELECT key FROM dev)", (DEV, TRAIN))
        if not self.count(TRAIN):
            self._db.execute(move, (TRAIN, DEV))

    # --- telling

    @property
    def slices(self) -> tuple[EvaluationSlice, ...]:
        """The evaluation sets that have lines."""
        return tuple(self._slices)

    @property
    def replayable(self) -> list[str]:
        """The earlier datasets that have train lines."""
        return [name for source, name in self._earlier.items() if self._count("source = ?", source)]

    def count(self, part: str) -> int:
        """Count the lines of a part: train, dev, replay or the file of a slice."""
        return self._count("part = ?", part)

    def rows(self, part: str) -> Iterator[str]:
        """Write the lines of a part, in their order."""
        for (row,) in self._db.execute(
            "SELECT row FROM lines WHERE part = ? ORDER BY source, rank, id", (part,)
        ):
            yield row

    def training_keys(self) -> Iterator[str]:
        """Tell the images that training reads, each once."""
        return self._keys(f"part IN ('{TRAIN}', '{DEV}', '{REPLAY}')")

    def evaluation_keys(self) -> Iterator[str]:
        """Tell the images that the evaluation reads, each once."""
        return self._keys(f"part NOT IN ('{TRAIN}', '{DEV}', '{REPLAY}', '{_EARLIER}')")

    def _keys(self, condition: str) -> Iterator[str]:
        for (key,) in self._db.execute(
            f"SELECT key FROM lines WHERE {condition} GROUP BY key ORDER BY MIN(id)"  # noqa: S608
        ):
            yield key

    def _count(self, condition: str, *values: object) -> int:
        found = self._db.execute(f"SELECT COUNT(*) FROM lines WHERE {condition}", values)  # noqa: S608
        return int(found.fetchone()[0])


@contextmanager
def new_plan_lines() -> Iterator[PlanLines]:
    """Make room for the lines of a plan; it is gone afterwards."""
    with TemporaryDirectory() as folder:
        lines = PlanLines(Path(folder, "plan.sqlite"))
        try:
            yield lines
        finally:
            lines.close()


def _rank(part: str, line: Line, salt: str) -> str:
    # Only what is sampled is ordered; everything else stays in the order of its files.
    if part == _SLICE:
        # Lines of one page are alike, so they are chosen one by one. A corrected text changes none.
        return rank(f"{line.key}\t{format_points(line.points)}")
    return rank(line.key, salt) if part == _EARLIER else ""
