"""Reads .tar and .tar.gz archives. No AWS."""

import gzip
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import IO, BinaryIO, cast

from retraining.archive_members import (
    MOST_TIMES_COMPRESSED,
    Entry,
    Kind,
    MemberRules,
    PassedOver,
    Refusal,
    RefusedArchiveError,
    check_unpacked,
    decoded_name,
    is_bomb,
)
from retraining.archive_streams import BrokenArchiveError, Member, faults_as, member_stream
from retraining.texts import shortened

# A member's headers hold its name and some dates; tarfile would read as much as they ask for.
_LARGEST_HEADERS_BYTES = 1024**2
_CHUNK_BYTES = 64 * 1024
_NOT_AN_ARCHIVE = "is no zip, tar or tar.gz archive, or its beginning is damaged"


def read_tar(file: BinaryIO, rules: MemberRules) -> Iterator[Member | Refusal | PassedOver]:
    """Tell the members of a tar archive."""
    yield from _read(_Forward(file), rules)


def read_tar_gz(
    file: BinaryIO, size: int, rules: MemberRules
) -> Iterator[Member | Refusal | PassedOver]:
    """Tell the members of a tar archive that was compressed as a whole, to ``size`` bytes."""
    unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
    yield from _read(_Forward(unpacked, size), rules)


def _read(file: "_Forward", rules: MemberRules) -> Iterator[Member | Refusal | PassedOver]:
    file.allow(_LARGEST_HEADERS_BYTES)
    with faults_as(BrokenArchiveError, _NOT_AN_ARCHIVE):
        archive = tarfile.TarFile(
            fileobj=cast("IO[bytes]", file), encoding="utf-8", errors="surrogateescape"
        )
    last = ""
    while info := _next(archive, file, last):
        last = info.name
        verdict = rules.judge(_entry(info))
        if isinstance(verdict, str):
            yield Member(verdict, info.size, partial(_open, file, info.size))
        else:
            yield verdict
    # tarfile takes a damaged header for the end.
    if file.last_block.strip(b"\0"):
        raise BrokenArchiveError(f"is damaged after {shortened(last)}")
    with faults_as(BrokenArchiveError, "is damaged; some of its files may be wrong"):
        file.finish()


def _next(archive: tarfile.TarFile, file: "_Forward", last: str) -> tarfile.TarInfo | None:
    file.allow(_LARGEST_HEADERS_BYTES)
    with faults_as(BrokenArchiveError, f"is cut off or damaged after {shortened(last)}"):
        info = archive.next()
        # It would keep all of them.
        archive.members.clear()  # type: ignore[attr-defined]
        if info and info.size < 0:
            raise tarfile.ReadError("a member has less than no bytes")
        return info


def _open(file: "_Forward", size: int) -> BinaryIO:
    file.allow(size)
    return member_stream(file, size, BrokenArchiveError)


def _entry(info: tarfile.TarInfo) -> Entry:
    name = decoded_name(info.name.encode("utf-8", "surrogateescape"))
    return Entry(name, _kind(info), info.size)


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir():
        return Kind.FOLDER
    if info.issym() or info.islnk():
        return Kind.LINK
    if not info.isreg():
        return Kind.SPECIAL
    # Holes cost nothing in the archive and are bytes outside of it.
    return Kind.UNSUPPORTED if info.issparse() else Kind.FILE


class _Forward:
    """The archive's bytes, read once from front to back, and only as many as are allowed."""

    def __init__(self, file: BinaryIO, compressed: int | None = None) -> None:
        """``compressed`` is how many bytes the archive has as it lies there."""
        self._file = file
        self._compressed = compressed
        self._position = 0
        self._allowed = 0
        self.last_block = b""

    def allow(self, size: int) -> None:
        """Allow so many bytes to be read until the next call."""
        self._allowed = size

    def read(self, size: int = -1) -> bytes:
        """Read bytes, fewer only at the end."""
        if not 0 <= size <= self._allowed:
            raise tarfile.ReadError("a header is too large")
        self._go(self._position + size)
        data = self._file.read(size)
        self._position += len(data) - size
        self._allowed -= len(data)
        if size == tarfile.BLOCKSIZE:
            self.last_block = data
        return data

    def seek(self, position: int) -> int:
        """Pass over bytes."""
        if position < self._position:
            raise tarfile.ReadError("a header leads back")
        self._go(position)
        return self._file.seek(position)

    def finish(self) -> None:
        """Read what is left of a compressed archive: behind it lies its checksum."""
        while self._compressed is not None:
            self._allowed = _CHUNK_BYTES
            if not self.read(_CHUNK_BYTES):
                break

    def tell(self) -> int:
        """Tell how many bytes have been read or passed over."""
        return self._position

    def _go(self, position: int) -> None:
        self._position = position
        if self._compressed is None:
            return
        if is_bomb(position, self._compressed):
            about = f"is packed more than {MOST_TIMES_COMPRESSED} times"
            raise RefusedArchiveError("compression_bomb", about)
        check_unpacked(position)
