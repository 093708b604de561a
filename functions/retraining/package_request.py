"""What the registry is told about a candidate. Pure, and within SageMaker's limits."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

APPROVED: Final = "Approved"
PENDING: Final = "PendingManualApproval"
REJECTED: Final = "Rejected"
ApprovalStatus = Literal["Approved", "PendingManualApproval", "Rejected"]

# Written when a deployed model has read its golden lines; one of the 50 properties is kept for it.
SMOKE_TESTED: Final = "smoke_tested"
_MOST_PROPERTIES = 49
_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_LONGEST_TEXT = 1024
_CONTENT_TYPES = (
    "image/jpeg",
    "image/png",
    "image/bmp",
    "image/webp",
    "image/tiff",
    "application/x-image",
    "application/json",
)


@dataclass(frozen=True)
class Candidate:
    """A trained model on its way into the registry. ``accuracy`` is a fraction per slice."""

    run_id: str
    image: str
    model_data: str
    parent_package_arn: str
    datasets: Sequence[str]
    training_job: str
    dictionary_uri: str
    evaluation_uri: str
    report_uri: str
    headline: str
    accuracy: Mapping[str, float]


@dataclass(frozen=True)
class Approval:
    """The decision on a candidate, and why."""

    status: ApprovalStatus
    reason: str


def decide(
    promote: bool, headline: str, reasons: Sequence[str], require_approval: bool
) -> Approval:
    """Turn a verdict into the approval status of the package."""
    reason = one_line(" ".join([headline, *reasons]), _LONGEST_TEXT) or "No reason was given."
    if not promote:
        return Approval(REJECTED, reason)
    return Approval(PENDING if require_approval else APPROVED, reason)


def description_prefix(run_id: str) -> str:
    """Begin the description of every package of a run; by it a package is found again."""
    return f"Run {run_id}: "


def create_request(group: str, candidate: Candidate, status: ApprovalStatus) -> dict[str, Any]:
    """Build the CreateModelPackage request."""
    about = description_prefix(candidate.run_id) + one_line(candidate.headline, _LONGEST_TEXT)
    return {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": about[:_LONGEST_TEXT],
        "ModelApprovalStatus": status,
        "ClientToken": re.sub(r"[^A-Za-z0-9-]", "-", candidate.run_id)[:36],
        "InferenceSpecification": {
            "Containers": [{"Image": candidate.image, "ModelDataUrl": candidate.model_data}],
            "SupportedContentTypes": list(_CONTENT_TYPES),
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": candidate.evaluation_uri,
                }
            }
        },
        "CustomerMetadataProperties": _properties(candidate),
    }


def _properties(candidate: Candidate) -> dict[str, str]:
    fixed = {
        "run_id": candidate.run_id,
        "parent_package_arn": candidate.parent_package_arn,
        "datasets": " ".join(candidate.datasets),
        "training_job": candidate.training_job,
        "dictionary_uri": candidate.dictionary_uri,
        "headline": candidate.headline,
        "report": candidate.report_uri,
    }
    measured = {f"accuracy/{name}": f"{value:.4f}" for name, value in candidate.accuracy.items()}
    said = {
        _allowed(key)[:_LONGEST_KEY]: _allowed(value)
        for key, value in {**fixed, **measured}.items()
    }
    kept = [(key, value[:_LONGEST_VALUE]) for key, value in said.items() if value]
    return dict(kept[:_MOST_PROPERTIES])


def _allowed(text: str) -> str:
    """Leave only what metadata may hold: letters, digits, spaces and ``_.:/=+-@``."""
    spoken = text.replace("%", " percent ").replace("->", " to ")
    kept = "".join(
        each if unicodedata.category(each)[0] in "LNZ" or each in "_.:/=+-@" else " "
        for each in spoken
    )
    return re.sub(r" {2,}", " ", kept).strip()


def one_line(text: str, longest: int) -> str:
    """Make a text one bounded line: descriptions match ``.*``, which ends at a line break."""
    printable = "".join(" " if _breaks_lines(each) else each for each in text)
    line = re.sub(r" {2,}", " ", printable).strip()
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _breaks_lines(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Zl", "Zp"}
