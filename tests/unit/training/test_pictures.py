"""Pictures of lines: a page is decoded once, and its lines are as good as cropped images."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from finetuning import pictures
from finetuning.album import Album
from finetuning.evaluation import Evaluator
from finetuning.interruption import StopRequest
from finetuning.labels import Label
from finetuning.pictures import PictureReader
from finetuning.samples import Resolution, SampleReader, SetAside
from finetuning.slices import Slice
from finetuning.storage import ArrayStore
from finetuning.train import main
from recognition.dictionary import CharacterDictionary
from recognition.preprocessing import LineShape
from recognition.recognizer import Recognizer

SHAPE = LineShape.of((3, 32, 96))
DIGITS = CharacterDictionary(tuple("0123456789"))


class Pages:
    """Lines as images of their own and the same lines on pages, three to each page."""

    def __init__(self, directory: Path, lines: dict[str, str]) -> None:
        self.directory = directory
        self.loose = [Label(key, text) for key, text in lines.items()]
        # First of all pages the first line, then the second: no two neighbours share a page.
        pages = [self.loose[start : start + 3] for start in range(0, len(self.loose), 3)]
        drawn = [self._draw(f"pages/{number}.png", page) for number, page in enumerate(pages)]
        self.boxed = [page[row] for row in range(3) for page in drawn]
        self.loose = [page[row] for row in range(3) for page in pages]

    def _draw(self, key: str, lines: list[Label]) -> list[Label]:
        images = [cv2.imread(str(self.directory / line.key)) for line in lines]
        page = np.full((400, 900, 3), 200, np.uint8)
        labels = []
        for row, (line, image) in enumerate(zip(lines, images, strict=True)):
            (height, width), top = image.shape[:2], 20 + 120 * row
            page[top : top + height, 30 : 30 + width] = image
            box = [
                [30, top],
                [30 + width, top],
                [30 + width, top + height],
                [30, top + height],
            ]
            labels.append(Label(key, line.text, json.dumps(box)))
        path = self.directory / key
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), page)
        return labels


@pytest.fixture
def pages(tmp_path: Path, draw_lines: Any) -> Pages:
    return Pages(tmp_path, draw_lines(tmp_path, "incoming/lines", 12))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Count how often each image is decoded."""
    counts: Counter[int] = Counter()
    decode = pictures.decode_image

    def counting(data: bytes) -> Any:
        counts[hash(data)] += 1
        return decode(data)

    monkeypatch.setattr(pictures, "decode_image", counting)
    return counts


def read(store: ArrayStore, labels: list[Label], directory: Path) -> tuple[Any, SetAside]:
    set_aside = SetAside()
    samples = SampleReader(DIGITS, Resolution(SHAPE, 1.0), store, set_aside).read(labels, directory)
    return [(sample.text, sample.targets, store[sample.pixels]) for sample in samples], set_aside


def test_lines_on_pages_train_as_the_same_lines_cropped_do_and_in_their_order(
    pages: Pages, decoded: Counter[int]
) -> None:
    with ArrayStore("uint8") as store:
        loose, _ = read(store, pages.loose, pages.directory)
        decoded.clear()
        boxed, set_aside = read(store, pages.boxed, pages.directory)

    assert set_aside.total == 0
    assert [text for text, _, _ in boxed] == [label.text for label in pages.boxed]
    for (_, targets, pixels), (_, expected_targets, expected) in zip(boxed, loose, strict=True):
        assert targets == expected_targets
        np.testing.assert_array_equal(pixels, expected)
    assert sorted(decoded.values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 5, 100])
def test_a_page_is_decoded_once_however_few_lines_are_held(
    pages: Pages, decoded: Counter[int], at_once: int
) -> None:
    labels = [*pages.boxed, *pages.loose[:2], *pages.boxed]

    read = dict(PictureReader(pages.directory, SHAPE, at_once).read(labels))

    assert sorted(read) == list(range(len(labels)))
    assert sorted(decoded.values()) == [1] * 6
    for index in range(len(pages.boxed)):
        again = len(labels) - len(pages.boxed) + index
        np.testing.assert_array_equal(read[index], read[again])


