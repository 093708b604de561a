"""Sets lines aside whose image cannot be read, or whose box cannot be cut out of it."""

from retraining.images import box_fault
from retraining.lines import parse_points
from retraining.workspace import Workspace


def set_faulty_lines_aside(workspace: Workspace) -> None:
    """Look at every line beside what was found in its image."""
    path = "(SELECT path FROM objects WHERE objects.id = lines.object)"
    workspace.set_lines_aside(
        "unreadable_image",
        f"{path} || ': ' || COALESCE(images.problem, 'it was not read')",
        "lines.side = '' AND COALESCE(images.problem, 'unread') <> ''",
        (),
    )
    workspace.db.create_function("box_fault", 3, _box_fault, deterministic=True)
    fault = "box_fault(lines.points, images.width, images.height)"
    workspace.set_lines_aside(
        "bad_box",
        f"'a box of ' || {path} || ' ' || {fault}",
        f"lines.side = '' AND lines.points <> '' AND {fault} <> ''",
        (),
    )


def _box_fault(points: str, width: int, height: int) -> str:
    return box_fault(parse_points(points), width, height)
