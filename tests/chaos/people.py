"""What people upload: small datasets whose every text tells which version it is of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from tests.aws_environment import BUCKET, IMAGE, png
from tests.chaos.truth import Version
from tests.chaos.world import World

LABELS = "labels/train.txt"
LINES = 4
_GOLDEN_LABELS = "labels/test.txt"
_GOLDEN_ROWS = tuple((f"images/{number}.png", f"99{number}") for number in range(2))


def approve_a_model(world: World) -> None:
    """Register the champion."""
    world.put("models/base/output/dict.txt", "".join(f"{digit}\n" for digit in range(10)))
    world.put("models/base/output/model.tar.gz", "model")
    world.client("sagemaker").create_model_package(
        ModelPackageGroupName="ocr-retrain",
        ModelApprovalStatus="Approved",
        ModelPackageDescription="the base model",
        InferenceSpecification={
            "Containers": [
                {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/models/base/output/model.tar.gz"}
            ],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties={
            "run_id": "base",
            "dictionary_uri": f"s3://{BUCKET}/models/base/output/dict.txt",
        },
    )


def upload(world: World, dataset: str, *, label_file: str = LABELS, images: bool = True) -> None:
    """Upload a good dataset, or the next version of one: its labels last."""
    rows = _next_version(world, dataset)
    if images:
        for path, _ in rows:
            put_image(world, dataset, path)
    world.put(f"incoming/{dataset}/{label_file}", "".join(f"{p}\t{t}\n" for p, t in rows))


def upload_images(world: World, dataset: str, *, numbers: Sequence[int]) -> None:
    """Upload the images of a dataset's newest version."""
    version = _newest(world, dataset)
    for number in numbers:
        put_image(world, dataset, _image(version.number, number))


def upload_archive(world: World, dataset: str) -> None:
    """Upload the same as one archive."""
    rows = _next_version(world, dataset)
    world.put(f"incoming/{dataset}/all of it.zip", _zipped(dataset, LABELS, rows))


def upload_the_same_again(world: World, dataset: str) -> None:
    """Upload label files and archives of a dataset once more, as they are."""
    for key in world.keys(f"incoming/{dataset}/"):
        if not key.endswith(".png"):
            world.put(key, world.get_bytes(key))


def upload_golden(world: World, name: str) -> None:
    """Upload a golden set."""
    for path, _ in _GOLDEN_ROWS:
        world.put(f"golden/{name}/{path}", png(f"golden/{name}/{path}"))
    rows = "".join(f"{path}\t{text}\n" for path, text in _GOLDEN_ROWS)
    world.put(f"golden/{name}/{_GOLDEN_LABELS}", rows)


def upload_golden_archive(world: World, name: str) -> None:
    """Upload the same as one archive."""
    archive = _zipped(f"golden/{name}", _GOLDEN_LABELS, _GOLDEN_ROWS)
    world.put(f"golden/{name}/all of it.zip", archive)


def put_image(world: World, dataset: str, path: str) -> None:
    world.put(f"incoming/{dataset}/{path}", png(f"{dataset}/{path}"))


def _next_version(world: World, dataset: str) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(each.dataset for each in world.versions))
    place = names.index(dataset) if dataset in names else len(names)
    number = sum(each.dataset == dataset for each in world.versions) + 1
    rows = [
        (_image(number, line), f"{10 + place}{10 + number}{10 + line}") for line in range(LINES)
    ]
    world.versions.append(Version(dataset, number, frozenset(text for _, text in rows)))
    return rows


def _image(version: int, line: int) -> str:
    return f"images/{version}-{line}.png"


def _newest(world: World, dataset: str) -> Version:
    return [each for each in world.versions if each.dataset == dataset][-1]


def _zipped(seed: str, label_file: str, rows: Sequence[tuple[str, str]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, _ in rows:
            archive.writestr(path, png(f"{seed}/{path}"))
        archive.writestr(label_file, "".join(f"{path}\t{text}\n" for path, text in rows))
    return file.getvalue()