def test_what_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_is_used(
    pages: Pages,
) -> None:
    good = pages.boxed[0]
    (pages.directory / "broken.png").write_bytes(b"no image")
    boxes = (
        "[[NaN,0],[9,0],[9,9],[0,9]]",
        "[[0,0],[1e400,0],[9,9],[0,9]]",
        f"[[0,0],[1{'0' * 5000},0],[9,9],[0,9]]",
        "[[0,0],[5,5],[9,9],[20,20]]",
        "[[-9,-9],[-5,-9],[-5,-5],[-9,-5]]",
        "[[0,0],[9,0],[9,9]]",
        "[[0,0],[9,0",
        "[" * 100_000,
        '{"points": 4}',
        "null",
        "another column\tand another",
    )
    labels = [
        Label("absent.png", "1", good.box),
        Label("../outside.png", "1", good.box),
        Label("broken.png", "1", good.box),
        *(Label(good.key, "1", box) for box in boxes),
        Label(good.key, "x", good.box),
        good,
    ]

    with ArrayStore("uint8") as store:
        samples, set_aside = read(store, labels, pages.directory)

    assert [text for text, _, _ in samples] == [good.text]
    assert set_aside.counts == {
        "missing_image": 2,
        "unreadable_image": 1,
        "bad_box": len(boxes),
        "unknown_character": 1,
    }
    assert set_aside.first["bad_box"] == f"{good.key} {boxes[0]}"
    assert set_aside.first["missing_image"] == f"absent.png {good.box}"


def test_a_job_trains_on_the_lines_of_a_page_and_counts_those_that_are_none(
    make_job: Any, draw_lines: Any
) -> None:
    job = make_job(recipe="head", epochs=1, generic_lines=0)
    pages = Pages(job.images, draw_lines(job.images, "incoming/pages", 30, seed=3))
    rows = [f"{label.key}\t{label.text}\t{label.box}\n" for label in pages.boxed]
    rows.append(f"{pages.boxed[0].key}\t1\t[[0,0],[5,5],[9,9],[20,20]]\n")
    (job.base / "input/data/labels/train.txt").write_text("".join(rows), encoding="utf-8")

    assert main(StopRequest()) == 0

    metrics = json.loads((job.base / "model/manifest.json").read_text())["metrics"]
    assert metrics["new_lines"] == 30
    assert metrics["set_aside_bad_box"] == metrics["set_aside"] == 1


def test_lines_on_pages_are_evaluated_as_the_same_lines_cropped_are_and_in_their_order(
    pages: Pages,
    tiny_dir: Path,
    decoded: Counter[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("finetuning.evaluation._DECODED_AT_ONCE", 5)
    monkeypatch.setattr("finetuning.evaluation._WINDOW_LINES", 4)
    model = Recognizer.load(tiny_dir)
    told: list[str] = []
    evaluator = Evaluator(model, model, pages.directory, Album(tmp_path), told.append)
    part = Slice(name="numbers", kind="new", file="numbers.txt", lines=13)
    bad = Label(pages.boxed[4].key, "1", "[[0,0],[5,5],[9,9],[20,20]]")

    loose = evaluator.evaluate(part, pages.loose)
    decoded.clear()
    boxed = evaluator.evaluate(part, [*pages.boxed[:4], bad, *pages.boxed[4:]])

    assert (loose.pop("available"), boxed.pop("available")) == (12, 13)
    assert boxed.pop("unreadable") == [bad.name]
    assert loose.pop("unreadable") == []
    assert sorted(decoded.values()) == [1, 1, 1, 1]
    assert told[-1] == "slice=numbers lines=13/13"
    for entry in (loose, boxed):
        for role in ("champion", "candidate"):
            del entry[role]["milliseconds_per_line"]
        entry["examples"] = {
            kind: sorted((line["truth"], line["champion"], line["candidate"]) for line in lines)
            for kind, lines in entry["examples"].items()
        }
    assert loose == boxed
    assert loose["lines"] == 12
