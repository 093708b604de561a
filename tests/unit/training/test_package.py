"""package-model: complete artefacts from built-in models and from what others trained."""

import shutil
from pathlib import Path

import pytest
import yaml

import finetuning.package as package_module
from finetuning.artefacts import Lineage, load_model, write_model
from finetuning.package import main
from recognition.artefact import read_manifest, unpack
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
