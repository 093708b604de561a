"""package-model: complete artefacts from built-in models and from what others trained."""

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import finetuning.package as package_module
from finetuning import given_archives
from finetuning.artefacts import Lineage, load_model, write_model
from finetuning.given_archives import unpack_model
from finetuning.package import main
from recognition.artefact import ArtefactError, read_manifest, unpack
from recognition.recognizer import Recognizer

ALL_FILES = {
    "best_accuracy.pdparams",
    "config.yml",
    "dict.txt",
    "inference/inference.json",
    "inference/inference.pdiparams",
    "inference/inference.yml",
    "inference/model.onnx",
}


@pytest.fixture
def incomplete(tiny_dir: Path, tmp_path: Path) -> Path:
    """What somebody who trains with PaddleOCR has: weights, configuration, dictionary."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    shutil.copy(tiny_dir / "best_accuracy.pdparams", directory / "latest.pdparams")
    shutil.copy(tiny_dir / "config.yml", directory)
    shutil.copy(tiny_dir / "dict.txt", directory)
    return directory


def test_an_artefact_is_complete(tiny_archive: Path, tiny_dir: Path) -> None:
    manifest = read_manifest(tiny_dir)

    assert set(manifest.sha256) == ALL_FILES
    manifest.verify(tiny_dir, ALL_FILES)
    assert (tiny_archive.parent / "dict.txt").read_bytes() == (tiny_dir / "dict.txt").read_bytes()


def test_weights_config_and_dictionary_are_enough(
    incomplete: Path, tiny_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", str(incomplete), "--output", str(output)]) == 0

    completed = Recognizer.load(unpack(output, tmp_path / "completed"))
    assert completed.dictionary == Recognizer.load(tiny_dir).dictionary
    assert set(completed.manifest.sha256) == ALL_FILES


def test_the_space_that_paddleocr_adds_becomes_part_of_the_dictionary(
    incomplete: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load((incomplete / "config.yml").read_text())
    config["Global"]["use_space_char"] = True
    (incomplete / "config.yml").write_text(yaml.safe_dump(config))
    lines = (incomplete / "dict.txt").read_text().splitlines()
    (incomplete / "dict.txt").write_text("\n".join(lines[:-1]) + "\n")
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", str(incomplete), "--output", str(output)]) == 0

    assert (output.parent / "dict.txt").read_text().splitlines()[-1] == " "


def test_a_complete_artefact_is_kept_as_it_is(tiny_archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.tar.gz"

    assert main(["--source", str(tiny_archive), "--output", str(output)]) == 0

    assert output.read_bytes() == tiny_archive.read_bytes()


def test_a_built_in_model_comes_from_the_cache_the_second_time(
    tiny_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetuning.package._fingerprint", lambda source: "same")
    cache = tmp_path / "cache"
    cache.mkdir()
    shutil.copy(tiny_archive, cache / "tiny-same.tar.gz")
    monkeypatch.setattr("finetuning.package._BUILT_IN", {"tiny": pytest.fail})
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", "tiny", "--output", str(output), "--cache", str(cache)]) == 0

    assert output.read_bytes() == tiny_archive.read_bytes()
    assert (output.parent / "dict.txt").is_file()


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("latest.pdparams", "has no *.pdparams"),
        ("config.yml", "has no config.yml"),
        ("dict.txt", "has no dict.txt"),
    ],
)
def test_what_is_missing_is_named(
    incomplete: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    reason: str,
) -> None:
    (incomplete / missing).unlink()

    code = main(["--source", str(incomplete), "--output", str(tmp_path / "model.tar.gz")])

    assert code == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "model.tar.gz").exists()


def test_an_inference_model_is_enough(tiny_dir: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("inference.json", "inference.pdiparams", "inference.yml"):
        shutil.copy(tiny_dir / "inference" / name, theirs)
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", str(theirs), "--output", str(output)]) == 0

    completed = Recognizer.load(unpack(output, tmp_path / "completed"))
    assert completed.dictionary == Recognizer.load(tiny_dir).dictionary
    assert completed.manifest.family == "tiny"
    assert set(completed.manifest.sha256) == ALL_FILES


def test_a_frozen_model_is_packaged_whole(tmp_path: Path) -> None:
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", "pp-ocrv6-small", "--output", str(output)]) == 0

    model = Recognizer.load(unpack(output, tmp_path / "model"))
    assert model.manifest.family == "pp-ocrv6-small"
    assert model.dictionary_size == 18_709
    assert set(model.manifest.sha256) == ALL_FILES - {
        "inference/inference.json",
        "inference/inference.pdiparams",
    }


def test_the_cache_knows_the_code_of_every_package_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(Path(package_module.__file__).parent, tmp_path / "finetuning"))
    monkeypatch.setattr(package_module, "__file__", str(copy / "package.py"))
    before = package_module._fingerprint("tiny")

    with (copy / "families" / "layered.py").open("a") as file:
        file.write("# changed")

    assert package_module._fingerprint("tiny") != before
    assert package_module._fingerprint("tiny") != package_module._fingerprint("pp-ocrv6-small")


def test_a_recipe_is_kept_with_the_model(tiny_dir: Path, tmp_path: Path) -> None:
    model, _ = load_model(tiny_dir)

    manifest = write_model(model, Lineage("run-1"), {}, tmp_path, recipe="depth: head\n")

    assert (tmp_path / "recipe.yml").read_text() == "depth: head\n"
    assert "recipe.yml" in manifest.sha256


def test_an_unknown_source_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--source", "pp-ocrv9", "--output", str(tmp_path / "model.tar.gz")]) == 1

    assert capsys.readouterr().err.count("\n") == 1


def zipped(folder: Path, archive: Path, around: str) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(folder.iterdir()):
            opened.write(file, f"{around}{file.name}")
        opened.writestr(f"__MACOSX/{around}._config.yml", b"left by a system")
    return archive


@pytest.mark.parametrize("around", ["", "en_PP-OCRv4_rec_train/", "a/b/"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_taken_with_or_without_a_folder_around_all(
    incomplete: Path, tmp_path: Path, kind: str, around: str
) -> None:
    if kind == "zip":
        archive = zipped(incomplete, tmp_path / "theirs.zip", around)
    else:
        archive = tmp_path / "theirs.tar"
        with tarfile.open(archive, "w") as opened:
            for file in incomplete.iterdir():
                opened.add(file, f"{around}{file.name}")

    model = unpack_model(archive, tmp_path / "unpacked")

    assert {each.name for each in model.iterdir()} >= {each.name for each in incomplete.iterdir()}


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\..\\evil"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "hostile.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"x")
    with pytest.raises(ArtefactError, match="leaves the directory"):
        unpack_model(archive, tmp_path / "unpacked")
    assert not list(tmp_path.rglob("evil"))


def test_links_and_bombs_in_a_zip_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = zipfile.ZipInfo("best_accuracy.pdparams")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(ArtefactError, match="is a link"):
        unpack_model(tmp_path / "link.zip", tmp_path / "unpacked")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("best_accuracy.pdparams", bytes(3_000_000))
    monkeypatch.setattr(given_archives, "_MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(ArtefactError, match="more than a model can be"):
        unpack_model(tmp_path / "bomb.zip", tmp_path / "unpacked")


def test_a_model_whose_dictionary_is_of_another_is_not_packaged(
    incomplete: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    characters = (incomplete / "dict.txt").read_text().splitlines()
    turned = [*characters[5:], *characters[:5]]
    (incomplete / "dict.txt").write_text("\n".join(turned) + "\n")
    output = tmp_path / "out" / "model.tar.gz"

    assert main(["--source", str(incomplete), "--output", str(output)]) == 1

    assert "The model does not read: " in capsys.readouterr().err
    assert not output.exists()


def test_a_model_reads_labelled_lines_where_they_are_given(
    tiny_archive: Path, draw_lines: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    lines = draw_lines(tmp_path / "meters", "crops", 20)
    (tmp_path / "meters/labels").mkdir()
    rows = "".join(f"{key}\t{text}\n" for key, text in lines.items())
    (tmp_path / "meters/labels/test.txt").write_text(f"{rows}crops/absent.png\t1\n")
    output = tmp_path / "out" / "model.tar.gz"

    done = main(
        [
            "--source",
            str(tiny_archive),
            "--output",
            str(output),
            "--lines",
            str(tmp_path / "meters"),
        ]
    )

    told = json.loads((output.parent / "reading.json").read_text())
    assert done == 0
    assert (told["kind"], told["lines"]) == ("labelled", 20)
    assert told["right"] >= 2
