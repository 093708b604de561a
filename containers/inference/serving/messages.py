"""What clients send and get: the request in its accepted forms, and the JSON answer."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from serving.reader import Mode, Prediction

_JSON_TYPES = frozenset({"application/json"})
_BINARY_TYPES = frozenset({"application/x-image", "application/octet-stream"})
_ACCEPTED = "image/*, application/x-image or application/json"
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
_CHOICES = " or ".join(repr(mode.value) for mode in Mode)


class RequestError(Exception):
    """The request cannot be answered; the message is one sentence for the client."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        """`status` is the HTTP status to answer with."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Broken:
    """An image of a request that could not be read, and why."""

    error: str


@dataclass(frozen=True)
class ReadRequest:
    """Images to read. `many` says that a list was sent, so a list is answered."""

    images: tuple[bytes | Broken, ...]
    many: bool
    mode: Mode


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image: str | None = None
    images: list[str] | None = None
    mode: Literal["line", "page"] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> _Document:
        if (self.image is None) == (self.images is None):
            raise ValueError("send either 'image' or 'images'")
        return self


def parse_request(
    content_type: str, attributes: str, query: Mapping[str, str], body: bytes, max_images: int
) -> ReadRequest:
    """Understand a request to /invocations.

    The mode comes from the JSON field, else the query, else SageMaker's custom attributes, else it
    is a line. Raises RequestError.
    """
    asked_mode = _mode_asked_for(attributes, query)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _JSON_TYPES:
        return _parse_document(body, asked_mode, max_images)
    if media_type.startswith("image/") or media_type in _BINARY_TYPES:
        if not body:
            raise RequestError(HTTPStatus.BAD_REQUEST, "The body is empty; send an image.")
        return ReadRequest((body,), many=False, mode=asked_mode)
    raise RequestError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content type {media_type!r} is not supported; send {_ACCEPTED}.",
    )


def _mode_asked_for(attributes: str, query: Mapping[str, str]) -> Mode:
    asked = query.get("mode")
    for attribute in re.split(r"[,;]", attributes):
        name, _, value = attribute.partition("=")
        if asked is None and name.strip().lower() == "mode":
            asked = value.strip()
    if asked is None:
        return Mode.LINE
    try:
        return Mode(asked.lower())
    except ValueError as error:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"mode is {asked[:40]!r}; it can be {_CHOICES}."
        ) from error


def _parse_document(body: bytes, asked_mode: Mode, max_images: int) -> ReadRequest:
    try:
        document = _Document.model_validate_json(body)
    except ValidationError as error:
        raise _explained(error) from error
    mode = Mode(document.mode) if document.mode else asked_mode
    if document.images is not None:
        if len(document.images) > max_images:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The request has {len(document.images)} images; send at most {max_images}.",
            )
        return ReadRequest(tuple(map(_from_base64, document.images)), many=True, mode=mode)
    return ReadRequest((_from_base64(document.image or ""),), many=False, mode=mode)


def _explained(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Invalid JSON: ")
    if first["type"] == "json_invalid":
        return RequestError(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {message}.")
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    return RequestError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"The JSON is not as expected at {field}: {message}."
    )


def _from_base64(text: str) -> bytes | Broken:
    prefix = _DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    try:
        # Tools that wrap base64 into lines are common; anything else foreign is an error.
        data = base64.b64decode("".join(encoded.split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return Broken("The image is not valid base64.")
    return data or Broken("The image is empty.")


def predictions_document(predictions: Sequence[Prediction]) -> dict[str, object]:
    """Return the answer for one image."""
    return {
        "predictions": [
            {
                "box": [list(corner) for corner in prediction.box.corners],
                "text": prediction.text,
                "confidence": round(prediction.confidence, 6),
            }
            for prediction in predictions
        ]
    }


def error_document(message: str) -> dict[str, object]:
    """Return the answer for an image or a request that failed."""
    return {"error": message}


def encode(document: Mapping[str, object]) -> bytes:
    """Return the document as UTF-8 JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A model's dictionary may hold half of a surrogate pair; JSON text may not.
    return text.encode("utf-8", errors="replace")
