"""Upload what the template refers to, as ``sam package`` does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.build_store import content_hash
from localcloud.sam_template import TemplateError
from localcloud.untyped import Client

DEPLOYMENT_BUCKET = "local-cloud-deployment"


def package(
    template: Mapping[str, Any],
    template_directory: Path,
    artefacts: Mapping[str, Path],
    s3: Client,
) -> dict[str, Any]:
    """Return the template with code and definitions as S3 locations.

    ``artefacts`` maps each function's logical id to its zip. Raises TemplateError for a
    definition that is not there.
    """
    packaged = copy.deepcopy(dict(template))
    s3.create_bucket(Bucket=DEPLOYMENT_BUCKET)
    uploaded: dict[Path, str] = {}
    for logical_id, resource in packaged["Resources"].items():
        properties = resource.setdefault("Properties", {})
        if logical_id in artefacts:
            archive = artefacts[logical_id]
            if archive not in uploaded:
                uploaded[archive] = _upload_code(archive, s3)
            properties["CodeUri"] = uploaded[archive]
        if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            file = template_directory / str(properties["DefinitionUri"])
            properties["DefinitionUri"] = _upload_definition(file, s3)
    packaged.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    return packaged


def _upload_code(archive: Path, s3: Client) -> str:
    key = f"code/{archive.parent.name}.zip"
    s3.put_object(Bucket=DEPLOYMENT_BUCKET, Key=key, Body=archive.read_bytes())
    return f"s3://{DEPLOYMENT_BUCKET}/{key}"


def _upload_definition(file: Path, s3: Client) -> str:
    if not file.is_file():
        raise TemplateError(f"The template names the definition {file}, which is not there.")
    key = f"definitions/{content_hash([file])}{file.suffix}"
    s3.put_object(Bucket=DEPLOYMENT_BUCKET, Key=key, Body=file.read_bytes())
    return f"s3://{DEPLOYMENT_BUCKET}/{key}"
