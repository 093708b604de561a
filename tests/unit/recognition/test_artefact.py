"""The artefact: packed always the same, unpacked only into its directory, checked by checksum."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from recognition.artefact import (
    ArtefactError,
    Manifest,
    file_sha256,
    pack,
    read_manifest,
    unpack,
    write_manifest,
)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    (directory / "inference").mkdir(parents=True)
    (directory / "dict.txt").write_text("a\n")
    (directory / "inference" / "model.onnx").write_bytes(b"network")
    write_manifest(
        Manifest(run_id="run", dictionary_size=1, family="tiny", image_shape=(3, 32, 96)), directory
    )
    return directory


def archive_with(path: Path, member: tarfile.TarInfo, data: bytes = b"") -> Path:
    member.size = len(data)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member, io.BytesIO(data))
    return path


def test_an_artefact_survives_being_packed_and_unpacked(model_dir: Path, tmp_path: Path) -> None:
    pack(model_dir, tmp_path / "model.tar.gz")

    copy = unpack(tmp_path / "model.tar.gz", tmp_path / "copy")

    assert (copy / "inference" / "model.onnx").read_bytes() == b"network"
    assert read_manifest(copy) == read_manifest(model_dir)
    read_manifest(copy).verify(copy, ("dict.txt", "inference/model.onnx"))


def test_the_same_contents_give_the_same_archive(model_dir: Path, tmp_path: Path) -> None:
    pack(model_dir, tmp_path / "one.tar.gz")
    (model_dir / "dict.txt").touch()
    pack(model_dir, tmp_path / "two.tar.gz")

    assert file_sha256(tmp_path / "one.tar.gz") == file_sha256(tmp_path / "two.tar.gz")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "a\\..\\b"])
def test_a_member_that_leaves_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    archive = archive_with(tmp_path / "model.tar.gz", tarfile.TarInfo(name), b"x")

    with pytest.raises(ArtefactError, match="leaves the directory"):
        unpack(archive, tmp_path / "target")

    assert not list((tmp_path / "target").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("dict.txt")
    member.type, member.linkname = kind, "/etc/passwd"

    with pytest.raises(ArtefactError, match="link or device"):
        unpack(archive_with(tmp_path / "model.tar.gz", member), tmp_path / "target")


def test_an_archive_of_thousands_of_files_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        for number in range(101):
            tar.addfile(tarfile.TarInfo(f"{number}"), io.BytesIO())

    with pytest.raises(ArtefactError, match="more than a model can be"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "target")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\0\0\0"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)

    with pytest.raises(ArtefactError, match="cannot be unpacked"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "target")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"model\.tar\.gz does not exist"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "target")


def test_a_changed_file_is_noticed(model_dir: Path) -> None:
    (model_dir / "dict.txt").write_text("b\n")

    with pytest.raises(ArtefactError, match=r"dict\.txt differs from its checksum"):
        read_manifest(model_dir).verify(model_dir, ("dict.txt",))


def test_a_missing_file_is_named(model_dir: Path) -> None:
    with pytest.raises(ArtefactError, match=r"lacks config\.yml"):
        read_manifest(model_dir).verify(model_dir, ("config.yml",))


def test_a_malformed_manifest_is_refused_by_field(model_dir: Path) -> None:
    content = json.loads((model_dir / "manifest.json").read_text())
    content["dictionary_size"] = "many"
    (model_dir / "manifest.json").write_text(json.dumps(content))

    with pytest.raises(ArtefactError, match="malformed at dictionary_size"):
        read_manifest(model_dir)
