"""Splits usable lines into train and holdout by the images' content.

A side is for ever: an image that any run has put on one side stays there, in every dataset and
under any name. For images that are new, a dataset's own holdout file decides; without one the
content hash does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from retraining.workspace import HOLDOUT, TRAIN, Workspace

_SPACE = 16**8


@dataclass(frozen=True)
class Rule:
    """How many of a dataset's images are held out.

    ``enough_to_judge`` is how many a judgement needs: a dataset of at least three times as many
    images holds out that many and a quarter more even where ``percent`` of it would be fewer, since
    otherwise its training could never be judged. The quarter makes up for lines that are set aside
    later for characters that cannot be learnt.
    """

    percent: int
    enough_to_judge: int

    def __str__(self) -> str:
        return f"{self.percent} percent by image content, at least {self.enough_to_judge} of many"

    @property
    def limit(self) -> bytes:
        """The content hashes below this are held out."""
        return (_SPACE * self.percent // 100).to_bytes(4, "big")

    def new_holdouts(self, images: int, held: int, below: int) -> int:
        """Tell how many new images are held out, smallest content hash first.

        ``held`` of the dataset's ``images`` are held out already; of the new ones, ``below`` have a
        content hash below the limit.
        """
        wanted = self.enough_to_judge + self.enough_to_judge // 4
        if held + below < wanted and images >= 3 * self.enough_to_judge:
            return wanted - held
        return below


def split(workspace: Workspace, rule: Rule) -> None:
    """Give every usable line its side, and every new image its side for ever.

    Lines that would train on what is held out, measure on what was trained on, or train on golden
    images are set aside.
    """
    db = workspace.db
    db.execute("DROP TABLE IF EXISTS contents")
    db.execute(
        "CREATE TABLE contents (dataset, sha256, own, side, PRIMARY KEY (dataset, sha256))"
        " WITHOUT ROWID"
    )
    db.execute(
        "INSERT INTO contents SELECT lines.dataset, images.sha256, MAX(lines.own_holdout),"
        " sides.side FROM lines JOIN images ON images.object = lines.object"
        " LEFT JOIN sides ON sides.sha256 = images.sha256"
        " WHERE lines.side = '' GROUP BY lines.dataset, images.sha256"
    )
    db.execute("CREATE TEMP TABLE IF NOT EXISTS held (sha256 BLOB PRIMARY KEY) WITHOUT ROWID")
    db.execute("DELETE FROM held")
    for dataset, _ in workspace.datasets():
        _hold_out(workspace, dataset, rule)
    # What one dataset of a run holds out, none of them trains on.
    db.execute(f"INSERT OR IGNORE INTO sides SELECT sha256, '{HOLDOUT}' FROM held")  # noqa: S608
    db.execute(
        f"INSERT OR IGNORE INTO sides SELECT DISTINCT sha256, '{TRAIN}' FROM contents"  # noqa: S608
        " WHERE side IS NULL"
    )
    _follow_sides(workspace)


def _hold_out(workspace: Workspace, dataset: int, rule: Rule) -> None:
    own = workspace.count(
        "SELECT EXISTS (SELECT 1 FROM contents WHERE dataset = ? AND own)", dataset
    )
    about = "the dataset's own holdout file" if own else str(rule)
    workspace.db.execute("UPDATE datasets SET rule = ? WHERE id = ?", (about, dataset))
    if own:
        workspace.db.execute(
            "INSERT OR IGNORE INTO held SELECT sha256 FROM contents"
            " WHERE dataset = ? AND own AND side IS NULL",
            (dataset,),
        )
        return
    images, held, below = workspace.db.execute(
        "SELECT COUNT(*), TOTAL(side IS 'holdout'), TOTAL(side IS NULL AND sha256 < ?)"
        " FROM contents WHERE dataset = ?",
        (rule.limit, dataset),
    ).fetchone()
    workspace.db.execute(
        "INSERT OR IGNORE INTO held SELECT sha256 FROM contents"
        " WHERE dataset = ? AND side IS NULL ORDER BY sha256 LIMIT ?",
        (dataset, rule.new_holdouts(images, int(held), int(below))),
    )


def _follow_sides(workspace: Workspace) -> None:
    side = "(SELECT side FROM sides WHERE sides.sha256 = images.sha256)"
    has_own = "lines.dataset IN (SELECT dataset FROM contents WHERE own)"
    workspace.set_lines_aside(
        "trained_before",
        "'an earlier run trained on this image, so it cannot measure anything'",
        f"lines.side = '' AND lines.own_holdout AND {side} = ?",
        [TRAIN],
    )
    workspace.set_lines_aside(
        "held_out_elsewhere",
        "'the same image is held out, so it is never trained on'",
        f"lines.side = '' AND NOT lines.own_holdout AND {has_own} AND {side} = ?",
        [HOLDOUT],
    )
    workspace.db.execute(
        f"UPDATE lines SET side = (SELECT {side} FROM images"  # noqa: S608
        " WHERE images.object = lines.object) WHERE side = ''"
    )
    golden = "(SELECT name FROM golden WHERE golden.sha256 = images.sha256)"
    workspace.set_lines_aside(
        "in_golden_set",
        f"'the same image belongs to the golden set ' || {golden}",
        f"lines.side = ? AND {golden} IS NOT NULL",
        [TRAIN],
    )


def load_sides(workspace: Workspace, rows: Iterable[str], dataset: int | None = None) -> None:
    """Take in the sides that earlier runs gave; ``dataset`` when it is one of this run.

    Should one image be on both sides, it is held out: training on it would go on being wrong.
    """
    for row in rows:
        digest, _, side = row.partition("\t")
        sha256 = bytes.fromhex(digest)
        workspace.db.execute(
            "INSERT INTO sides VALUES (?1, ?2) ON CONFLICT DO UPDATE SET side = ?2"
            f" WHERE ?2 = '{HOLDOUT}'",
            (sha256, side),
        )
        if dataset is not None:
            workspace.db.execute(
                "INSERT OR IGNORE INTO earlier_contents VALUES (?, ?, ?)", (dataset, sha256, side)
            )


def format_sides(workspace: Workspace, dataset: int, *, trains: bool) -> Iterator[str]:
    """Write the sides of all images that this dataset ever used.

    A run that ``trains`` nothing binds nobody: the next one may split its images otherwise.
    """
    if trains:
        workspace.db.execute(
            "INSERT OR IGNORE INTO earlier_contents"
            " SELECT lines.dataset, images.sha256, lines.side"
            " FROM lines JOIN images ON images.object = lines.object"
            " WHERE lines.dataset = ? AND lines.side IN (?, ?)",
            (dataset, TRAIN, HOLDOUT),
        )
    for digest, side in workspace.db.execute(
        "SELECT lower(hex(sha256)), side FROM earlier_contents WHERE dataset = ? ORDER BY sha256",
        (dataset,),
    ):
        yield f"{digest}\t{side}\n"


def load_golden(workspace: Workspace, rows: Iterable[str], name: str) -> None:
    """Take in the images of a golden set."""
    workspace.db.executemany(
        "INSERT OR IGNORE INTO golden VALUES (?, ?)",
        ((bytes.fromhex(row.partition("\t")[0]), name) for row in rows),
    )
