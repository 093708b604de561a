"""Golden sets are validated and registered like drops, and never trained on."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from retraining import golden
from retraining.golden import GoldenKeeper, load_golden_sets
from retraining.ledger import Ledger
from retraining.ledger_items import Golden
from retraining.normalization import Normalization
from retraining.storage import Content

from .conftest import BUCKET, RUN, Clock, begin, client, drop, event, get, png, put
from .test_archives import zipped

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]
AS_THEY_ARE = Normalization()


@pytest.fixture
def keeper(clients: ModuleType, clock: Clock) -> GoldenKeeper:
    keeper: GoldenKeeper = replace(clients.golden_keeper(), clock=clock)
    return keeper


def upload(name: str, count: int, *, first: int = 0, missing: int = 0) -> None:
    rows = []
    for number in range(first, first + count + missing):
        rows.append(f"images/{number}.png\tline {number}\n")
        if number < first + count:
            put(f"golden/{name}/images/{number}.png", png(number))
    put(f"golden/{name}/labels/test.txt", "".join(rows))


def only(ledger: Ledger) -> Golden:
    (found,) = ledger.golden_sets()
    return found


def report(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(get(f"golden-reports/{name}/report.json"))
    return loaded


def texts(keeper: GoldenKeeper) -> dict[str, list[str]]:
    sets = load_golden_sets(keeper.bucket, keeper.ledger, AS_THEY_ARE)
    return {each.name: [line.text for line in each.lines] for each in sets}


def test_a_complete_set_is_registered_with_its_report(keeper: GoldenKeeper, ledger: Ledger) -> None:
    upload("general", 3)
    put("golden/general/labels/more.txt", "no tab\nimages/0.png\tanother text\n")
    keeper.refresh()
    found = only(ledger)
    assert (found.name, found.state, found.lines, found.problems) == ("general", "registered", 3, 2)
    assert report("general")["unused_lines"] == {"conflicting_label": 1, "no_tab": 1}
    assert len(get(f"golden-reports/general/{found.fingerprint}/contents.tsv").splitlines()) == 3


def test_while_images_are_missing_a_set_is_received_and_then_taken_as_it_is(
    keeper: GoldenKeeper, ledger: Ledger, clock: Clock
) -> None:
    upload("general", 2, missing=1)
    keeper.refresh()
    assert only(ledger).state == "receiving"
    assert "1 images that its labels name are missing" in only(ledger).reason
    assert texts(keeper) == {}
    clock.forward(keeper.settings.upload_wait_seconds + 1)
    keeper.refresh()
    assert (only(ledger).state, only(ledger).lines) == ("registered", 2)
    assert report("general")["missing"] == ["golden/general/images/2.png"]


def test_a_set_that_is_completed_in_time_is_registered_whole(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    upload("general", 2, missing=1)
    keeper.refresh()
    put("golden/general/images/2.png", png(2))
    keeper.refresh()
    assert (only(ledger).state, only(ledger).lines) == ("registered", 3)


def test_while_a_new_version_arrives_the_last_one_counts(
    keeper: GoldenKeeper, ledger: Ledger, clock: Clock
) -> None:
    upload("general", 2)
    keeper.refresh()
    clock.forward(100_000)
    upload("general", 2, first=1, missing=1)
    keeper.refresh()
    assert only(ledger).state == "receiving"
    assert texts(keeper) == {"general": ["line 0", "line 1"]}


def test_images_alone_are_received_and_rejected_in_the_end(
    keeper: GoldenKeeper, ledger: Ledger, clock: Clock
) -> None:
    put("golden/general/images/0.png", png(0))
    keeper.refresh()
    assert only(ledger).state == "receiving"
    clock.forward(100_000)
    keeper.refresh()
    assert only(ledger).state == "rejected"
    assert "no label file" in only(ledger).reason


def test_a_set_without_a_usable_line_is_rejected_and_says_why(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    put("golden/general/images/0.png", b"no image")
    put("golden/general/labels/test.txt", "images/0.png\tx\n")
    keeper.refresh()
    assert (only(ledger).state, texts(keeper)) == ("rejected", {})
    assert only(ledger).reason == "None of its 1 label lines can be used."


def test_a_set_that_is_deleted_is_forgotten(keeper: GoldenKeeper, ledger: Ledger) -> None:
    upload("general", 1)
    keeper.refresh()
    for key in ("images/0.png", "labels/test.txt"):
        client("s3").delete_object(Bucket=BUCKET, Key=f"golden/general/{key}")
    keeper.refresh()
    assert ledger.golden_sets() == ()


def test_an_unchanged_set_is_not_read_again(
    keeper: GoldenKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload("general", 3)
    upload("plain", 2)
    keeper.refresh()
    reads: list[str] = []
    read: Callable[[str], Content] = keeper.bucket.read
    monkeypatch.setattr(keeper.bucket, "read", lambda key: reads.append(key) or read(key))
    put("golden/plain/images/9.png", png(9))
    keeper.refresh()
    assert {key.split("/")[1] for key in reads} == {"plain"}


@dataclass(frozen=True)
class Much:
    images: int = 1
    padding: int = 0


@pytest.mark.parametrize("much", [Much(images=301), Much(padding=1024 * 1024)])
def test_a_small_function_leaves_much_to_the_next_run(
    keeper: GoldenKeeper, ledger: Ledger, much: Much
) -> None:
    for number in range(much.images):
        # Decoders pass over what follows the picture.
        put(f"golden/general/images/{number}.png", png(number) + b"\0" * much.padding)
    rows = "".join(f"images/{number}.png\tx\n" for number in range(much.images))
    put("golden/general/labels/test.txt", rows)
    keeper.refresh(quick=lambda: True)
    assert (only(ledger).state, only(ledger).reason) == (
        "receiving",
        "It is read with the next run.",
    )
    keeper.refresh()
    assert (only(ledger).state, only(ledger).lines) == ("registered", much.images)


def test_a_set_that_no_function_could_read_in_its_time_is_rejected_and_blocks_nobody(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    upload("general", 3)
    upload("small", 2, first=10)
    settings = keeper.settings.model_copy(update={"images_per_function": 2})
    replace(keeper, settings=settings).refresh()
    large, small = ledger.golden_sets()
    assert (large.state, small.state) == ("rejected", "registered")
    assert large.reason == "Its labels name 3 images; a golden set has at most 2."
    assert list(texts(keeper)) == ["small"]


def test_golden_images_are_not_trained_on_in_any_dataset_under_any_name(invoke: Invoke) -> None:
    drop("meters", 10)
    upload("general", 10)
    upload("other", 5, first=100)
    request = {
        "run_id": RUN,
        "datasets": ["meters"],
        "started_at": datetime.now(UTC).isoformat(),
    }
    answer = invoke("validate_dataset", request)
    assert answer["train_lines"] == 0
    (problem,) = answer["problems"]
    assert problem["code"] == "in_golden_set"
    assert problem["first"][0].endswith("the same image belongs to the golden set general")
    assert problem["count"] + answer["holdout_lines"] == 10


def test_golden_images_are_barred_while_their_set_still_arrives(invoke: Invoke) -> None:
    drop("meters", 10)
    upload("general", 10, missing=1)
    started = datetime.now(UTC) - timedelta(days=1)
    request = {"run_id": RUN, "datasets": ["meters"], "started_at": started.isoformat()}
    assert invoke("validate_dataset", request)["train_lines"] == 0


def test_texts_are_normalised_when_they_are_read_and_kept_as_they_are(
    keeper: GoldenKeeper,
) -> None:
    put("golden/general/images/0.png", png(0))
    put("golden/general/labels/test.txt", "images/0.png\tCafe\u0301\n")
    keeper.refresh()
    assert texts(keeper) == {"general": ["Cafe\u0301"]}
    composed = load_golden_sets(keeper.bucket, keeper.ledger, Normalization.parse("compose"))
    assert composed[0].lines[0].text == "Caf\u00e9"


def packed(count: int, *, labels: bool = True) -> bytes:
    files: dict[str, bytes] = {f"images/{each}.png": png(each) for each in range(count)}
    if labels:
        rows = "".join(f"images/{each}.png\tline {each}\n" for each in range(count))
        files["labels/test.txt"] = rows.encode()
    return zipped(files)


def quickly() -> bool:
    return True


@pytest.mark.parametrize("name", ["set.zip", "below/a folder/set.zip"])
def test_an_archive_is_unpacked_and_registered_at_once(
    keeper: GoldenKeeper, ledger: Ledger, name: str
) -> None:
    put(f"golden/general/{name}", packed(3))
    keeper.refresh(quick=quickly)
    assert (only(ledger).state, only(ledger).lines) == ("registered", 3)
    assert texts(keeper) == {"general": ["line 0", "line 1", "line 2"]}


def test_what_is_wrong_with_an_archive_is_in_the_report(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    put("golden/general/a.zip", zipped({"../out.png": png(1)}))
    put("golden/general/b.zip", packed(2))
    keeper.refresh(quick=quickly)
    assert (only(ledger).state, only(ledger).lines) == ("registered", 2)
    assert [each["code"] for each in report("general")["problems"]] == ["outside_archive"]


def test_a_dataset_and_a_golden_set_of_one_name_unpack_apart(
    keeper: GoldenKeeper, invoke: Invoke
) -> None:
    put("golden/meters/all.zip", packed(3))
    put("incoming/meters/all.zip", packed(3))
    begin("meters")
    invoke("unpack_archives", {"run_id": RUN, "datasets": ["meters"]})
    keeper.refresh()
    (golden,) = load_golden_sets(keeper.bucket, keeper.ledger, AS_THEY_ARE)
    folders = {each.key.split("/")[2] for each in golden.lines}
    assert len(folders) == 1
    assert folders.pop().startswith("golden-")


def test_a_large_archive_is_left_to_the_next_run(
    keeper: GoldenKeeper, ledger: Ledger, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "_MOST_PACKED_AT_ONCE", 100)
    put("golden/general/set.zip", packed(3))
    for _ in range(2):
        keeper.refresh(quick=quickly)
    assert (only(ledger).state, only(ledger).reason) == (
        "receiving",
        "It is read with the next run.",
    )
    begin("meters")
    invoke("unpack_archives", {"run_id": RUN, "datasets": ["meters"]})
    keeper.refresh()
    assert (only(ledger).state, only(ledger).lines) == ("registered", 3)


def test_an_archive_that_came_after_the_unpacking_is_not_rejected(
    keeper: GoldenKeeper, ledger: Ledger, clock: Clock
) -> None:
    put("golden/general/set.zip", packed(3))
    keeper.refresh()
    clock.forward(100_000)
    keeper.refresh()
    assert only(ledger).state == "receiving"


def test_out_of_time_the_rest_is_left_and_nothing_forgotten(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    for name in ("a", "b", "c"):
        upload(name, 1)
    for looks, known in (
        [0, []],
        [1, ["a"]],
        [2, ["a", "b"]],
        [9, ["a", "b", "c"]],
        [0, ["a", "b", "c"]],
    ):
        moments = iter([True] * looks)
        keeper.refresh(quick=lambda left=moments: next(left, False))
        assert [each.name for each in ledger.golden_sets()] == known


def test_a_set_whose_name_no_file_can_have_is_rejected(
    keeper: GoldenKeeper, ledger: Ledger
) -> None:
    upload("x" * 101, 1)
    keeper.refresh()
    assert only(ledger).state == "rejected"
    assert "rename it" in only(ledger).reason


def test_a_storm_of_golden_files_is_looked_at_once(
    invoke: Invoke, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload("general", 2)
    batch = event("sqs_s3_object_created.json")
    body = json.loads(batch["Records"][0]["body"])
    body["detail"]["object"]["key"] = "golden/general/labels/test.txt"
    batch["Records"] = [{**batch["Records"][0], "body": json.dumps(body)} for _ in range(50)]
    looks: list[object] = []
    lying = golden._lying
    monkeypatch.setattr(golden, "_lying", lambda *given: looks.append(given) or lying(*given))
    assert invoke("start_retraining", batch) == {"batchItemFailures": []}
    assert (len(looks), only(ledger).state) == (1, "registered")


def test_the_schedule_looks_at_golden_sets_nobody_announced(invoke: Invoke, ledger: Ledger) -> None:
    upload("general", 2)
    invoke("start_retraining", event("scheduled.json"))
    assert only(ledger).state == "registered"
