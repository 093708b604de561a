"""Reads archives that strangers made: .zip, .tar and .tar.gz, told apart by content. No AWS.

Members come one after the other and are read in that order; memory does not grow with them.
"""

from collections.abc import Iterator
from typing import BinaryIO

from retraining.archive_members import MemberRules, PassedOver, Refusal
from retraining.archive_streams import Member
from retraining.archives_tar import read_tar, read_tar_gz
from retraining.archives_zip import read_zip

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_GZIP = b"\x1f\x8b"


def read_archive(
    file: BinaryIO, size: int, rules: MemberRules
) -> Iterator[Member | Refusal | PassedOver]:
    """Tell the members of an archive of ``size`` bytes, refused ones included.

    Raises BrokenArchiveError or RefusedArchiveError; what came before stays good. Errors of
    fetching ``file`` must be SourceErrors and pass through.
    """
    head = file.read(4)
    file.seek(0)
    if head.startswith(_ZIP):
        return read_zip(file, rules)
    if head.startswith(_GZIP):
        return read_tar_gz(file, size, rules)
    return read_tar(file, rules)
