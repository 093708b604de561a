"""The images in the account's registry, and building the ones that are missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ocr_retrain.errors import UserError
from ocr_retrain.exits import ExitCode
from ocr_retrain.installation.account import Account, is_gone
from ocr_retrain.installation.build_log import BuildLog, step_of
from ocr_retrain.installation.sources import BASE_IMAGE, Image, Sources
from ocr_retrain.installation.stacks import DeployedStack

if TYPE_CHECKING:
    from mypy_boto3_codebuild.type_defs import BuildTypeDef
    from mypy_boto3_ecr import ECRClient

_POLL_SECONDS = 5.0
_INDEXES = ("index", "manifest.list")
_RECENT_BUILDS = 20
_RUNNING = "IN_PROGRESS"
_SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class StoredImage:
    """An image in the registry; ``uri`` names it by its digest."""

    image: Image
    tag: str
    digest: str
    uri: str
    bytes: int
    pushed_at: datetime | None


@dataclass(frozen=True)
class BuildOptions:
    """How images are built: ``rebuild`` those that are there too; say every ``verbose`` line."""

    rebuild: bool = False
    verbose: bool = False


def images_stack(stack: str) -> str:
    """Return the name of the stack that builds and keeps the images of ``stack``."""
    return f"{stack}-images"


def repository_name(prefix: str, image: Image) -> str:
    """Return the name of the repository of an image."""
    return f"{prefix}/{image}"


def list_images(ecr: ECRClient, prefix: str, image: Image) -> list[StoredImage]:
    """Return the tagged images of a repository, newest first; none when it does not exist."""
    name = repository_name(prefix, image)
    try:
        registry = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        pages = ecr.get_paginator("describe_images").paginate(
            repositoryName=name, filter={"tagStatus": "TAGGED"}
        )
        details = [detail for page in pages for detail in page["imageDetails"]]
    except ClientError as error:
        if is_gone(error):
            return []
        raise
    stored = [
        StoredImage(
            image=image,
            tag=tag,
            digest=detail["imageDigest"],
            uri=f"{registry['repositoryUri']}@{detail['imageDigest']}",
            bytes=detail.get("imageSizeInBytes", 0),
            pushed_at=detail.get("imagePushedAt"),
        )
        for detail in details
        if not _is_index(detail.get("imageManifestMediaType", ""))
        for tag in detail.get("imageTags", [])
    ]
    return sorted(stored, key=_age, reverse=True)


def find_image(ecr: ECRClient, prefix: str, sources: Sources) -> StoredImage | None:
    """Return the newest image that was built from these sources, None when there is none."""
    for stored in list_images(ecr, prefix, sources.image):
        if stored.tag == sources.tag or stored.tag.startswith(f"{sources.tag}-"):
            return stored
    return None


def build_images(
    account: Account,
    stack: DeployedStack,
    wanted: Sequence[Sources],
    on_progress: Callable[[str], None],
    options: BuildOptions | None = None,
) -> list[StoredImage]:
    """Build what is missing, all at once; return all wanted images in their order.

    A build that another call has begun is followed instead of begun again. Raises UserError with
    the end of its log when a build fails.
    """
    options = options or BuildOptions()
    prefix = stack.output("Prefix")
    builds = []
    for sources in wanted:
        found = None if options.rebuild else find_image(account.ecr, prefix, sources)
        if found is not None:
            on_progress(f"{sources.image}: {found.tag} is there already")
        else:
            builds.append(_begin(account, stack, sources, on_progress, options))
    _follow(account, builds, on_progress, options)
    return [_built(account, prefix, sources) for sources in wanted]


@dataclass
class _Build:
    """A build that was begun, and how far it was followed."""

    sources: Sources
    id: str
    log: BuildLog
    status: str = _RUNNING
    told: set[str] = field(default_factory=set)


def _begin(
    account: Account,
    stack: DeployedStack,
    sources: Sources,
    on_progress: Callable[[str], None],
    options: BuildOptions,
) -> _Build:
    project = stack.output("BuildProjectName")
    log = BuildLog(account.logs, stack.output("BuildLogGroupName"))
    running = _running_build(account, project, sources)
    if running is not None:
        on_progress(f"{sources.image}: following build {running}, which is under way")
        return _Build(sources, running, log)
    bucket, key = stack.output("SourceBucketName"), f"sources/{sources.image}/{sources.digest}.zip"
    archive = sources.archive()
    on_progress(f"{sources.image}: uploading {len(sources.files)} files, {len(archive):,} bytes")
    account.s3.put_object(Bucket=bucket, Key=key, Body=archive)
    tag = sources.tag
    if options.rebuild:
        # A tag is given once; what was below the sources may have changed.
        tag = f"{tag}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    started = account.codebuild.start_build(
        projectName=project,
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{bucket}/{key}",
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"}
            for name, value in (
                ("IMAGE", sources.image.value),
                ("DEVICE", sources.device.value),
                ("TAG", tag),
                ("BASE_IMAGE", BASE_IMAGE),
                ("VERSION", version("ocr-retrain")),
                ("REVISION", sources.revision),
            )
        ],
    )["build"]
    on_progress(f"{sources.image}: build {started['id']} began, tag {tag}")
    return _Build(sources, started["id"], log)


def _running_build(account: Account, project: str, sources: Sources) -> str | None:
    recent = account.codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")
    ids = recent.get("ids", [])[:_RECENT_BUILDS]
    if not ids:
        return None
    for build in account.codebuild.batch_get_builds(ids=ids).get("builds", []):
        variables = build.get("environment", {}).get("environmentVariables", [])
        given = {item["name"]: item["value"] for item in variables}
        same = given.get("IMAGE") == sources.image and given.get("TAG", "").startswith(sources.tag)
        if same and build.get("buildStatus") == _RUNNING:
            return build["id"]
    return None


def _follow(
    account: Account,
    builds: Sequence[_Build],
    on_progress: Callable[[str], None],
    options: BuildOptions,
) -> None:
    while running := [build for build in builds if build.status == _RUNNING]:
        looked_at = account.codebuild.batch_get_builds(ids=[build.id for build in running])
        found = {item["id"]: item for item in looked_at.get("builds", [])}
        for build in running:
            item = found.get(build.id)
            if item is None:
                raise UserError(f"Build {build.id} is gone.", ExitCode.FAILED)
            # The status first: a build that is over writes nothing after it.
            build.status = item.get("buildStatus", _RUNNING)
            _tell(build, item, on_progress, options)
            if build.status != _RUNNING:
                _end(build, item, on_progress)
        if any(build.status == _RUNNING for build in running):
            time.sleep(_POLL_SECONDS)


def _tell(
    build: _Build, item: BuildTypeDef, on_progress: Callable[[str], None], options: BuildOptions
) -> None:
    for line in build.log.new_lines(item.get("logs", {}).get("streamName", "")):
        step = line if options.verbose else step_of(line)
        if step and (options.verbose or step not in build.told):
            build.told.add(step)
            on_progress(f"{build.sources.image}: {step}")


def _end(build: _Build, item: BuildTypeDef, on_progress: Callable[[str], None]) -> None:
    if build.status == _SUCCEEDED:
        on_progress(f"{build.sources.image}: built")
        return
    # The last lines, which say why, arrive in the log a little later.
    time.sleep(_POLL_SECONDS)
    build.log.new_lines(item.get("logs", {}).get("streamName", ""))
    for line in build.log.tail:
        on_progress(f"{build.sources.image} | {line}")
    contexts = [
        context.get("message", "")
        for phase in item.get("phases", [])
        for context in phase.get("contexts", [])
        if context.get("message")
    ]
    reason = contexts[0] if contexts else build.status
    link = item.get("logs", {}).get("deepLink", "")
    raise UserError(
        f"The build of the {build.sources.image} image ended as {build.status}: {reason} "
        f"The whole log: {link or build.id}",
        ExitCode.FAILED,
    )


def _built(account: Account, prefix: str, sources: Sources) -> StoredImage:
    stored = find_image(account.ecr, prefix, sources)
    if stored is None:
        raise UserError(
            f"The {sources.image} image {sources.tag} was built but is not in "
            f"{repository_name(prefix, sources.image)}: `ocr-retrain images build --verbose` shows "
            "what the build does.",
            ExitCode.FAILED,
        )
    return stored


def _is_index(media_type: str) -> bool:
    # SageMaker refuses an index of images, which newer builders make of attestations.
    return any(kind in media_type for kind in _INDEXES)


def _age(stored: StoredImage) -> tuple[float, str]:
    # Pushed within a second, a rebuilt image has the longer tag.
    return (stored.pushed_at.timestamp() if stored.pushed_at else 0.0, stored.tag)
