"""What a client of /invocations gets, for good and for bad requests."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from serving.geometry import Box
from serving.settings import Settings

PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}
CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"


def b64(data):
    return base64.b64encode(data).decode()


def post(service, content, headers=PNG, path="/invocations"):
    answers = []

    async def scenario(client):
        answers.append(await client.post(path, content=content, headers=headers))

    service.run(scenario)
    return answers[0]


def texts(answer):
    assert answer.status_code == 200, answer.text
    return [prediction["text"] for prediction in answer.json()["predictions"]]


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "image/x-anything", "IMAGE/PNG; q=1", "application/x-image"],
)
def test_image_bytes_are_read_as_one_line(service, stripes, encoded, content_type):
    answer = post(service, encoded(stripes("ABC")), {"content-type": content_type})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "predictions": [
            {"box": [[0, 0], [56, 0], [56, 32], [0, 32]], "text": "ABC", "confidence": 0.9}
        ]
    }


def test_json_with_one_image_is_read(service, stripes, encoded):
    body = json.dumps({"image": b64(encoded(stripes("CAB")))})

    assert texts(post(service, body, JSON)) == ["CAB"]


@pytest.mark.parametrize(
    "wrap", [lambda text: f"data:image/png;base64,{text}", lambda t: t[:8] + "\n" + t[8:]]
)
def test_base64_may_be_a_data_url_or_wrapped(service, stripes, encoded, wrap):
    body = json.dumps({"image": wrap(b64(encoded(stripes("CAB"))))})

    assert texts(post(service, body, JSON)) == ["CAB"]


def test_many_images_are_answered_in_order_and_a_broken_one_alone_fails(service, stripes, encoded):
    images = [b64(encoded(stripes(text))) for text in ("A", "BCB", "C")]
    body = json.dumps(
        {"images": [images[0], b64(b"no image"), images[1], "not base64!", "", images[2]]}
    )

    answer = post(service, body, JSON)

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [r["predictions"][0]["text"] if "predictions" in r else "error" for r in results] == [
        "A",
        "error",
        "BCB",
        "error",
        "error",
        "C",
    ]
    assert "cannot be read" in results[1]["error"]
    assert "base64" in results[3]["error"]
    assert "empty" in results[4]["error"]


def test_no_images_are_answered_with_no_results(service):
    assert post(service, '{"images": []}', JSON).json() == {"results": []}


def test_the_model_is_named_in_the_headers_that_sagemaker_hands_on(service, stripes, encoded):
    answer = post(service, encoded(stripes("A")))

    assert answer.headers["x-model-version"] == "20260101-000000-abcdef"
    assert answer.headers["x-dictionary-size"] == "4"
    assert answer.headers[CUSTOM] == "model_version=20260101-000000-abcdef;dictionary_size=4"


@pytest.mark.parametrize(
    ("content", "headers", "status", "says"),
    [
        (b"", PNG, 400, "empty"),
        (b"no image at all", PNG, 422, "cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, PNG, 422, "cannot be read"),
        (b"x", {"content-type": "text/csv"}, 415, "text/csv"),
        (b"x", {}, 415, "send image/*"),
        (b"", JSON, 400, "not valid JSON"),
        (b"{", JSON, 400, "not valid JSON"),
        (b"\xff\xfe{}", JSON, 400, "not valid JSON"),
        (b"[" * 5000, JSON, 400, "not valid JSON"),
        (b"[]", JSON, 422, "the document"),
        (b"{}", JSON, 422, "either 'image' or 'images'"),
        (b'{"image": "eA==", "images": []}', JSON, 422, "either 'image' or 'images'"),
        (b'{"image": 7}', JSON, 422, "image"),
        (b'{"images": ["eA==", null]}', JSON, 422, "images.1"),
        (b'{"image": "eA==", "mod": "page"}', JSON, 422, "mod"),
        (b'{"image": "eA==", "mode": "word"}', JSON, 422, "mode"),
        (b'{"image": "***"}', JSON, 422, "base64"),
        ('{"image": "é"}'.encode(), JSON, 422, "base64"),
        (b'{"image": ""}', JSON, 422, "empty"),
        (b'{"image": "eA=="}', JSON, 422, "cannot be read"),
        (b"x", {**PNG, CUSTOM: "mode=word"}, 400, "'line' or 'page'"),
    ],
)  # fmt: skip
def test_bad_requests_are_answered_with_4xx_and_one_error(service, content, headers, status, says):
    answer = post(service, content, headers)

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"


def test_a_declared_body_over_the_limit_is_refused(service):
    answer = post(service, b"x" * (1024 * 1024 + 1))

    assert answer.status_code == 413
    assert "larger than 1048576 bytes" in answer.json()["error"]


def test_a_streamed_body_over_the_limit_is_refused(service):
    async def chunks():
        for _ in range(20):
            yield b"x" * 100_000

    assert post(service, chunks()).status_code == 413


def test_too_many_images_in_one_request_are_refused(service):
    answer = post(service, json.dumps({"images": ["eA=="] * 257}), JSON)

    assert answer.status_code == 413
    assert "at most 256" in answer.json()["error"]


@pytest.mark.parametrize("size", [(8000, 8000), (15_000, 15_000), (30_000, 10)])
def test_an_image_bomb_is_refused_before_it_is_decoded(service, size):
    answer = post(service, _saved(Image.new("1", size), "PNG"))

    assert answer.status_code == 422
    assert "pixels" in answer.json()["error"]
    assert service.recognizer.batches == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/invocations", 405), ("POST", "/ping", 405), ("GET", "/metrics", 404)],
)
def test_other_routes_are_refused_in_json(service, method, path, status):
    async def scenario(client):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]

    service.run(scenario)


@pytest.mark.parametrize(
    ("query", "attributes", "field", "expected"),
    [
        ("", "", None, "line"),
        ("?mode=page", "", None, "page"),
        ("", "mode=page", None, "page"),
        ("", "trace=1; Mode=page,other", None, "page"),
        ("", "c000b4f9-df62-4c85-a0bf-7c525f9104a4", None, "line"),
        ("?mode=line", "mode=page", None, "line"),
        ("?mode=page", "mode=page", "line", "line"),
        ("", "", "page", "page"),
    ],
)
def test_the_mode_comes_from_field_query_or_attributes(
    service, stripes, encoded, query, attributes, field, expected
):
    service.detector.boxes = [Box(((0, 0), (40, 0), (40, 32), (0, 32)))]
    document = {"image": b64(encoded(stripes("ABC")))} | ({"mode": field} if field else {})

    answer = post(
        service, json.dumps(document), {**JSON, CUSTOM: attributes}, f"/invocations{query}"
    )

    assert texts(answer) == {"line": ["ABC"], "page": ["AB"]}[expected]


def test_a_page_is_answered_line_by_line_in_the_detectors_order(service, stripes, encoded):
    page = np.full((120, 200, 3), 128, dtype=np.uint8)
    for row, text in enumerate(("AB", "CD", "BA")):
        line = stripes(text)
        page[row * 40 : row * 40 + 32, : line.shape[1]] = line
    service.detector.boxes = [
        Box(((0, top), (40, top), (40, top + 32), (0, top + 32))) for top in (0, 40, 80)
    ]

    answer = post(service, encoded(page), path="/invocations?mode=page")

    assert texts(answer) == ["AB", "CD", "BA"]
    assert answer.json()["predictions"][1]["box"] == [[0, 40], [40, 40], [40, 72], [0, 72]]


def test_an_empty_page_has_no_predictions(service, stripes, encoded):
    answer = post(service, encoded(stripes("")), path="/invocations?mode=page")

    assert texts(answer) == []


def test_a_found_box_without_text_is_left_out_of_a_page(service, stripes, encoded):
    service.detector.boxes = [Box.whole(8, 32)]

    assert texts(post(service, encoded(stripes("A")), path="/invocations?mode=page")) == []


def test_a_line_without_text_is_answered_with_an_empty_text(service, stripes, encoded):
    assert texts(post(service, encoded(stripes("")))) == [""]


def _grey(pixels):
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]))


def _saved(image, file_format, **options):
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def _black(size):
    return Image.new("L", size)


def _with_orientation(image):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return _saved(image.rotate(90, expand=True), "PNG", exif=exif)


def _sixteen_bit(image):
    return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)


KINDS = {
    "png": lambda image: _saved(image, "PNG"),
    "bmp": lambda image: _saved(image, "BMP"),
    "jpeg": lambda image: _saved(image.convert("RGB"), "JPEG", quality=95),
    "cmyk-jpeg": lambda image: _saved(image.convert("CMYK"), "JPEG", quality=95),
    "cmyk-tiff": lambda image: _saved(image.convert("CMYK"), "TIFF"),
    "webp": lambda image: _saved(image.convert("RGB"), "WEBP", lossless=True),
    "palette": lambda image: _saved(image.convert("P"), "PNG"),
    "gif-first-frame": lambda image: _saved(
        image, "GIF", save_all=True, append_images=[_black(image.size)]
    ),
    "png-16-bit": lambda image: _saved(_sixteen_bit(image), "PNG"),
    "tiff-16-bit": lambda image: _saved(_sixteen_bit(image), "TIFF"),
    "grey-alpha": lambda image: _saved(image.convert("LA"), "PNG"),
    "exif-orientation": _with_orientation,
}


@pytest.mark.parametrize("encode", list(KINDS.values()), ids=list(KINDS))
def test_every_kind_of_image_reads_the_same(service, stripes, encode):
    assert texts(post(service, encode(_grey(stripes("ABCDA"))))) == ["ABCDA"]


def test_transparent_pixels_are_white_paper(service, stripes):
    grey = stripes("AA")[:, :, 0]
    alpha = np.full(grey.shape, 255, dtype=np.uint8)
    alpha[:, 24:32] = 0

    answer = post(service, _saved(Image.fromarray(np.dstack([grey, grey, grey, alpha])), "PNG"))

    # D is the level nearest to white.
    assert texts(answer) == ["AD"]


def test_execution_parameters_describe_batch_transform(service):
    async def scenario(client):
        answer = await client.get("/execution-parameters")
        assert answer.json() == {
            "MaxConcurrentTransforms": 64,
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": 1,
        }

    service.run(scenario)


def test_concurrent_transforms_stay_within_what_sagemaker_allows(service):
    service.settings = Settings.from_environment({"MAX_BODY_MEGABYTES": "30"})

    async def scenario(client):
        answer = (await client.get("/execution-parameters")).json()
        assert answer["MaxConcurrentTransforms"] * answer["MaxPayloadInMB"] <= 100

    service.run(scenario)
