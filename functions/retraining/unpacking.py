"""Unpacks the archives of drops beside them, so that everything else reads objects only.

Every archive ends as one index that tells what was found in it. Until that is written the work can
be taken up again: what has been unpacked already is not written twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from retraining import s3_layout
from retraining.archive_files import ReplacedError, open_stored
from retraining.archive_members import (
    LARGEST_IMAGE_BYTES,
    LONGEST_KEY_BYTES,
    MemberRules,
    PassedOver,
    Refusal,
    RefusedArchiveError,
)
from retraining.archive_streams import BrokenArchiveError, DamagedMemberError, Member
from retraining.archives import read_archive
from retraining.bounded_uploads import BoundedUploads
from retraining.problems import Problem
from retraining.s3_layout import Root
from retraining.storage import Bucket, NoSuchObjectError, StoredObject

MOST_PROBLEMS_OF_A_KIND = 1_000
# Tells whether there is time left for one more piece of work.
HasTime = Callable[[], bool]


class Unpacked(TypedDict):
    """What the state machine is told; ``unfinished`` asks for another call."""

    archives: int
    members: int
    problems: int
    unfinished: bool


class OutOfTimeError(Exception):
    """The function must end before the archive does."""


@dataclass
class _Findings:
    """What was found in one archive so far."""

    archive: str
    members: int = 0
    bytes: int = 0
    passed_over: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def take(self, member: Member) -> None:
        """Count a member that was unpacked."""
        self.members += 1
        self.bytes += member.size

    def refuse(self, code: str, detail: str, name: str = "") -> None:
        """Remember a problem of a member, or of the archive itself."""
        self.counts[code] += 1
        if self.counts[code] <= MOST_PROBLEMS_OF_A_KIND:
            where = f"{self.archive} member {name}" if name else self.archive
            self.problems.append(Problem(code, where, detail))

    def as_json(self, relative: str, etag: str) -> dict[str, Any]:
        """Give the shape of the index; ``counts`` has all problems, ``problems`` the first ones."""
        return {
            "archive": relative,
            "etag": etag,
            "members": self.members,
            "bytes": self.bytes,
            "passed_over": self.passed_over,
            "counts": dict(self.counts),
            "problems": [
                {"code": each.code, "where": each.where, "detail": each.detail}
                for each in self.problems
            ],
        }


@dataclass(frozen=True)
class Unpacker:
    """Unpacks what lies in one bucket."""

    bucket: Bucket

    def unpack(self, roots: Iterable[Root], has_time: HasTime) -> Unpacked:
        """Unpack all archives of some datasets and golden sets, as far as there is time.

        Faults of archives are told in their index. Raises botocore's ClientError and SourceError
        when S3 refuses.
        """
        answer: Unpacked = {"archives": 0, "members": 0, "problems": 0, "unfinished": False}
        for root, stored in self._archives(roots):
            try:
                index = self._index_of(root, stored, has_time)
            except ReplacedError:
                # What lies there now is found by the next call.
                answer["unfinished"] = True
                continue
            except OutOfTimeError:
                answer["unfinished"] = True
                break
            answer["archives"] += 1
            answer["members"] += index["members"]
            answer["problems"] += sum(index["counts"].values())
        return answer

    def golden_roots(self) -> Iterator[Root]:
        """Tell all golden sets."""
        names = self.bucket.folders(s3_layout.GOLDEN)
        return (s3_layout.golden_root(each) for each in names if s3_layout.is_usable_name(each))

    def _archives(self, roots: Iterable[Root]) -> Iterator[tuple[Root, StoredObject]]:
        for root in roots:
            for each in self.bucket.list(root.prefix):
                if s3_layout.is_archive(each.key) and s3_layout.is_usable_path(
                    each.key.removeprefix(root.prefix)
                ):
                    yield root, each

    def _index_of(self, root: Root, stored: StoredObject, has_time: HasTime) -> dict[str, Any]:
        relative = stored.key.removeprefix(root.prefix)
        key = root.archive_index(relative, stored.etag)
        try:
            known: dict[str, Any] = self.bucket.read_json(key)
        except NoSuchObjectError:
            if not has_time():
                raise OutOfTimeError from None
            findings = _Findings(f"{root.name}/{relative}")
            members = root.archive_members(relative, stored.etag)
            self._unpack(stored, members, findings, has_time)
            known = findings.as_json(relative, stored.etag)
            self.bucket.write_json(key, known)
        return known

    def _unpack(
        self, stored: StoredObject, prefix: str, findings: _Findings, has_time: HasTime
    ) -> None:
        done = {each.key for each in self.bucket.list(prefix)}
        rules = MemberRules(LONGEST_KEY_BYTES - len(prefix.encode()))
        file = open_stored(self.bucket, stored)
        with BoundedUploads(self.bucket.write_bytes) as uploads:
            try:
                for each in read_archive(file, stored.size, rules):
                    if not has_time():
                        raise OutOfTimeError
                    if isinstance(each, PassedOver):
                        findings.passed_over += 1
                    elif isinstance(each, Refusal):
                        findings.refuse(each.code, each.detail, each.name)
                    else:
                        self._store(each, prefix, done, uploads, findings)
            except BrokenArchiveError as error:
                findings.refuse("broken_archive", str(error))
            except RefusedArchiveError as error:
                findings.refuse(error.code, str(error))
        if not findings.members and not findings.problems:
            findings.refuse("empty_archive", "holds neither images nor label files")

    def _store(
        self,
        member: Member,
        prefix: str,
        done: set[str],
        uploads: BoundedUploads,
        findings: _Findings,
    ) -> None:
        key = prefix + member.path
        try:
            if key not in done:
                self._write(key, member, uploads)
        except DamagedMemberError as error:
            findings.refuse("damaged_member", f"cannot be unpacked: {error}", member.path)
        else:
            findings.take(member)

    def _write(self, key: str, member: Member, uploads: BoundedUploads) -> None:
        with member.open() as content:
            if member.size <= LARGEST_IMAGE_BYTES:
                uploads.put(key, content.read(member.size))
            else:
                self.bucket.write_stream(key, content)
