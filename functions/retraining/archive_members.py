"""Which members of an archive are taken, and under which path. Pure.

Nothing here trusts a name: a member becomes part of an object's key and, in a training job, the
name of a file.
"""

import posixpath
import re
from dataclasses import dataclass, field
from enum import Enum, auto

from retraining.texts import shortened

MOST_MEMBERS = 200_000
MOST_UNPACKED_BYTES = 20 * 1024**3
LARGEST_IMAGE_BYTES = 20 * 1024**2
LARGEST_TEXT_BYTES = 512 * 1024**2
# Text and images shrink to a tenth, drawings to a hundredth; what shrinks more is there to burst.
MOST_TIMES_COMPRESSED = 200
RATIO_COUNTS_FROM_BYTES = 1024**2
# Limits of S3 for keys and of file systems for the names between two slashes.
LONGEST_KEY_BYTES = 1024
LONGEST_NAME_BYTES = 255

IMAGE_SUFFIXES = (
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
TEXT_SUFFIX = ".txt"
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
# Windows and macOS leave these behind in folders; nobody means them.
_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Kind(Enum):
    """What a member is, as the archive tells."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    SPECIAL = auto()
    ENCRYPTED = auto()
    UNSUPPORTED = auto()


_REFUSED_KINDS = {
    Kind.LINK: ("link_member", "is a link"),
    Kind.SPECIAL: ("special_member", "is a device, a pipe or a socket"),
    Kind.ENCRYPTED: ("encrypted_member", "is encrypted; pack it without a password"),
    Kind.UNSUPPORTED: ("unsupported_member", "is stored in a rare way; pack it with zip or tar"),
}


@dataclass(frozen=True)
class Entry:
    """What an archive says of a member; ``compressed`` is 0 where it does not say."""

    name: str
    kind: Kind
    size: int
    compressed: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why a member is not taken; ``name`` as the archive has it."""

    code: str
    name: str
    detail: str


@dataclass(frozen=True)
class PassedOver:
    """A member that nobody means to be taken."""


class RefusedArchiveError(Exception):
    """The archive is not read any further; ``code`` names the limit it goes beyond."""

    def __init__(self, code: str, about: str) -> None:
        """Name the limit for programs and for people."""
        super().__init__(about)
        self.code = code


@dataclass
class MemberRules:
    """Judges the members of one archive, in their order.

    ``room`` is how many bytes a path may have so that its key is not too long.
    """

    room: int
    _count: int = 0
    _bytes: int = 0
    _files: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)

    def judge(self, entry: Entry) -> str | Refusal | PassedOver:
        """Give the path a member is taken under, or why it is not.

        Raises RefusedArchiveError when this is one member or one byte too many.
        """
        self._count += 1
        if self._count > MOST_MEMBERS:
            about = f"has more than {MOST_MEMBERS:,} members; split it"
            raise RefusedArchiveError("too_many_members", about)
        verdict = self._judge(entry)
        if isinstance(verdict, str):
            self._bytes += entry.size
            check_unpacked(self._bytes)
        return verdict

    def _judge(self, entry: Entry) -> str | Refusal | PassedOver:
        name = entry.name.replace("\\", "/")
        path = posixpath.normpath(name) if name else "."
        if _is_litter(path) or (entry.kind is Kind.FOLDER and not _leads_out(name)):
            return PassedOver()
        fault = _name_fault(name, path, self.room) or _kind_fault(entry, path)
        if fault is None:
            fault = self._clash(path)
        if fault:
            return Refusal(fault[0], shortened(entry.name), fault[1])
        self._files.add(path)
        self._folders.update(parents(path))
        return path

    def _clash(self, path: str) -> tuple[str, str] | None:
        if path in self._files:
            return "duplicate_member", "is in the archive twice; the first one counts"
        # A file system cannot hold both; S3 can.
        if path in self._folders or not self._files.isdisjoint(parents(path)):
            return "unusable_name", "is a file and a folder at the same time"
        return None


def check_unpacked(size: int) -> None:
    """Raise RefusedArchiveError when an archive comes to more bytes than may be unpacked."""
    if size > MOST_UNPACKED_BYTES:
        about = f"comes to more than {MOST_UNPACKED_BYTES // 1024**3} GB; split it"
        raise RefusedArchiveError("archive_too_large", about)


def decoded_name(raw: bytes) -> str:
    """Read a member's name where the archive does not say how it is written.

    Chinese Windows writes GBK, of which GB 2312 is the part that other scripts cannot be taken
    for; what is neither is read as MS-DOS did.
    """
    for encoding in ("utf-8", "gb2312"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


def is_image(path: str) -> bool:
    """Tell an image by its name."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def _is_litter(path: str) -> bool:
    *folders, name = path.split("/")
    # macOS keeps what other systems have no place for in files of these names.
    return "__MACOSX" in folders or name.startswith("._") or name.lower() in _LITTER


def _leads_out(name: str) -> bool:
    return name.startswith("/") or _DRIVE.match(name) is not None or ".." in name.split("/")


def _name_fault(name: str, path: str, room: int) -> tuple[str, str] | None:
    if _leads_out(name):
        return "outside_archive", "leads out of the archive"
    if path == "." or _UNUSABLE.search(name):
        return "unusable_name", "cannot be the name of a file"
    if has_long_name(path):
        return "unusable_name", f"has a name of more than {LONGEST_NAME_BYTES} bytes"
    if len(path.encode()) > room:
        return "unusable_name", f"has a path of more than {room} bytes"
    return None


def _kind_fault(entry: Entry, path: str) -> tuple[str, str] | None:
    lower = path.lower()
    if entry.kind is not Kind.FILE:
        return _REFUSED_KINDS[entry.kind]
    if lower.endswith(_ARCHIVE_SUFFIXES):
        return "nested_archive", "is an archive in an archive; upload it by itself"
    if not lower.endswith((*IMAGE_SUFFIXES, TEXT_SUFFIX)):
        return "ignored_member", "is neither an image nor a text file"
    limit = LARGEST_IMAGE_BYTES if is_image(path) else LARGEST_TEXT_BYTES
    if entry.size > limit:
        return "member_too_large", f"is larger than {limit // 1024**2} MB"
    return _ratio_fault(entry)


def _ratio_fault(entry: Entry) -> tuple[str, str] | None:
    if entry.compressed and is_bomb(entry.size, entry.compressed):
        return "compression_bomb", f"claims to be packed more than {MOST_TIMES_COMPRESSED} times"
    return None


def is_bomb(size: int, compressed: int) -> bool:
    """Tell whether so much cannot honestly have been packed into so little."""
    return size > RATIO_COUNTS_FROM_BYTES and size > MOST_TIMES_COMPRESSED * compressed


def has_long_name(path: str) -> bool:
    """Tell whether a part of a path is too long for a file system."""
    return any(len(part.encode()) > LONGEST_NAME_BYTES for part in path.split("/"))


def parents(path: str) -> list[str]:
    """Name the folders that a path goes through, from the top."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
