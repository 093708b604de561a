"""Data capture of endpoints.

AWS collects captured requests in files of JSON lines; here each becomes an object of its own, so
that it can be looked at once the answer is there. Names and lines are as AWS documents them:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.clients import Clients
from localcloud.sagemaker_api import timestamp
from localcloud.sagemaker_storage import S3Location
from localcloud.timestamps import iso_seconds


@dataclass(frozen=True)
class Message:
    """A request, or its answer."""

    content_type: str
    body: bytes


class Capture:
    """Keeps requests and answers as a DataCaptureConfig says."""

    def __init__(self, clients: Clients) -> None:
        """Write to the buckets of this cloud."""
        self._s3 = clients.get("s3")

    def keep(
        self,
        config: Mapping[str, Any],
        endpoint: str,
        variant: str,
        request: Message,
        answer: Message,
    ) -> None:
        """Keep one request with its answer, if it is among those that are sampled."""
        if not config.get("EnableCapture") or not _is_sampled(config):
            return
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        now, event = timestamp(), str(uuid.uuid4())
        captured = {}
        if modes & {"Input", "InputAndOutput"}:
            captured["endpointInput"] = _described("INPUT", request, config)
        if modes & {"Output", "InputAndOutput"}:
            captured["endpointOutput"] = _described("OUTPUT", answer, config)
        line = {
            "captureData": captured,
            "eventMetadata": {"eventId": event, "inferenceTime": iso_seconds(now)},
            "eventVersion": "0",
        }
        place = S3Location.parse(config["DestinationS3Uri"]).child(
            f"{endpoint}/{variant}/{now:%Y/%m/%d/%H}/{now:%M-%S}-{event}.jsonl"
        )
        self._s3.put_object(
            Bucket=place.bucket, Key=place.key, Body=(json.dumps(line) + "\n").encode()
        )


def _is_sampled(config: Mapping[str, Any]) -> bool:
    return random.random() * 100 < float(config["InitialSamplingPercentage"])


def _described(mode: str, message: Message, config: Mapping[str, Any]) -> dict[str, str]:
    header = config.get("CaptureContentTypeHeader", {})
    kind = message.content_type.partition(";")[0].strip()
    encoding = "BASE64"
    if kind in header.get("JsonContentTypes", []):
        encoding = "JSON"
    elif kind in header.get("CsvContentTypes", []):
        encoding = "CSV"
    data = (
        base64.b64encode(message.body).decode()
        if encoding == "BASE64"
        else message.body.decode("utf-8", "replace")
    )
    return {
        "observedContentType": message.content_type,
        "mode": mode,
        "data": data,
        "encoding": encoding,
    }
