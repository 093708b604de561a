"""Archives that are hostile, broken, or packed by careless programs."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

MEGABYTE = 1024**2
GOOD = ("good.png", b"good")


@dataclass(frozen=True)
class ArchiveCase:
    """An archive, the problems it must lead to, and which members of it are used."""

    name: str
    content: bytes
    problems: tuple[str, ...]
    taken: tuple[str, ...] = ("good.png",)


# --- zip


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def _with_mode(mode: int, content: bytes = b"/etc/passwd") -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo("evil.png")
    info.create_system = 3
    info.external_attr = mode << 16
    return info, content


def _named(name: str) -> bytes:
    """A good member and one of any name; zipfile would clean some of them."""
    stand_in = "x" * (len(name.encode()) - 4) + ".zzz"
    packed = _zip((stand_in, b"evil"), GOOD, kind=zipfile.ZIP_STORED)
    return packed.replace(stand_in.encode(), name.encode())


def _central(archive: bytes, offset: int, form: str, *values: int) -> bytes:
    """Overwrite fields of the first entry of the directory."""
    at = archive.index(b"PK\x01\x02") + offset
    packed = struct.pack(f"<{form}", *values)
    return archive[:at] + packed + archive[at + len(packed) :]


def _both(archive: bytes, local: int, central: int, form: str, value: int) -> bytes:
    """Overwrite a field of the first member in its header and in the directory."""
    changed = bytearray(_central(archive, central, form, value))
    struct.pack_into(f"<{form}", changed, local, value)
    return bytes(changed)


_TWO = _zip(("evil.png", b"content of the member"), GOOD, kind=zipfile.ZIP_STORED)
_END = _TWO.index(b"PK\x05\x06")


def _same_bytes_twice() -> bytes:
    """Both entries of the directory point at the first member's bytes."""
    second = _TWO.index(b"PK\x01\x02", _TWO.index(b"PK\x01\x02") + 1)
    changed = bytearray(_TWO)
    struct.pack_into("<L", changed, second + 42, 0)
    return bytes(changed)


_ZIPS = [
    ArchiveCase(f"zip with {name!r:.60} ({len(name)})", _named(name), (code,))
    for name, code in [
        ("../evil.png", "outside_archive"),
        ("../../../../etc/cron.d/evil.txt", "outside_archive"),
        ("a/../../evil.png", "outside_archive"),
        ("a/../evil.png", "outside_archive"),
        ("/etc/evil.png", "outside_archive"),
        ("//server/evil.png", "outside_archive"),
        ("\\\\server\\evil.png", "outside_archive"),
        ("C:\\evil.png", "outside_archive"),
        ("c:evil.png", "outside_archive"),
        ("..\\evil.png", "outside_archive"),
        ("images\\..\\..\\evil.png", "outside_archive"),
        ("evil\n.png", "unusable_name"),
        ("evil\r\n.png", "unusable_name"),
        ("evil\0.png", "unusable_name"),
        ("evil\x1b[2J.png", "unusable_name"),
        ("evil\x7f.png", "unusable_name"),
        ("././.", "unusable_name"),
        ("x" * 252 + ".png", "unusable_name"),
        ("门" * 84 + ".png", "unusable_name"),
        ("/".join(["x" * 200] * 5) + ".png", "unusable_name"),
        ("evil.zip", "nested_archive"),
        ("evil.tar.gz", "nested_archive"),
        ("evil.7z", "nested_archive"),
        ("evil.RAR", "nested_archive"),
        ("evil.exe", "ignored_member"),
        ("evil.png.exe", "ignored_member"),
        ("evil.png ", "ignored_member"),
        ("evil.svg", "ignored_member"),
        ("evil.html", "ignored_member"),
        ("noext", "ignored_member"),
        (".png/..", "outside_archive"),
    ]
]
_ODD_BUT_GOOD = [
    ArchiveCase(f"zip with {name!r}", _named(name), (), tuple(sorted((taken, "good.png"))))
    for name, taken in [
        ("$(reboot).png", "$(reboot).png"),
        ("a;b|c&d.png", "a;b|c&d.png"),
        ("CON.png", "CON.png"),
        ("-rf.png", "-rf.png"),
        ("a+b %20.PNG", "a+b %20.PNG"),
        ("gnp.\u202egpj.png", "gnp.\u202egpj.png"),
        ("./a//b.png", "a/b.png"),
        ("images\\a.png", "images/a.png"),
    ]
]

