"""Reads .zip archives. No AWS."""

import stat
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import IO, BinaryIO, cast

from retraining.archive_members import (
    Entry,
    Kind,
    MemberRules,
    PassedOver,
    Refusal,
    RefusedArchiveError,
    decoded_name,
)
from retraining.archive_streams import (
    BrokenArchiveError,
    DamagedMemberError,
    Member,
    faults_as,
    member_stream,
)

# zipfile holds the whole directory in memory. Two hundred thousand members need about 25 MB of it.
_LARGEST_DIRECTORY_BYTES = 32 * 1024**2
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800


def read_zip(file: BinaryIO, rules: MemberRules) -> Iterator[Member | Refusal | PassedOver]:
    """Tell the members in the order their bytes lie in."""
    with faults_as(BrokenArchiveError):
        archive = zipfile.ZipFile(cast("IO[bytes]", _BoundedReads(file)))
    for info in sorted(archive.infolist(), key=lambda each: each.header_offset):
        verdict = rules.judge(_entry(info))
        if isinstance(verdict, str):
            yield Member(verdict, info.file_size, partial(_open, archive, info))
        else:
            yield verdict


class _BoundedReads:
    """The archive's file; reads of more than a directory may have are refused."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_DIRECTORY_BYTES:
            about = (
                f"has a directory of more than {_LARGEST_DIRECTORY_BYTES // 1024**2} MB; split it"
            )
            raise RefusedArchiveError("too_many_members", about)
        return self._file.read(size)


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    with faults_as(DamagedMemberError):
        source = archive.open(info)
    return member_stream(source, info.file_size, DamagedMemberError)


def _entry(info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        name = decoded_name(name.encode("cp437"))
    return Entry(name, _kind(info, name), info.file_size, info.compress_size)


def _kind(info: zipfile.ZipInfo, name: str) -> Kind:
    by_mode = {
        0: Kind.FILE,
        stat.S_IFREG: Kind.FILE,
        stat.S_IFDIR: Kind.FOLDER,
        stat.S_IFLNK: Kind.LINK,
    }
    kind = by_mode.get(stat.S_IFMT(info.external_attr >> 16), Kind.SPECIAL)
    if kind is not Kind.FILE:
        return kind
    if name.endswith(("/", "\\")):
        return Kind.FOLDER
    if info.flag_bits & _ENCRYPTED:
        return Kind.ENCRYPTED
    # bzip2 and LZMA let a few bytes ask for gigabytes of memory.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Kind.UNSUPPORTED
    return Kind.FILE
