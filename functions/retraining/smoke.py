"""Asks a deployed endpoint to read lines whose text is known."""

import heapq
import io
import mimetypes
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict

from botocore.exceptions import ClientError, ReadTimeoutError
from PIL import Image
from pydantic import BaseModel, ValidationError

from retraining.golden import load_golden_sets
from retraining.ledger import Ledger
from retraining.lines import Line, parse_line, rank
from retraining.normalization import Normalization
from retraining.planning import share_evenly
from retraining.storage import Bucket

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

MOST_LINES = 20
# Well below the function's own time, of which one answer may take twice 70 s more.
MOST_SECONDS = 150
_MEASURED = "accuracy/"
_BLANK_LINE = (320, 48)


class SmokeTest(TypedDict):
    """Whether the endpoint works: ``right`` of ``lines`` were read exactly."""

    passed: bool
    lines: int
    right: int
    why: str


class _Prediction(BaseModel):
    text: str
    confidence: float


class _Answer(BaseModel):
    predictions: list[_Prediction]


class BadAnswerError(Exception):
    """The model did not answer, or not in the agreed shape."""


# The container's way of saying that it is well but has too much to do.
_OVERLOADED = frozenset({429, 503})


class LineReader(Protocol):
    """Reads single lines through an endpoint."""

    def read(self, image: bytes, content_type: str) -> str:
        """Tell the text on an image of one line; raises BadAnswerError for the model's faults."""
        ...


def text_of(answer: bytes) -> str:
    """Tell the text of an answer; raises BadAnswerError when it cannot be understood."""
    try:
        predictions = _Answer.model_validate_json(answer).predictions
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise BadAnswerError(f"its answer is not a list of predictions ({fault})") from error
    return " ".join(each.text for each in predictions)


@dataclass(frozen=True)
class EndpointReader:
    """Reads single lines through an endpoint."""

    client: "SageMakerRuntimeClient"
    endpoint_name: str

    def read(self, image: bytes, content_type: str) -> str:
        """Tell the text the endpoint reads on an image of one line ("" for none).

        Raises BadAnswerError when the model has no answer or it cannot be understood, ClientError
        when it was not asked: for throttling, overload or an endpoint that is gone.
        """
        try:
            response = self.client.invoke_endpoint(
                EndpointName=self.endpoint_name, ContentType=content_type, Body=image
            )
            return text_of(response["Body"].read())
        except ClientError as error:
            if not _is_of_the_model(error):
                raise
            raise BadAnswerError(f"it answered with an error: {error}") from error
        except ReadTimeoutError as error:
            raise BadAnswerError("it did not answer in time") from error


def _is_of_the_model(error: ClientError) -> bool:
    answered = error.response.get("OriginalStatusCode")
    return error.response["Error"]["Code"] == "ModelError" and answered not in _OVERLOADED


def smoke_test(
    reader: LineReader,
    bucket: Bucket,
    ledger: Ledger,
    required: float,
    normalization: Normalization,
    clock: Callable[[], float] = time.monotonic,
) -> SmokeTest:
    """Read up to 20 known lines; all must be answered, in time, and enough of them read exactly."""
    lines = choose_lines(_known_lines(bucket, ledger, normalization))
    if not lines:
        return _blank_line(reader)
    right, begun = 0, clock()
    for number, line in enumerate(lines):
        if clock() - begun > MOST_SECONDS:
            slow = f"too slow: {number} of {len(lines)} lines in {MOST_SECONDS} s"
            return {
                "passed": False,
                "lines": len(lines),
                "right": right,
                "why": f"The endpoint is {slow}.",
            }
        try:
            text = reader.read(bucket.read(line.key).body, _content_type(line.key))
        except BadAnswerError as error:
            return {
                "passed": False,
                "lines": len(lines),
                "right": right,
                "why": f"The endpoint did not read {bucket.uri(line.key)}: {error}.",
            }
        right += text.strip() == line.text.strip()
    passed = right >= required * len(lines)
    why = f"The endpoint reads {right} of {len(lines)} known lines exactly"
    return {
        "passed": passed,
        "lines": len(lines),
        "right": right,
        "why": f"{why}." if passed else f"{why}; at least {required:.0%} are asked for.",
    }


