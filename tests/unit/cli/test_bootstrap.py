from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from ocr_retrain import base_model
from ocr_retrain import bootstrap as bootstrapping
from ocr_retrain.base_model import BaseModel, make_base_model
from ocr_retrain.connection import Cloud
from ocr_retrain.errors import UserError
from ocr_retrain.main import execute
from ocr_retrain.model_registry import list_versions
from ocr_retrain.repository import Repository

from .fakes import FakeExecution, FakeStepFunctions, load_events

PACKAGER = """
import pathlib, sys, tarfile, io
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
calls = pathlib.Path(options["--cache"]); calls.mkdir(parents=True, exist_ok=True)
(calls / "calls").open("a").write(options["--source"] + "\\n")
if options["--source"].endswith("broken"):
    sys.exit("best_accuracy.pdparams is missing.")
print("recovering weights")
read = options.get("--lines", "rendered")
pathlib.Path(options["--output"]).with_name("reading.json").write_text(
    '{"sentence": "It reads 9 of 10 lines of %s."}' % pathlib.Path(read).name)
with tarfile.open(options["--output"], "w:gz") as archive:
    member = tarfile.TarInfo("dict.txt"); member.size = 4
    archive.addfile(member, io.BytesIO(b"a\\nb\\n"))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "checkout"
    program = root / "containers" / "training" / "bin" / "package-model"
    program.parent.mkdir(parents=True)
    program.write_text(PACKAGER)
    python = root / ".runtimes" / "training" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return Repository(root)


@pytest.fixture
def ready(connected: Cloud, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud whose deployments are only counted: (latest version deployed) per call."""
    monkeypatch.setattr("ocr_retrain.commands.bootstrap.find_repository", lambda: repository)
    monkeypatch.setattr(bootstrapping, "deploy", lambda cloud, indent: None)
    return connected


def _calls(repository: Repository) -> list[str]:
    log = repository.cache / "package-model" / "calls"
    return log.read_text().split() if log.exists() else []


def test_base_model_is_packaged_once(repository: Repository) -> None:
    first = make_base_model(repository, "pp-ocrv4-mobile")
    second = make_base_model(repository, "pp-ocrv4-mobile")

    assert first == second
    assert first.dictionary() == b"a\nb\n"
    assert _calls(repository) == ["pp-ocrv4-mobile"]


def test_changed_source_folder_is_packaged_again(repository: Repository, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    (source / "config.yml").write_text("a: 1")
    make_base_model(repository, str(source))
    (source / "config.yml").write_text("a: 2")
    model = make_base_model(repository, str(source))

    assert model.source == "mine"
    assert len(_calls(repository)) == 2
    assert len(list((repository.cache / "base-models").iterdir())) == 1


def test_failing_packager_is_told_with_its_own_last_line(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()

    with pytest.raises(UserError, match=r"best_accuracy\.pdparams is missing\."):
        make_base_model(repository, str(tmp_path / "broken"))

    assert not list((repository.cache / "base-models").rglob("model.tar.gz"))


def test_missing_source_and_missing_runtime_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a folder, a model.tar.gz or one of pp-ocrv6"):
        make_base_model(Repository(tmp_path), "nowhere")
    with pytest.raises(UserError, match="make setup"):
        make_base_model(Repository(tmp_path), "tiny")


def test_artefact_without_dictionary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("config.yml"), io.BytesIO())

    with pytest.raises(UserError, match=r"no dict\.txt"):
        BaseModel(path, "00", "mine").dictionary()


def test_bootstrap_registers_an_approved_version_with_its_artefact(
    ready: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["bootstrap", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["version"], answer["registered_now"]) == (1, True)
    package = ready.sagemaker.describe_model_package(ModelPackageName=answer["package_arn"])
    assert package["ModelApprovalStatus"] == "Approved"
    specification = package["InferenceSpecification"]
    assert specification["SupportedContentTypes"] == [
        "image/jpeg",
        "image/png",
        "application/x-image",
        "application/json",
    ]
    assert specification["Containers"][0]["Image"] == ready.stack.inference_image
    metadata = package["CustomerMetadataProperties"]
    folder = f"models/ocr-retrain-base-{metadata['sha256'][:12]}/output"
    assert metadata["source"] == "pp-ocrv6-small"
    assert metadata["reading"] == "It reads 9 of 10 lines of rendered."
    assert metadata["dictionary_uri"] == f"s3://labelled-data/{folder}/dict.txt"
    stored = ready.s3.get_object(Bucket="labelled-data", Key=f"{folder}/dict.txt")
    assert stored["Body"].read() == b"a\nb\n"
    assert specification["Containers"][0]["ModelDataUrl"].endswith(f"{folder}/model.tar.gz")


def test_second_bootstrap_registers_nothing(
    ready: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["bootstrap"])
    capsys.readouterr()

    assert execute(["bootstrap"]) == 0

    assert "is registered already: version 1, Approved." in capsys.readouterr().err
    assert len(list_versions(ready.sagemaker, "ocr-retrain")) == 1


def test_rejected_base_model_is_registered_anew(
    ready: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["bootstrap"])
    execute(["reject", "1", "--reason", "wrong one"])

    assert execute(["bootstrap"]) == 0

    approvals = [item.approval for item in list_versions(ready.sagemaker, "ocr-retrain")]
    assert approvals == ["Approved", "Rejected"]


def test_failed_deployment_exits_with_13_and_its_cause(
    executions: FakeStepFunctions,
    connected: Cloud,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ocr_retrain.commands.bootstrap.find_repository", lambda: repository)

    executions.on_start = lambda name: FakeExecution(
        name,
        [load_events("deploying")],
        status="FAILED",
        cause="The endpoint did not accept version 1.",
        state_machine="ocr-retrain-deploy",
    )

    assert execute(["bootstrap"]) == 13

    error = capsys.readouterr().err
    assert "The deployment failed: The endpoint did not accept version 1." in error
    assert "✓ Create model" in error


def test_a_model_reads_the_lines_that_are_given_before_it_is_registered(
    ready: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meters" / "labels").mkdir(parents=True)

    assert execute(["bootstrap", "--lines", str(tmp_path / "meters")]) == 0

    assert "It reads 9 of 10 lines of meters." in capsys.readouterr().err


def test_lines_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no folder labels/"):
        make_base_model(Repository(tmp_path), "tiny", lines=tmp_path)


def test_a_file_with_another_checksum_is_not_packaged(
    repository: Repository, tmp_path: Path
) -> None:
    model = tmp_path / "mine.tar"
    model.write_bytes(b"x")

    with pytest.raises(UserError, match="has the SHA-256 2d711642"):
        make_base_model(repository, str(model), sha256="0" * 64)
    with pytest.raises(UserError, match="--sha256 is of one file"):
        make_base_model(repository, str(tmp_path), sha256="0" * 64)
    assert _calls(repository) == []


def test_a_model_behind_an_address_is_fetched_and_packaged_like_a_file(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "rec_train.tar"
    fetched.write_bytes(b"x")
    asked = []

    def fetch(url: str, sha256: str | None, folder: Path, on_progress: object) -> Path:
        asked.append((url, sha256))
        return fetched

    monkeypatch.setattr(base_model, "download", fetch)
    url = "https://example.com/rec_train.tar"

    model = make_base_model(repository, url, sha256="1" * 64)

    assert asked == [(url, "1" * 64)]
    assert model.source == "rec_train.tar"
    assert _calls(repository) == [str(fetched)]
