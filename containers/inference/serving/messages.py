"""What clients send: images in the accepted forms, and how they want them read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.reader import Mode

_JSON_TYPES = frozenset({"application/json"})
_BINARY_TYPES = frozenset({"application/x-image", "application/octet-stream"})
_ACCEPTED = "image/*, application/x-image or application/json"
# Characters; a multiple of four.
_BASE64_PART = 1 << 20
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


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


class Options(BaseModel):
    """How the images of a request are to be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mode: Literal["line", "page"] = "line"
    min_confidence: float = Field(default=0.0, ge=0.0, le=1.0, allow_inf_nan=False)
    rotated_boxes: bool = False

    def reading_mode(self) -> Mode:
        """Return the mode as the reader names it."""
        return Mode(self.mode)


STANDARD = Options()


@dataclass(frozen=True)
class ReadRequest:
    """Images to read. `many` says that a list was sent, so a list is answered."""

    images: tuple[bytes | Broken, ...]
    many: bool
    options: Options


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image: str | None = None
    images: list[str] | None = None
    mode: Literal["line", "page"] | None = None
    min_confidence: float | None = Field(None, ge=0.0, le=1.0, allow_inf_nan=False)
    rotated_boxes: bool | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> _Document:
        if (self.image is None) == (self.images is None):
            raise ValueError("send either 'image' or 'images'")
        return self

    def options(self, asked: Options) -> Options:
        """Return what was asked outside the document, overruled by its fields."""
        fields = self.model_dump(include=set(Options.model_fields), exclude_none=True)
        return asked.model_copy(update=fields)


def parse_request(
    content_type: str,
    attributes: str,
    query: Mapping[str, str],
    body: bytes,
    max_images: int,
    defaults: Options = STANDARD,
) -> ReadRequest:
    """Understand a request to /invocations.

    Each option comes from the JSON field, else the query, else SageMaker's custom attributes, else
    from `defaults`. Raises RequestError.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    is_json = media_type in _JSON_TYPES
    if not (is_json or media_type.startswith("image/") or media_type in _BINARY_TYPES):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content type {media_type[:80]!r} is not supported; send {_ACCEPTED}.",
        )
    asked = _options_asked_for(attributes, query, defaults)
    if is_json:
        return _parse_document(body, asked, max_images)
    if not body:
        raise RequestError(HTTPStatus.BAD_REQUEST, "The body is empty; send an image.")
    return ReadRequest((body,), many=False, options=asked)


def _options_asked_for(attributes: str, query: Mapping[str, str], defaults: Options) -> Options:
    asked: dict[str, str] = {}
    for attribute in re.split(r"[,;]", attributes):
        name, _, value = attribute.partition("=")
        asked.setdefault(name.strip().lower(), value.strip().lower())
    # Custom attributes carry other people's things as well: what is not an option is let be.
    asked |= {name: value.lower() for name, value in query.items()}
    known = {name: value for name, value in asked.items() if name in Options.model_fields}
    try:
        found = Options.model_validate_strings(known)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        value = str(first["input"])[:40]
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"{first['loc'][0]} is {value!r}: {first['msg']}."
        ) from error
    return defaults.model_copy(update=found.model_dump(exclude_unset=True))


def _parse_document(body: bytes, asked: Options, max_images: int) -> ReadRequest:
    try:
        document = _Document.model_validate_json(body)
    except ValidationError as error:
        raise _explained(error) from error
    options = document.options(asked)
    if document.images is not None:
        if len(document.images) > max_images:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The request has {len(document.images)} images; send at most {max_images}.",
            )
        return ReadRequest(tuple(map(_from_base64, document.images)), many=True, options=options)
    return ReadRequest((_from_base64(document.image or ""),), many=False, options=options)


def _explained(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Invalid JSON: ")
    if first["type"] == "json_invalid":
        return RequestError(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {message}.")
    field = ".".join(str(part) for part in first["loc"])[:80] or "the document"
    return RequestError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"The JSON is not as expected at {field}: {message}."
    )


def _from_base64(text: str) -> bytes | Broken:
    prefix = _DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    try:
        data = _decoded(encoded)
    except (binascii.Error, UnicodeEncodeError):
        return Broken("The image is not valid base64.")
    return data or Broken("The image is empty.")


def _decoded(encoded: str) -> bytes:
    try:
        return _decoded_strictly(encoded)
    except binascii.Error:
        # Tools that wrap base64 into lines are common; anything else foreign is an error.
        return _decoded_strictly("".join(encoded.split()))


def _decoded_strictly(encoded: str) -> bytes:
    """Decode in parts: no other thread runs meanwhile, and one of them answers /ping."""
    if -1 < encoded.find("=") < len(encoded) - 2:
        raise binascii.Error("There is padding before the end.")
    parts = range(0, len(encoded), _BASE64_PART)
    return b"".join(
        base64.b64decode(encoded[start : start + _BASE64_PART].encode("ascii"), validate=True)
        for start in parts
    )