def required_share(metadata: Mapping[str, str], minimum: float) -> float:
    """Tell the share of lines to be read: a part of the worst that the evaluation has measured.

    Known lines may be harder than any share that fits all: what was registered as better must not
    be rejected for them. Without a measurement, as of a base model, answers are enough.
    """
    return minimum * min(_measured(metadata), default=0.0)


def _measured(metadata: Mapping[str, str]) -> Iterator[float]:
    for key, value in metadata.items():
        if key.startswith(_MEASURED):
            # A person may have written anything.
            with suppress(ValueError):
                yield float(value)


def choose_lines(sets: Sequence[tuple[str, Sequence[Line]]]) -> tuple[Line, ...]:
    """Choose up to 20 lines, evenly from every set, the same ones every time."""
    shares = share_evenly({name: len(lines) for name, lines in sets}, MOST_LINES)
    return tuple(
        line
        for name, lines in sets
        for line in sorted(lines, key=lambda each: rank(each.key))[: shares[name]]
    )


def _known_lines(
    bucket: Bucket, ledger: Ledger, normalization: Normalization
) -> list[tuple[str, Sequence[Line]]]:
    golden = [
        (each.name, [line for line in each.lines if _is_whole_image(line)])
        for each in load_golden_sets(bucket, ledger, normalization)
    ]
    asked = [(name, lines) for name, lines in golden if lines]
    return list(asked) or _holdouts(bucket, ledger, normalization)


def _holdouts(
    bucket: Bucket, ledger: Ledger, normalization: Normalization
) -> list[tuple[str, Sequence[Line]]]:
    trained = (each for each in ledger.datasets() if each.trained_holdout_uri)
    # More datasets could not be asked for one line each; a holdout may be large.
    asked = heapq.nsmallest(MOST_LINES, trained, key=lambda each: rank(each.name))
    likely = {each.name: _present_lines(bucket, each.trained_holdout_uri) for each in asked}
    return [(name, normalization.lines(lines)) for name, lines in _in_turns(likely) if lines]


def _present_lines(bucket: Bucket, uri: str) -> Iterator[Line]:
    rows = bucket.read_rows(bucket.key(uri))
    lines = filter(_is_whole_image, map(parse_line, rows))
    # A few more than can be asked for: images may be gone since.
    likely = heapq.nsmallest(2 * MOST_LINES, lines, key=lambda each: rank(each.key))
    return (line for line in likely if bucket.head(line.key))


def _in_turns(sets: Mapping[str, Iterator[Line]]) -> list[tuple[str, list[Line]]]:
    """Take a line of every set, then another, and look for no image beyond those needed."""
    found: dict[str, list[Line]] = {name: [] for name in sorted(sets)}
    turns = deque(found)
    missing = MOST_LINES
    while turns and missing:
        name = turns.popleft()
        line = next(sets[name], None)
        if line is not None:
            found[name].append(line)
            turns.append(name)
            missing -= 1
    return list(found.items())


def _is_whole_image(line: Line) -> bool:
    """Tell whether the image is the line: of a page the endpoint would read everything."""
    return not line.points


def _blank_line(reader: LineReader) -> SmokeTest:
    image = io.BytesIO()
    Image.new("RGB", _BLANK_LINE, "white").save(image, format="PNG")
    nothing = "There is no golden set and no held out line to ask for"
    try:
        reader.read(image.getvalue(), "image/png")
    except BadAnswerError as error:
        why = f"{nothing}, and the endpoint did not answer for a blank image: {error}."
        return {"passed": False, "lines": 0, "right": 0, "why": why}
    why = f"{nothing}; the endpoint answers for a blank image. Upload a golden set to test more."
    return {"passed": True, "lines": 0, "right": 0, "why": why}


def _content_type(key: str) -> str:
    guessed = mimetypes.guess_type(key)[0] or ""
    return guessed if guessed.startswith("image/") else "application/x-image"
