"""What clients get: the answers' documents, and the two forms they are written in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

from serving.reader import Prediction

Document = Mapping[str, object]

_ANY = frozenset({"*/*", "application/*"})


class Form(StrEnum):
    """How an answer is written; the value is its media type."""

    JSON = "application/json"
    JSON_LINES = "application/jsonlines"


_FORMS = {
    "application/json": Form.JSON,
    "application/jsonlines": Form.JSON_LINES,
    "application/x-jsonlines": Form.JSON_LINES,
    "application/x-ndjson": Form.JSON_LINES,
    **dict.fromkeys(_ANY, Form.JSON),
}


def asked_form(accept: str) -> Form | None:
    """Return the form that an Accept header likes best; None when it wants another one."""
    if not accept.strip():
        return Form.JSON
    liked: dict[Form, float] = {}
    for part in accept.split(","):
        media_type, *parameters = part.split(";")
        form = _FORMS.get(media_type.strip().lower())
        if form is not None:
            liked[form] = max(liked.get(form, 0.0), _quality(parameters))
    best = max(liked, key=lambda form: liked[form], default=None)
    return best if best is not None and liked[best] > 0 else None


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def image_document(
    predictions: Sequence[Prediction], min_confidence: float, rotated_boxes: bool
) -> Document:
    """Return the answer for one image: its lines in reading order, the uncertain ones left out."""
    return {
        "predictions": [
            _prediction(prediction, rotated_boxes)
            for prediction in predictions
            if prediction.confidence >= min_confidence
        ]
    }


def _prediction(prediction: Prediction, rotated_boxes: bool) -> Document:
    document: dict[str, object] = {
        "box": [list(corner) for corner in prediction.box.corners],
        "text": prediction.text,
        "confidence": round(prediction.confidence, 6),
    }
    if rotated_boxes:
        rotated = prediction.box.rotated
        document["rotated_box"] = {
            "center": [round(value, 2) for value in rotated.center],
            "size": [round(value, 2) for value in rotated.size],
            "angle": round(rotated.angle, 2),
        }
    return document


def error_document(message: str) -> Document:
    """Return the answer for an image or a request that failed."""
    return {"error": message}


def write(answers: Sequence[Document], many: bool, form: Form) -> bytes:
    """Return the answers of a request as UTF-8: one document, or one line per image."""
    if form is Form.JSON_LINES:
        return b"".join(encode(answer) + b"\n" for answer in answers)
    return encode({"results": answers} if many else answers[0])


def encode(document: Document) -> bytes:
    """Return the document as UTF-8 JSON on one line."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A model's dictionary may hold half of a surrogate pair; JSON text may not.
    return text.encode("utf-8", errors="replace")