_ZIPS += _ODD_BUT_GOOD
_ZIPS += [
    ArchiveCase("zip with a link", _zip(_with_mode(stat.S_IFLNK | 0o777), GOOD), ("link_member",)),
    ArchiveCase("zip with a device", _zip(_with_mode(stat.S_IFCHR), GOOD), ("special_member",)),
    ArchiveCase("zip with a disk", _zip(_with_mode(stat.S_IFBLK), GOOD), ("special_member",)),
    ArchiveCase("zip with a pipe", _zip(_with_mode(stat.S_IFIFO), GOOD), ("special_member",)),
    ArchiveCase("zip with a socket", _zip(_with_mode(stat.S_IFSOCK), GOOD), ("special_member",)),
    ArchiveCase("zip with a password", _both(_TWO, 6, 8, "H", 0x1), ("encrypted_member",)),
    ArchiveCase("zip with a strong password", _both(_TWO, 6, 8, "H", 0x41), ("encrypted_member",)),
    ArchiveCase("zip packed with bzip2", _zip(GOOD, kind=zipfile.ZIP_BZIP2),
                ("unsupported_member",), ()),
    ArchiveCase("zip packed with lzma", _zip(GOOD, kind=zipfile.ZIP_LZMA),
                ("unsupported_member",), ()),
    ArchiveCase("zip packed in an unknown way", _both(_TWO, 8, 10, "H", 99),
                ("unsupported_member",)),
    ArchiveCase("zip with an image of zeros", _zip(("evil.png", bytes(5 * MEGABYTE)), GOOD),
                ("compression_bomb",)),
    ArchiveCase("zip with a text of zeros", _zip(("evil.txt", bytes(50 * MEGABYTE)), GOOD),
                ("compression_bomb",)),
    ArchiveCase("zip with a huge image",
                _zip(("evil.png", bytes(21 * MEGABYTE)), GOOD), ("member_too_large",)),
    ArchiveCase("zip that says four gigabytes", _central(_TWO, 24, "L", 2**32 - 2),
                ("member_too_large",)),
    ArchiveCase("zip that says less than there is", _central(_TWO, 24, "L", 5),
                ("damaged_member",)),
    ArchiveCase("zip that says more than there is", _central(_TWO, 24, "L", 500),
                ("damaged_member",)),
    ArchiveCase("zip with a wrong checksum", _central(_TWO, 16, "L", 12345), ("damaged_member",)),
    ArchiveCase("zip with a damaged member", _TWO.replace(b"content of", b"c0ntent of"),
                ("damaged_member",)),
    ArchiveCase("zip with a damaged stream",
                _zip(("evil.txt", bytes(range(256)) * 9), GOOD).replace(
                    zlib.compress(bytes(range(256)) * 9, 6)[2:40], b"\xff" * 38),
                ("damaged_member",)),
    ArchiveCase("zip with two names for one member", _TWO.replace(b"evil.png", b"other.pn", 1),
                ("damaged_member",)),
    ArchiveCase("zip with a member beyond the end", _central(_TWO, 42, "L", 10**6),
                ("damaged_member",)),
    ArchiveCase("zip with overlapping members", _same_bytes_twice(), ("damaged_member",),
                ("evil.png",)),
    ArchiveCase("zip with a member inside the directory", _central(_TWO, 42, "L", _END - 60),
                ("damaged_member",)),
    ArchiveCase("zip with the same name twice",
                _named("good.png"), ("duplicate_member",)),
    ArchiveCase("zip with a file that is a folder", _named("good.png/evil.png"),
                ("unusable_name",), ("good.png/evil.png",)),
    ArchiveCase("zip with a name that is not UTF-8 and says so",
                _both(_TWO.replace(b"evil.png", b"\xff\xfel.png"), 6, 8, "H", 0x800),
                ("broken_archive",), ()),
    ArchiveCase("zip without its end", _TWO[: _END - 5], ("broken_archive",), ()),
    ArchiveCase("zip cut in half", _TWO[: len(_TWO) // 2], ("broken_archive",), ()),
    ArchiveCase("zip of a mark only", b"PK\3\4", ("broken_archive",), ()),
    ArchiveCase("zip of an end only", b"PK\5\6", ("broken_archive",), ()),
    ArchiveCase("zip of noise", b"PK\3\4" + bytes(range(256)) * 40, ("broken_archive",), ()),
    ArchiveCase("zip whose directory lies elsewhere",
                _TWO[: _END + 16] + struct.pack("<L", 10**9) + _TWO[_END + 20 :],
                ("damaged_member", "damaged_member"), ()),
    ArchiveCase("zip whose directory is endless",
                _TWO[: _END + 12] + struct.pack("<L", 2**31) + _TWO[_END + 16 :],
                ("broken_archive",), ()),
    ArchiveCase("zip64 of nonsense",
                _TWO[:_END] + b"PK\6\7" + bytes(4) + b"\xff" * 12 + _TWO[_END:],
                ("broken_archive",), ()),
    ArchiveCase("zip behind a program", b"MZ" + bytes(600) + _TWO, ("broken_archive",), ()),
    ArchiveCase("zip of nothing", _zip(), ("empty_archive",), ()),
    ArchiveCase("zip of litter", _zip(("__MACOSX/._a.png", b"1"), ("a/.DS_Store", b"1")),
                ("empty_archive",), ()),
]  # fmt: skip


# --- tar


def _info(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def _tar(*members: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for info, content in members:
            info.size = len(content) or info.size
            archive.addfile(info, io.BytesIO(content) if content else None)
        good = _info(GOOD[0])
        good.size = len(GOOD[1])
        archive.addfile(good, io.BytesIO(GOOD[1]))
    return out.getvalue()


def _raw(header: bytes, *fields: tuple[int, bytes]) -> bytes:
    """A tar header with some bytes of it overwritten and a checksum that is right again."""
    changed = bytearray(header)
    for at, content in fields:
        changed[at : at + len(content)] = content
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def _of_type(kind: bytes, **fields: object) -> bytes:
    return _tar((_info("evil.png", type=kind, **fields), b""))


def _packed(size: int, level: int = 9) -> bytes:
    return gzip.compress(_tar((_info("evil.bin"), bytes(size))), level)


_PLAIN = _tar((_info("evil.png"), b"content of the member"))
_HEAD = _PLAIN[:512]
_LONG_NAME = _raw(_HEAD, (0, b"././@LongLink\0"), (156, b"L"))
_EXTENDED = _raw(_HEAD, (0, b"pax\0"), (156, b"x"))


def _extended(records: bytes) -> bytes:
    header = _raw(_EXTENDED, (124, b"%011o\0" % len(records)))
    return header + records + bytes(-len(records) % 512) + _PLAIN


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


_TARS = [
    ArchiveCase(f"tar with {name!r:.60} ({len(name)})", _tar((_info(name), b"evil")), (code,))
    for name, code in [
        ("../evil.png", "outside_archive"),
        ("a/../../evil.png", "outside_archive"),
        ("/etc/evil.png", "outside_archive"),
        ("..\\evil.png", "outside_archive"),
        ("D:/evil.png", "outside_archive"),
        ("evil\n.png", "unusable_name"),
        ("x" * 252 + ".png", "unusable_name"),
        ("/".join(["x" * 200] * 5) + ".png", "unusable_name"),
        ("evil.tar", "nested_archive"),
        ("evil.sh", "ignored_member"),
    ]
]
_TARS += [
    ArchiveCase("tar with a symbolic link", _of_type(tarfile.SYMTYPE, linkname="/etc/passwd"),
                ("link_member",)),
    ArchiveCase("tar with a link to a parent", _of_type(tarfile.SYMTYPE, linkname="../.."),
                ("link_member",)),
    ArchiveCase("tar with a hard link", _of_type(tarfile.LNKTYPE, linkname="good.png"),
                ("link_member",)),
    ArchiveCase("tar with a terminal", _of_type(tarfile.CHRTYPE, devmajor=5), ("special_member",)),
    ArchiveCase("tar with a disk", _of_type(tarfile.BLKTYPE, devmajor=8), ("special_member",)),
    ArchiveCase("tar with a pipe", _of_type(tarfile.FIFOTYPE), ("special_member",)),
    ArchiveCase("tar with an unknown kind of member", _raw(_HEAD, (156, b"Z")) + _PLAIN[512:],
                ("special_member",)),
    ArchiveCase("tar with a file of holes",
                _raw(_HEAD, (156, b"S"), (124, b"%011o\0" % 0), (483, b"%011o\0" % (10 * MEGABYTE)))
                + _PLAIN[1024:], ("unsupported_member",)),
    ArchiveCase("tar whose extended name leads out", _extended(_record("path", "../evil.png")),
                ("outside_archive",)),
    ArchiveCase("tar whose extended name has a line end", _extended(_record("path", "a\nb.png")),
                ("unusable_name",)),
    ArchiveCase("tar whose extended size is negative", _extended(_record("size", "-512")),
                ("broken_archive",), ()),
    ArchiveCase("tar whose extended size is no number", _extended(_record("size", "many")),
                ("broken_archive",), ("evil.png",)),
    ArchiveCase("tar with an endless extended header", _extended(_record("c", "x" * 2 * MEGABYTE)),
                ("broken_archive",), ()),
    ArchiveCase("tar with a broken extended header", _extended(b"0 path=evil\n"),
                ("broken_archive",), ()),
    ArchiveCase("tar with an endless map of holes",
                _extended(_record("GNU.sparse.major", "1") + _record("GNU.sparse.minor", "0")),
                ("broken_archive",), ()),
    ArchiveCase("tar with a name of a gigabyte",
                _raw(_LONG_NAME, (124, b"%011o\0" % 2**30)) + _PLAIN, ("broken_archive",), ()),
    ArchiveCase("tar with three thousand names for one member",
                _raw(_LONG_NAME, (124, b"%011o\0" % 0)) * 3000 + _PLAIN, ("broken_archive",), ()),
    ArchiveCase("tar with a member of negative size",
                _raw(_HEAD, (124, b"\xff" * 12)) + _PLAIN[512:], ("broken_archive",), ()),
    ArchiveCase("tar with a member of many exabytes",
                _raw(_HEAD, (124, b"\x80" + b"\x00" * 3 + b"\x7f" * 8)) + _PLAIN[512:],
                ("member_too_large", "broken_archive"), ()),
    ArchiveCase("tar that says a gigabyte", _raw(_HEAD, (124, b"%011o\0" % 2**30)) + _PLAIN[512:],
                ("member_too_large", "broken_archive"), ()),
    ArchiveCase("tar that says more than there is",
                _raw(_HEAD, (124, b"%011o\0" % MEGABYTE)) + _PLAIN[512:],
                ("broken_archive",), ()),
    ArchiveCase("tar with a damaged first header", b"X" + _PLAIN[1:], ("broken_archive",), ()),
    ArchiveCase("tar with a damaged later header", _PLAIN.replace(b"good.png", b"go0d.png"),
                ("broken_archive",), ("evil.png",)),
    ArchiveCase("tar cut inside a header", _PLAIN[:1200], ("broken_archive",), ("evil.png",)),
    ArchiveCase("tar cut inside a member", _tar((_info("evil.png"), b"x" * 5000))[:3000],
                ("broken_archive",), ()),
    ArchiveCase("tar of zeros", bytes(10_240), ("empty_archive",), ()),
    ArchiveCase("tar with the same name twice", _tar((_info("good.png"), b"good")),
                ("duplicate_member",)),
    ArchiveCase("tar with a file that is a folder",
                _tar((_info("good.png/evil.png"), b"evil")), ("unusable_name",),
                ("good.png/evil.png",)),
    ArchiveCase("tar with a chinese name in its old encoding",
                _raw(_HEAD, (0, "门牌.png".encode("gbk") + b"\0")) + _PLAIN[512:], (),
                ("good.png", "门牌.png")),
    # --- tar.gz
    ArchiveCase("tar.gz of zeros", _packed(64 * MEGABYTE),
                ("ignored_member", "compression_bomb"), ()),
    ArchiveCase("tar.gz cut off", _packed(200_000, 0)[:100_000],
                ("ignored_member", "broken_archive"), ()),
    ArchiveCase("tar.gz with a damaged stream",
                _packed(100)[:60] + b"\xff" * 20 + _packed(100)[80:], ("broken_archive",), ()),
    ArchiveCase("tar.gz with a wrong checksum", gzip.compress(_PLAIN)[:-8] + bytes(8),
                ("broken_archive",), ("evil.png", "good.png")),
    ArchiveCase("tar.gz of no tar", gzip.compress(b"a.png\t1\n" * 100), ("broken_archive",), ()),
    ArchiveCase("tar.gz of a tar.gz", gzip.compress(gzip.compress(_PLAIN)),
                ("broken_archive",), ()),
    ArchiveCase("tar.gz of a mark only", b"\x1f\x8b", ("broken_archive",), ()),
    ArchiveCase("tar.gz with a name of a gigabyte",
                gzip.compress(_raw(_LONG_NAME, (124, b"%011o\0" % 2**30)) + bytes(9 * MEGABYTE)),
                ("broken_archive",), ()),
    # --- neither
    ArchiveCase("nothing", b"", ("broken_archive",), ()),
    ArchiveCase("text", b"a.png\t1\n" * 200, ("broken_archive",), ()),
    ArchiveCase("a 7-Zip archive", b"7z\xbc\xaf\x27\x1c" + bytes(1000), ("broken_archive",), ()),
    ArchiveCase("a RAR archive", b"Rar!\x1a\x07\x01\x00" + bytes(1000), ("broken_archive",), ()),
    ArchiveCase("a tar.bz2", b"BZh91AY&SY" + bytes(1000), ("broken_archive",), ()),
    ArchiveCase("a tar.xz", b"\xfd7zXZ\x00" + bytes(1000), ("broken_archive",), ()),
    ArchiveCase("an error of a web server", b"<html>502 Bad Gateway</html>" * 40,
                ("broken_archive",), ()),
]  # fmt: skip

CASES = _ZIPS + _TARS
