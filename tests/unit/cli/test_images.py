from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from ocr_retrain.errors import UserError
from ocr_retrain.installation import images as module
from ocr_retrain.installation.account import Account
from ocr_retrain.installation.images import BuildOptions, build_images, find_image, list_images
from ocr_retrain.installation.sources import BASE_IMAGE, Device, Image, Sources
from ocr_retrain.installation.stacks import DeployedStack

from .installing import make_account, make_registry, push

SOURCES = [
    Sources(
        image,
        Device.GPU,
        {f"containers/{image}/Dockerfile": b"FROM scratch"},
        frozenset(),
        revision="a" * 40,
    )
    for image in Image
]
BUILD = "ocr-retrain-images:1"


@pytest.fixture
def account(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    with mock_aws():
        yield make_account(session)


@pytest.fixture
def registry(account: Account) -> DeployedStack:
    return make_registry(account)


def _push_what_is_built(account: Account) -> list[dict[str, Any]]:
    """Let each build that begins push its image at once; return what was begun."""
    begun: list[dict[str, Any]] = []

    def push_image(params: dict[str, Any], **_: object) -> None:
        begun.append(params)
        variables = {item["name"]: item["value"] for item in params["environmentVariablesOverride"]}
        push(account, Image(variables["IMAGE"]), variables["TAG"])

    account.codebuild.meta.events.register("provide-client-params.codebuild.StartBuild", push_image)
    return begun


def test_missing_images_are_built_from_their_own_sources_and_named_by_digest(
    account: Account, registry: DeployedStack
) -> None:
    begun = _push_what_is_built(account)
    built = build_images(account, registry, SOURCES, lambda line: None)

    assert [stored.uri.split("/", 1)[1] for stored in built] == [
        f"ocr-retrain/{stored.image}@{stored.digest}" for stored in built
    ]
    assert [stored.tag for stored in built] == [sources.tag for sources in SOURCES]
    for request, sources in zip(begun, SOURCES, strict=True):
        bucket, key = request["sourceLocationOverride"].split("/", 1)
        body = account.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.namelist() == list(sources.files)
        given = {item["name"]: item["value"] for item in request["environmentVariablesOverride"]}
        assert given == {
            "IMAGE": sources.image,
            "DEVICE": "gpu",
            "TAG": sources.tag,
            "BASE_IMAGE": BASE_IMAGE,
            "VERSION": version("ocr-retrain"),
            "REVISION": "a" * 40,
        }


def test_the_same_sources_are_not_built_twice(account: Account, registry: DeployedStack) -> None:
    begun = _push_what_is_built(account)
    first = build_images(account, registry, SOURCES, lambda line: None)
    second = build_images(account, registry, SOURCES, lambda line: None)

    assert len(begun) == 2
    assert second == first


def test_a_rebuild_gets_a_tag_of_its_own_and_is_the_image_from_then_on(
    account: Account, registry: DeployedStack
) -> None:
    push(account, Image.TRAINING, SOURCES[0].tag)
    _push_what_is_built(account)
    (built,) = build_images(
        account, registry, SOURCES[:1], lambda line: None, BuildOptions(rebuild=True)
    )

    assert built.tag.startswith(f"{SOURCES[0].tag}-2")
    assert find_image(account.ecr, "ocr-retrain", SOURCES[0]) == built


def test_a_registry_that_does_not_exist_holds_nothing(account: Account) -> None:
    assert list_images(account.ecr, "elsewhere", Image.TRAINING) == []


def _stub_builds(account: Account, *answers: dict[str, Any], running: bool = False) -> Stubber:
    stub = Stubber(account.codebuild)
    variables = [
        {"name": "IMAGE", "value": "training"},
        {"name": "TAG", "value": SOURCES[0].tag},
    ]
    build = {
        "id": BUILD,
        "buildStatus": "IN_PROGRESS",
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "any",
            "computeType": "BUILD_GENERAL1_MEDIUM",
            "environmentVariables": variables,
        },
    }
    stub.add_response("list_builds_for_project", {"ids": [BUILD]} if running else {})
    if running:
        stub.add_response("batch_get_builds", {"builds": [build]}, {"ids": [BUILD]})
    else:
        stub.add_response("start_build", {"build": {"id": BUILD}})
    for answer in answers:
        stub.add_response("batch_get_builds", {"builds": [{"id": BUILD, **answer}]})
    stub.activate()
    return stub


