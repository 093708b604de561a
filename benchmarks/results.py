"""Results on disk: written after every run, so that an interrupted benchmark goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

Result = TypeVar("Result", bound=BaseModel)

_FORMAT = 1


class ResultsError(ValueError):
    """A results file cannot be used; the message says what to do."""


class ResultsFile(Generic[Result]):
    """A JSON file of results by key; a key says everything that was asked of the run."""

    def __init__(self, path: Path, kind: type[Result]) -> None:
        """Read what is there. Raises ResultsError when the file holds something else."""
        self.path = path
        self._kind = kind
        self._results: dict[str, Result] = {}
        if path.exists():
            self._results = self._read()

    def find(self, key: str) -> Result | None:
        """Return the result of that run, None when it has not finished yet."""
        return self._results.get(key)

    def add(self, key: str, result: Result) -> Result:
        """Keep the result of a finished run and return it."""
        self._results[key] = result
        document = {
            "format": _FORMAT,
            "results": {name: each.model_dump() for name, each in self._results.items()},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(self.path)
        return result

    def all(self) -> list[Result]:
        """Return every result, the oldest first."""
        return list(self._results.values())

    def _read(self) -> dict[str, Result]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            if document["format"] != _FORMAT:
                raise ResultsError(f"{self.path} has another format; give another --results.")
            found = document["results"].items()
            return {key: self._kind.model_validate(result) for key, result in found}
        except (
            ValidationError,
            KeyError,
            TypeError,
            AttributeError,
            json.JSONDecodeError,
        ) as error:
            raise ResultsError(
                f"{self.path} holds no results of this benchmark; give another --results."
            ) from error
