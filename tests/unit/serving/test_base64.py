"""Base64 is decoded in parts, with the same result as in one piece."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from serving import messages
from serving.messages import Broken, parse_request


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(messages, "_BASE64_PART", 8)


def decoded(text):
    body = json.dumps({"image": text}).encode()
    return parse_request("application/json", "", {}, body, 1).images[0]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 11, 12, 13, 100])
@pytest.mark.parametrize("write", [base64.b64encode, base64.encodebytes])
def test_any_length_is_decoded(size, write):
    data = np.random.default_rng(size).bytes(size)

    assert decoded(write(data).decode()) == data


@pytest.mark.parametrize(
    "text", ["Q", "QUJDR", "=", "QQ==QQ==", "QUJDREVGRw==QUJDREVGRw==", "QUJDREV*", "QUJDREVGé"]
)
def test_what_is_no_base64_is_said(text):
    assert decoded(text) == Broken("The image is not valid base64.")