def _write_log(account: Account, *lines: str) -> None:
    group, stream = "/aws/codebuild/ocr-retrain-images", "1"
    account.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    account.logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[
            {"timestamp": int(time.time() * 1000) + number, "message": line + "\n"}
            for number, line in enumerate(lines)
        ],
    )


def test_the_log_is_followed_step_by_step(account: Account, registry: DeployedStack) -> None:
    _write_log(
        account,
        "[Container] 2026/11/22 20:57:01.123456 Entering phase BUILD",
        "#8 [packages-cpu 3/4] RUN pip install",
        "#8 1.234 Collecting numpy",
        "#8 [packages-cpu 3/4] RUN pip install",
    )
    push(account, Image.TRAINING, "gpu-other")
    logs = {"streamName": "1"}
    told: list[str] = []
    stub = _stub_builds(
        account,
        {"buildStatus": "IN_PROGRESS", "logs": {}},
        {"buildStatus": "IN_PROGRESS", "logs": logs},
        {"buildStatus": "SUCCEEDED", "logs": logs},
    )
    # It is pushed by the time that the build says so.
    account.codebuild.meta.events.register(
        "before-parameter-build.codebuild.StartBuild",
        lambda **_: push(account, Image.TRAINING, SOURCES[0].tag),
    )

    build_images(account, registry, SOURCES[:1], told.append)

    stub.assert_no_pending_responses()
    assert told[2:] == [
        "training: Entering phase BUILD",
        "training: [packages-cpu 3/4] RUN pip install",
        "training: built",
    ]


def test_a_build_that_is_under_way_is_followed_instead_of_begun_again(
    account: Account, registry: DeployedStack
) -> None:
    push(account, Image.TRAINING, "gpu-other")
    stub = _stub_builds(account, {"buildStatus": "SUCCEEDED"}, running=True)
    told: list[str] = []

    with pytest.raises(UserError, match="was built but is not in ocr-retrain/training"):
        build_images(account, registry, SOURCES[:1], told.append)

    stub.assert_no_pending_responses()
    assert told[0] == f"training: following build {BUILD}, which is under way"


def test_a_build_that_fails_ends_with_the_end_of_its_log_and_where_the_rest_is(
    account: Account, registry: DeployedStack
) -> None:
    _write_log(account, "#8 ERROR: no matching distribution")
    told: list[str] = []
    _stub_builds(
        account,
        {
            "buildStatus": "FAILED",
            "logs": {"streamName": "1", "deepLink": "https://console/log"},
            "phases": [
                {
                    "phaseType": "BUILD",
                    "contexts": [{"message": "docker build: exit status 1."}],
                }
            ],
        },
    )

    with pytest.raises(UserError, match=r"ended as FAILED: docker build: exit status 1\. .*//con"):
        build_images(account, registry, SOURCES[:1], told.append)

    assert told[-1] == "training | #8 ERROR: no matching distribution"


def test_an_index_of_images_is_not_taken_for_an_image(
    account: Account, registry: DeployedStack
) -> None:
    stub = Stubber(account.ecr)
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ocr-retrain/training"
    stub.add_response("describe_repositories", {"repositories": [{"repositoryUri": uri}]})
    stub.add_response(
        "describe_images",
        {
            "imageDetails": [
                {
                    "imageDigest": "sha256:" + "0" * 64,
                    "imageTags": [SOURCES[0].tag],
                    "imageManifestMediaType": "application/vnd.oci.image.index.v1+json",
                }
            ]
        },
    )
    stub.activate()

    assert find_image(account.ecr, "ocr-retrain", SOURCES[0]) is None
