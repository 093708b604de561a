from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from ocr_retrain.errors import UserError
from ocr_retrain.installation.sources import Device, Image, copied_paths, read_sources

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = """FROM base AS one
COPY containers/a.txt \\
     containers/b.txt /build/
COPY --from=one /opt/venv /opt/venv
copy --chmod=755 containers/tools /opt/tools
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "containers"
    (folder / "training").mkdir(parents=True)
    (folder / "training" / "Dockerfile").write_text(DOCKERFILE)
    (folder / "tools" / "__pycache__").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "unused.txt", "tools/run", "tools/__pycache__/run.pyc"):
        (folder / name).write_text(name)
    (folder / "tools" / "run").chmod(0o755)
    return tmp_path


def test_copies_from_the_context_are_found_and_those_from_other_stages_are_not() -> None:
    assert copied_paths(DOCKERFILE) == ["containers/a.txt", "containers/b.txt", "containers/tools"]


def test_sources_are_what_the_dockerfile_copies_and_nothing_else(checkout: Path) -> None:
    sources = read_sources(checkout, Image.TRAINING, Device.GPU)

    assert sorted(sources.files) == [
        "containers/a.txt",
        "containers/b.txt",
        "containers/tools/run",
        "containers/training/Dockerfile",
    ]


def test_equal_sources_have_equal_tags_and_zips_whenever_they_were_written(checkout: Path) -> None:
    before = read_sources(checkout, Image.TRAINING, Device.GPU)
    (checkout / "containers" / "a.txt").write_text("a.txt")
    (checkout / "containers" / "unused.txt").write_text("changed")
    (checkout / "containers" / "tools" / "__pycache__" / "run.pyc").write_text("changed")
    after = read_sources(checkout, Image.TRAINING, Device.GPU)

    assert after.tag == before.tag
    assert after.archive() == before.archive()


@pytest.mark.parametrize("change", ["content", "mode", "device", "name"])
def test_whatever_changes_the_image_changes_its_tag(checkout: Path, change: str) -> None:
    before = read_sources(checkout, Image.TRAINING, Device.GPU)
    tools, device = checkout / "containers" / "tools", Device.GPU
    if change == "content":
        (tools / "run").write_text("other")
    elif change == "mode":
        (tools / "run").chmod(0o644)
    elif change == "name":
        (tools / "run").rename(tools / "walk")
    else:
        device = Device.CPU

    assert read_sources(checkout, Image.TRAINING, device).tag != before.tag


def test_the_zip_keeps_content_and_permissions(checkout: Path) -> None:
    archive = read_sources(checkout, Image.TRAINING, Device.GPU).archive()

    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.read("containers/tools/run") == b"tools/run"
        modes = {item.filename: item.external_attr >> 16 & 0o777 for item in opened.infolist()}
    assert modes["containers/tools/run"] == 0o755
    assert modes["containers/a.txt"] == 0o644


def test_the_revision_is_told_but_makes_no_other_image(checkout: Path) -> None:
    without_git = read_sources(checkout, Image.TRAINING, Device.GPU)
    assert without_git.revision == "unknown"

    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    committed = read_sources(checkout, Image.TRAINING, Device.GPU)
    (checkout / "containers" / "unused.txt").write_text("changed")
    changed = read_sources(checkout, Image.TRAINING, Device.GPU)

    assert re.fullmatch("[0-9a-f]{40}", committed.revision)
    assert changed.revision == f"{committed.revision}-dirty"
    assert without_git.tag == committed.tag == changed.tag


def test_a_file_that_is_missing_is_named(checkout: Path) -> None:
    (checkout / "containers" / "b.txt").unlink()

    with pytest.raises(UserError, match=r"training/Dockerfile copies containers/b\.txt, which is"):
        read_sources(checkout, Image.TRAINING, Device.GPU)


@pytest.mark.parametrize("image", Image)
def test_each_image_of_the_product_is_built_from_its_own_and_the_shared_code(image: Image) -> None:
    sources = read_sources(ROOT, image, Device.GPU)
    folders = {"/".join(path.split("/")[:2]) for path in sources.files}

    assert folders == {"containers/shared", f"containers/{image}"}
    assert not [path for path in sources.files if path.endswith((".in", ".pyc", "-test.txt"))]
    assert {path for path in sources.executable if "/bin/" in path} == {
        path for path in sources.files if "/bin/" in path
    }
    assert len(sources.archive()) < 2_000_000
