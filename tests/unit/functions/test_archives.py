"""Archives as people make them, and the limits; hostile ones are in tests/hostile."""

import io
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest

from retraining import archive_members, archives_zip
from retraining.archive_members import MemberRules, PassedOver, Refusal, RefusedArchiveError
from retraining.archive_streams import Member, SourceError
from retraining.archives import read_archive

FILES = {
    "images/a.png": b"first",
    "images/b c+%.JPG": b"second" * 100_000,
    "labels/train.txt": "images/a.png\tTür\n".encode(),
    "门/牌.png": b"third",
    "empty.png": b"",
}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=kind) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpacked(archive: bytes) -> dict[str, bytes]:
    taken = {}
    for each in read(archive):
        if isinstance(each, Member):
            taken[each.path] = each.open().read()
    return taken


def read(archive: bytes) -> Iterator[Member | Refusal | PassedOver]:
    return read_archive(io.BytesIO(archive), len(archive), MemberRules(1000))


@pytest.mark.parametrize(
    "archive",
    [
        zipped(FILES),
        zipped(FILES, zipfile.ZIP_STORED),
        tarred(FILES),
        tarred(FILES, kind=tarfile.GNU_FORMAT),
        tarred(FILES, "w:gz"),
    ],
    ids=["deflated zip", "stored zip", "pax tar", "gnu tar", "tar.gz"],
)
def test_what_was_packed_is_unpacked_whatever_the_kind_of_archive(archive: bytes) -> None:
    assert unpacked(archive) == FILES


def test_members_that_are_not_opened_are_passed_over() -> None:
    for archive in (zipped(FILES), tarred(FILES), tarred(FILES, "w:gz")):
        paths = [each.path for each in read(archive) if isinstance(each, Member)]
        assert paths == list(FILES)


def test_long_names_are_read_in_full() -> None:
    name = "/".join(["folder" * 10] * 5) + "/image.png"
    for archive in (zipped({name: b"1"}), tarred({name: b"1"}), tarred({name: b"1"}, "w:gz")):
        assert unpacked(archive) == {name: b"1"}


def test_what_folders_are_littered_with_is_passed_over_silently() -> None:
    litter = ["__MACOSX/._a.png", "a/.DS_Store", "Thumbs.db", "images/._b.png", "images/"]
    archive = zipped(dict.fromkeys([*litter, "c.png"], b"1"))
    found = list(read(archive))
    assert [each.path for each in found if isinstance(each, Member)] == ["c.png"]
    assert [type(each) for each in found].count(PassedOver) == len(litter)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Tür.png".encode(), "Tür.png"),
        ("门牌.png".encode("gbk"), "门牌.png"),
        ("Tür.png".encode("cp437"), "Tür.png"),
        ("Señor Muñoz.png".encode("cp437"), "Señor Muñoz.png"),
    ],
    ids=["utf-8", "chinese windows", "german dos", "spanish dos"],
)
def test_names_without_a_declared_encoding_are_guessed(raw: bytes, name: str) -> None:
    assert archive_members.decoded_name(raw) == name
    # zipfile marks what it writes itself as UTF-8, so the name is put in afterwards.
    stand_in = b"x" * len(raw)
    archive = zipped({stand_in.decode(): b"1"}).replace(stand_in, raw)
    found = next(read(archive))
    assert isinstance(found, Member) == name.endswith(".png")
    assert isinstance(found, Member)
    assert found.path == name


def test_members_are_read_in_the_order_of_their_bytes() -> None:
    archive = zipped({"a.png": b"1" * 50, "b.png": b"2" * 50}, zipfile.ZIP_STORED)
    first = archive.index(b"PK\x01\x02")
    second = archive.index(b"PK\x01\x02", first + 1)
    end = archive.index(b"PK\x05\x06")
    shuffled = archive[:first] + archive[second:end] + archive[first:second] + archive[end:]
    assert list(unpacked(shuffled)) == ["a.png", "b.png"]


# --- limits


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_of_too_many_members_is_read_up_to_the_limit(
    pack: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_members, "MOST_MEMBERS", 3)
    members = read(pack({f"{number}.png": b"1" for number in range(4)}))
    assert [next(members).path for _ in range(3)] == ["0.png", "1.png", "2.png"]  # type: ignore[union-attr]
    with pytest.raises(RefusedArchiveError, match="more than 3 members") as refusal:
        next(members)
    assert refusal.value.code == "too_many_members"


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_is_too_large_is_read_up_to_the_limit(
    pack: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_members, "MOST_UNPACKED_BYTES", 2500)
    members = read(pack({f"{number}.png": bytes(1000) for number in range(4)}))
    next(members)
    next(members)
    with pytest.raises(RefusedArchiveError) as refusal:
        next(members)
    assert refusal.value.code == "archive_too_large"


def test_a_large_text_file_is_taken_and_a_large_image_is_not() -> None:
    content = bytes(range(256)) * 4096 * 21
    found = list(read(zipped({"a.png": content, "a.txt": content}, zipfile.ZIP_STORED)))
    assert [type(each) for each in found] == [Refusal, Member]
    assert found[0].code == "member_too_large"  # type: ignore[union-attr]


def test_a_tar_gz_that_unpacks_without_end_is_left_at_the_limit() -> None:
    archive = tarred({"a.png": b"1", "big.bin": bytes(64 * 1024**2), "b.png": b"2"}, "w:gz")
    members = read(archive)
    assert next(members).path == "a.png"  # type: ignore[union-attr]
    assert next(members).code == "ignored_member"  # type: ignore[union-attr]
    with pytest.raises(RefusedArchiveError) as refusal:
        next(members)
    assert refusal.value.code == "compression_bomb"


def test_a_directory_that_would_fill_the_memory_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives_zip, "_LARGEST_DIRECTORY_BYTES", 1000)
    with pytest.raises(RefusedArchiveError, match="directory"):
        list(read(zipped({f"{number:040}.png": b"" for number in range(100)})))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_memory_does_not_grow_with_a_tar(mode: str) -> None:
    archive = tarred({f"{number}.bin": b"" for number in range(6_000)}, mode)
    members = read(archive)
    for _ in range(100):
        next(members)
    tracemalloc.start()
    for _ in range(5_500):
        next(members)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000


class Unreadable(io.BytesIO):
    """A file whose bytes cannot be fetched from some place on."""

    def __init__(self, content: bytes, fails_at: int) -> None:
        super().__init__(content)
        self.fails_at = fails_at

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or self.tell() + size > self.fails_at:
            raise SourceError("503 Slow Down")
        return super().read(size)


@pytest.mark.parametrize(
    "archive",
    [zipped(FILES, zipfile.ZIP_STORED), tarred(FILES), tarred(FILES, "w:gz")],
    ids=["zip", "tar", "tar.gz"],
)
def test_a_fault_of_the_network_is_never_taken_for_one_of_the_archive(archive: bytes) -> None:
    for fails_at in range(4, len(archive), len(archive) // 20):
        file = Unreadable(archive, fails_at)
        with pytest.raises(SourceError):
            read_all(file, len(archive))


def read_all(file: io.BytesIO, size: int) -> None:
    for each in read_archive(file, size, MemberRules(1000)):
        if isinstance(each, Member):
            each.open().read()
