"""Arrays kept in a file: what is computed once and read every epoch, without filling the memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt


class ArrayStore:
    """A growing list of arrays of one type and any shapes, in an unnamed temporary file.

    The operating system keeps what is used in memory and drops the rest under pressure.
    """

    def __init__(self, dtype: npt.DTypeLike, directory: Path | None = None) -> None:
        """Open an empty store; its file lies in the directory or the system's temporary one."""
        # Closed by __exit__: the store outlives this call.
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        self._dtype = np.dtype(dtype)
        self._entries: list[tuple[int, tuple[int, ...]]] = []
        self._end = 0

    def __enter__(self) -> ArrayStore:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the file."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, array: npt.NDArray[Any]) -> int:
        """Store a copy and return its index."""
        data = np.ascontiguousarray(array, dtype=self._dtype)
        self._file.seek(self._end)
        self._file.write(data.data)
        self._entries.append((self._end, data.shape))
        self._end += data.nbytes
        return len(self._entries) - 1

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an array without reading it."""
        return self._entries[index][1]

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        offset, shape = self._entries[index]
        self._file.flush()
        size = int(np.prod(shape)) * self._dtype.itemsize
        data = os.pread(self._file.fileno(), size, offset)
        return np.frombuffer(data, dtype=self._dtype).reshape(shape)
