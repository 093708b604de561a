"""A small part of the fuzzing campaign (`make fuzz-serving`)."""

from __future__ import annotations

from hypothesis import given, settings
from tests.fuzz import inputs, properties

few = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@few
@given(data=inputs.broken_images())
def test_any_image_is_decoded_or_refused(data):
    properties.image_is_decoded_or_refused(data)


def test_every_good_image_is_decoded():
    decoded = [properties.image_is_decoded_or_refused(data) for data in inputs.images()]

    # ICO, PDF and SVG are not read.
    assert decoded == [True] * (len(decoded) - 3) + [False] * 3


@few
@given(**inputs.request_parts())
def test_any_request_is_understood_or_refused(content_type, attributes, query, accept, body):
    properties.request_is_understood_or_refused(content_type, attributes, query, accept, body)
