"""Sets lines aside whose image S3 can hold and no file system can: a job would fail over it.

Members of archives were judged when they were unpacked; this is about loose images.
"""

from retraining.archive_members import LONGEST_NAME_BYTES, has_long_name, parents
from retraining.label_paths import composed
from retraining.workspace import Workspace

_CODE = "unusable_name"


def set_undownloadable_lines_aside(workspace: Workspace, dataset: int, prefix: str) -> None:
    """Look at the names of all loose images of a dataset, below ``prefix``, that lines name."""
    workspace.db.create_function("has_long_name", 1, has_long_name, deterministic=True)
    # An image by its key: members of archives lie elsewhere.
    loose = "SELECT id, path FROM objects WHERE id = lines.object AND key = ? || path"
    path = "(SELECT path FROM objects WHERE id = lines.object)"
    workspace.set_lines_aside(
        _CODE,
        f"{path} || ' has a name of more than {LONGEST_NAME_BYTES} bytes'",
        # The length is looked at first, for it costs nothing.
        f"lines.dataset = ? AND EXISTS ({loose}"
        f" AND length(CAST(path AS BLOB)) > {LONGEST_NAME_BYTES} AND has_long_name(path))",
        (dataset, prefix),
    )
    for file in _files_that_are_folders(workspace, dataset, prefix):
        workspace.set_lines_aside(
            _CODE,
            f"{path} || ' is a file and a folder at the same time'",
            "lines.object = ?",
            (file,),
        )


def _files_that_are_folders(workspace: Workspace, dataset: int, prefix: str) -> list[int]:
    """Find the used images whose path is also the beginning of another one's."""
    used = "SELECT object FROM lines WHERE side = ''"
    folders: set[str] = set()
    # rtrim leaves what is before the last slash: few folders, however many images there are.
    for (folder,) in workspace.db.execute(
        "SELECT DISTINCT rtrim(path, replace(path, '/', '')) FROM objects"  # noqa: S608
        f" WHERE dataset = ? AND key = ? || path AND id IN ({used})",
        (dataset, prefix),
    ):
        folders.update(parents(folder))
    return [
        number
        for folder in sorted(folders)
        for (number,) in workspace.db.execute(
            "SELECT id FROM objects WHERE dataset = ? AND composed = ? AND key = ?"
            f" AND id IN ({used})",  # noqa: S608
            (dataset, composed(folder), prefix + folder),
        )
    ]
