"""What keeps a line, a file or an archive from being used. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that keeps a line (or a file) from being used.

    ``where`` names the place for a person; ``detail`` says what was found there.
    """

    code: str
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}" if self.detail else self.where
