import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining import names
from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines as Written
from retraining.lines import Line, format_line, parse_line
from retraining.outcomes import DatasetState, Outcome
from retraining.plan_lines import DEV, REPLAY, TRAIN, new_plan_lines
from retraining.planning import PlanningError, manifest_rows, replay_ratio, share_evenly
from retraining.registry import NoChampionError

from .conftest import BUCKET, NOW, RUN, approved_package, begin, client, get, png, put

Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]


def parse_lines(content: str) -> tuple[Line, ...]:
    return tuple(parse_line(row) for row in content.split("\n") if row)


def format_lines(given_lines: Iterable[Line]) -> str:
    return "".join(map(format_line, given_lines))


def lines(name: str, count: int, part: str = "train") -> tuple[Line, ...]:
    return tuple(Line(f"incoming/{name}/images/{part}-{n}.png", f"{n}") for n in range(count))


def written(run_id: str, name: str, train: int, holdout: int) -> Written:
    for part, count in (("train", train), ("holdout", holdout)):
        put(f"runs/{run_id}/datasets/{name}/{part}.txt", format_lines(lines(name, count, part)))
    put(f"runs/{run_id}/new_characters.txt", "")
    uri = f"s3://{BUCKET}/runs/{run_id}/datasets/{name}"
    return Written(name, f"{uri}/train.txt", f"{uri}/holdout.txt", train, holdout)


def trained(ledger: Ledger, name: str, train: int, holdout: int, gone: int = 0) -> None:
    run_id = f"20261101-000000-{len(name):06x}"
    begin(name, run_id=run_id)
    ledger.record_lines(written(run_id, name, train, holdout), run_id, NOW)
    ledger.release_lock(run_id)
    outcome = Outcome("Promoted", DatasetState.TRAINED, "", "arn:package/1", NOW)
    ledger.end_run(run_id, [name], outcome)
    for line in (*lines(name, train)[gone:], *lines(name, holdout, "holdout")):
        put(line.key, b"image")


def manifest_keys(name: str) -> list[str]:
    keys: list[str]
    prefix, *keys = json.loads(get(f"runs/{RUN}/{name}.manifest"))
    assert prefix == {"prefix": f"s3://{BUCKET}/"}
    return keys


def register_golden(clients: ModuleType) -> None:
    """Register the golden sets that lie in the bucket, after waiting for what is missing."""
    for moment in (NOW, NOW + timedelta(days=1)):
        replace(clients.golden_keeper(), clock=lambda at=moment: at).refresh()


def plan(invoke: Invoke, *datasets: str) -> dict[str, Any]:
    request = {"run_id": RUN, "datasets": list(datasets), "validation": {"train_lines": 1}}
    begin()
    return invoke("plan_training", request)


def test_without_an_approved_model_the_error_says_what_to_do(invoke: Invoke) -> None:
    approved_package(status="Rejected")
    with pytest.raises(NoChampionError, match=r"No approved model in group ocr-retrain\. Run"):
        plan(invoke, "meters")


def test_a_champion_whose_model_is_gone_is_told_before_anything_is_paid_for(invoke: Invoke) -> None:
    approved_package(artefact=False)
    with pytest.raises(PlanningError) as caught:
        plan(invoke, "meters")
    assert f"is no longer at s3://{BUCKET}/models/v1/output/model.tar.gz" in str(caught.value)
    assert "`ocr-retrain reject 1 --reason" in str(caught.value)


def test_a_first_run_trains_on_the_new_lines_alone(invoke: Invoke) -> None:
    arn = approved_package()
    written(RUN, "meters", 50, 20)
    answer = plan(invoke, "meters")
    assert answer == {
        "champion_package_arn": arn,
        "champion_model_data": f"s3://{BUCKET}/models/v1/output/model.tar.gz",
        "training_job_name": f"ocr-retrain-{RUN}-train",
        "evaluation_job_name": f"ocr-retrain-{RUN}-evaluate",
        "hyperparameters": {
            "run_id": RUN,
            "parent_package_arn": arn,
            "dataset_ids": '["meters"]',
        },
        "dataset_ids": '["meters"]',
        "labels_uri": f"s3://{BUCKET}/runs/{RUN}/labels/",
        "training_manifest_uri": f"s3://{BUCKET}/runs/{RUN}/training.manifest",
        "slices_uri": f"s3://{BUCKET}/runs/{RUN}/slices/",
        "evaluation_manifest_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation.manifest",
        "evaluation_output_uri": f"s3://{BUCKET}/runs/{RUN}/evaluation",
        "checkpoints_uri": f"s3://{BUCKET}/runs/{RUN}/checkpoints",
        "network": {},
        "output_key": {},
        "training_volume": {},
        "evaluation_volume": {},
        "plan": f"s3://{BUCKET}/runs/{RUN}/plan.json",
        "new_lines": 50,
        "replay_lines": 0,
        "new_characters": 0,
        "slices": 1,
    }
    train = parse_lines(get(f"runs/{RUN}/labels/train.txt"))
    dev = parse_lines(get(f"runs/{RUN}/labels/dev.txt"))
    assert set(train) | set(dev) == set(lines("meters", 50))
    assert sorted(manifest_keys("training")) == sorted(each.key for each in lines("meters", 50))
    assert manifest_keys("evaluation") == [each.key for each in lines("meters", 20, "holdout")]
    assert json.loads(get(f"runs/{RUN}/slices/slices.json")) == {
        "slices": [
            {
                "name": "meters",
                "kind": "new",
                "file": "new--meters.txt",
                "lines": 20,
                "available": 20,
            }
        ]
    }


def test_earlier_datasets_are_replayed_and_guarded(
    invoke: Invoke, ledger: Ledger, clients: ModuleType
) -> None:
    approved_package()
    trained(ledger, "plates", 12, 3)
    trained(ledger, "receipts", 30, 4, gone=2)
    put("golden/general/images/1.png", png(1))
    put(
        "golden/general/labels/test.txt",
        "images/1.png\tone\nimages/gone.png\ttwo\n../../../x.png\tthree\nno tab\n",
    )
    register_golden(clients)
    written(RUN, "meters", 40, 20)
    answer = plan(invoke, "meters")
    index = json.loads(get(f"runs/{RUN}/slices/slices.json"))["slices"]
    assert [(each["kind"], each["name"], each["lines"]) for each in index] == [
        ("new", "meters", 20),
        ("old", "plates", 3),
        ("old", "receipts", 4),
        ("golden", "general", 1),
    ]
    assert get(f"runs/{RUN}/slices/golden--general.txt") == ("golden/general/images/1.png\tone\n")
    train = parse_lines(get(f"runs/{RUN}/labels/train.txt"))
    replay = parse_lines(get(f"runs/{RUN}/labels/replay.txt"))
    assert len(replay) == answer["replay_lines"] == round(len(train) * 3 / 7)
    by_dataset = [each.key.split("/")[1] for each in replay]
    assert by_dataset.count("plates") >= len(replay) // 2
    assert "incoming/receipts/images/train-0.png" not in {each.key for each in replay}
    assert not any("holdout" in key for key in manifest_keys("training"))
    about = json.loads(get(f"runs/{RUN}/plan.json"))
    assert about["datasets"] == ["meters"]
    assert about["replay_from"] == ["plates", "receipts"]
    assert about["golden_lines_dropped"] == {"general": 3}


def slice_lines(most: int, part: Iterable[Line]) -> list[str]:
    with new_plan_lines() as collected:
        collected.add_slice("old", "plates", part, most)
        return list(collected.rows("old--plates.txt"))


def test_of_a_large_earlier_holdout_some_lines_are_read_always_the_same() -> None:
    available = lines("plates", 60, "holdout")
    chosen = slice_lines(20, available)
    assert len(chosen) == 20
    assert chosen == slice_lines(20, available)
    order = [format_line(each) for each in available]
    assert chosen == sorted(chosen, key=order.index)
    reversed_files = slice_lines(20, reversed(available))
    assert sorted(reversed_files) == sorted(chosen)


def test_a_sample_stays_when_texts_are_corrected_and_changes_little_when_a_set_grows() -> None:
    available = lines("plates", 60, "holdout")
    chosen = {row.partition("\t")[0] for row in slice_lines(20, available)}
    corrected = [replace(each, text="corrected") for each in available]
    assert {row.partition("\t")[0] for row in slice_lines(20, corrected)} == chosen
    grown = (*available, *lines("more", 6, "holdout"))
    kept = chosen & {row.partition("\t")[0] for row in slice_lines(20, grown)}
    assert len(kept) >= 14


def test_lines_of_one_page_are_chosen_one_by_one() -> None:
    page = [
        Line(
            "incoming/plates/page.png", f"{n}", ((0.0, n), (9.0, n), (9.0, n + 1.0), (0.0, n + 1.0))
        )
        for n in range(40)
    ]
    chosen = slice_lines(10, page)
    assert len(chosen) == 10
    assert chosen != [format_line(each) for each in page[:10]]


def test_golden_and_new_lines_are_sampled_only_when_there_are_very_many(
    invoke: Invoke, ledger: Ledger, clients: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved_package()
    trained(ledger, "plates", 12, 15)
    put("golden/general/images/1.png", png(1))
    put("golden/general/labels/test.txt", "images/1.png\tone\n")
    register_golden(clients)
    written(RUN, "meters", 40, 33)
    planner = clients.planner()
    few = replace(planner, settings=planner.settings.model_copy(update={"max_slice_lines": 3}))
    few.plan(RUN, ["meters"])
    index = json.loads(get(f"runs/{RUN}/slices/slices.json"))["slices"]
    assert [(each["kind"], each["lines"], each["available"]) for each in index] == [
        ("new", 30, 33),
        ("old", 3, 15),
        ("golden", 1, 1),
    ]
    read = {key for key in manifest_keys("evaluation") if "/plates/" in key}
    assert len(read) == 3


def test_the_training_job_is_given_the_characters_to_add(invoke: Invoke) -> None:
    approved_package()
    written(RUN, "meters", 40, 20)
    put(f"runs/{RUN}/new_characters.txt", "A\n€\n\u3000\n")
    assert plan(invoke, "meters")["new_characters"] == 3
    assert get(f"runs/{RUN}/labels/new_characters.txt") == "A\n€\n\u3000\n"
    assert json.loads(get(f"runs/{RUN}/plan.json"))["new_characters"] == ["A", "€", "\u3000"]


def test_without_new_characters_the_training_job_is_given_no_list(invoke: Invoke) -> None:
    approved_package()
    written(RUN, "meters", 40, 20)
    plan(invoke, "meters")
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"runs/{RUN}/labels/")
    assert sorted(each["Key"].rpartition("/")[2] for each in listed["Contents"]) == [
        "dev.txt",
        "replay.txt",
        "train.txt",
    ]


def test_golden_and_earlier_lines_are_normalised_like_new_ones(
    invoke: Invoke, ledger: Ledger, clients: ModuleType
) -> None:
    approved_package()
    trained(ledger, "plates", 10, 3)
    for part in ("train", "holdout"):
        key = f"runs/20261101-000000-{len('plates'):06x}/datasets/plates/{part}.txt"
        put(key, get(key).replace("\t", "\te\u0301\u00a0"))
    put("golden/general/images/1.png", png(1))
    put("golden/general/labels/test.txt", "images/1.png\tCafe\u0301\n")
    register_golden(clients)
    written(RUN, "meters", 40, 20)
    plan(invoke, "meters")
    slices = f"runs/{RUN}/slices"
    replayed = parse_lines(get(f"runs/{RUN}/labels/replay.txt"))
    guarded = parse_lines(get(f"{slices}/old--plates.txt"))
    assert replayed
    assert all(each.text.startswith("\u00e9 ") for each in (*replayed, *guarded))
    assert get(f"{slices}/golden--general.txt") == "golden/general/images/1.png\tCaf\u00e9\n"


def test_a_dataset_that_is_dropped_again_is_new_not_old(invoke: Invoke, ledger: Ledger) -> None:
    approved_package()
    trained(ledger, "meters", 5, 2)
    written(RUN, "meters", 40, 20)
    plan(invoke, "meters")
    index = json.loads(get(f"runs/{RUN}/slices/slices.json"))["slices"]
    assert [each["kind"] for each in index] == ["new"]


def test_a_rejected_second_drop_leaves_the_trained_version_guarded(
    invoke: Invoke, ledger: Ledger
) -> None:
    approved_package()
    trained(ledger, "plates", 5, 2)
    later = "20261110-000000-000000"
    begin("plates", run_id=later)
    ledger.record_lines(written(later, "plates", 9, 4), later, NOW)
    ledger.release_lock(later)
    ledger.end_run(later, ["plates"], Outcome("Rejected", DatasetState.REJECTED, "", "", NOW))
    written(RUN, "meters", 40, 20)
    plan(invoke, "meters")
    index = json.loads(get(f"runs/{RUN}/slices/slices.json"))["slices"]
    assert [(each["kind"], each["lines"]) for each in index] == [("new", 20), ("old", 2)]


def test_a_run_without_lines_cannot_be_planned(invoke: Invoke) -> None:
    approved_package()
    written(RUN, "meters", 0, 0)
    with pytest.raises(PlanningError, match="no usable line"):
        plan(invoke, "meters")


# --- the pure rules


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 50), max_size=6),
    st.integers(0, 400),
)
def test_shares_add_up_and_never_exceed_what_there_is(
    available: dict[str, int], wanted: int
) -> None:
    shares = share_evenly(available, wanted)
    assert sum(shares.values()) == min(wanted, sum(available.values()))
    assert all(0 <= shares[name] <= available[name] for name in available)


def test_shares_are_even_where_sizes_allow() -> None:
    assert share_evenly({"a": 100, "b": 100, "c": 5}, 65) == {"c": 5, "a": 30, "b": 30}


def chosen(
    new: int, earlier: dict[str, int] | None = None, *, ratio: float = 0.7, salt: str = "r"
) -> dict[str, tuple[Line, ...]]:
    """Plan with so many lines of each dataset; give the lines of every part."""
    with new_plan_lines() as plan_lines:
        plan_lines.add_train(lines("d", new))
        for name, count in (earlier or {}).items():
            given_lines = lines(name, count)
            plan_lines.set_existing(each.key for each in given_lines)
            plan_lines.add_earlier(name, given_lines, salt)
        plan_lines.choose(ratio)
        return {part: parse_lines("".join(plan_lines.rows(part))) for part in (TRAIN, DEV, REPLAY)}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 60))
def test_dev_lines_are_a_part_of_the_train_lines(count: int) -> None:
    parts = chosen(count)
    assert sorted((*parts[TRAIN], *parts[DEV]), key=lambda each: each.key) == sorted(
        lines("d", count), key=lambda each: each.key
    )
    assert parts[TRAIN] or not count


def test_about_a_tenth_but_at_most_200_lines_are_set_aside_for_development() -> None:
    assert 60 <= len(chosen(1000)[DEV]) <= 140
    assert len(chosen(5000)[DEV]) == 200


def test_the_lines_of_one_page_are_set_aside_together() -> None:
    pages = [Line(f"{n // 10}.png", f"{n}", ((n, 0), (9, 0), (9, 9), (0, 9))) for n in range(600)]
    with new_plan_lines() as plan_lines:
        plan_lines.add_train(pages)
        plan_lines.choose(1.0)
        train, dev = (
            {each.key for each in parse_lines("".join(plan_lines.rows(part)))}
            for part in (TRAIN, DEV)
        )
    assert dev
    assert not train & dev


def test_replay_is_the_same_for_one_run_and_another_for_the_next() -> None:
    first = chosen(50, {"a": 100}, salt="run-1")[REPLAY]
    assert len(first) == round(len(chosen(50)[TRAIN]) * 3 / 7)
    assert first == chosen(50, {"a": 100}, salt="run-1")[REPLAY]
    assert first != chosen(50, {"a": 100}, salt="run-2")[REPLAY]


def test_a_replay_ratio_of_one_replays_nothing() -> None:
    assert chosen(20, {"a": 100}, ratio=1.0)[REPLAY] == ()


@pytest.mark.parametrize("given_ratio", ["0", "1.5", "-1", "much", "nan"])
def test_an_impossible_replay_ratio_is_refused(given_ratio: str) -> None:
    with pytest.raises(PlanningError, match="replay_ratio"):
        replay_ratio({"replay_ratio": given_ratio})


def test_a_manifest_names_every_key_once() -> None:
    given_lines = [Line("x/ä.png", "1"), Line("y.png", "2"), Line("x/ä.png", "3")]
    with new_plan_lines() as plan_lines:
        plan_lines.add_train(given_lines)
        body = json.loads("".join(manifest_rows("b", plan_lines.training_keys())))
    assert body == [{"prefix": "s3://b/"}, "x/ä.png", "y.png"]


def test_names_fit_sagemaker() -> None:
    prefix = "a" * 20
    run = names.run_id(datetime(2026, 11, 22, 10, 15, 45, tzinfo=UTC), "3FA9c1d2")
    assert run == RUN
    made = [
        f"{names.training_job(prefix, run)}-99",
        f"{names.evaluation_job(prefix, run)}-99",
        names.model(prefix, 12345, "arn", NOW),
        names.endpoint_config(prefix, 12345, NOW, "abcd"),
    ]
    assert all(len(each) <= 63 for each in made)
    with pytest.raises(ValueError, match="hex"):
        names.run_id(NOW, "xyz")


def test_lines_survive_being_written() -> None:
    corners = ((1, 2), (30.5, 2), (30.5, 20), (1, 20))
    some = (Line("a/b c.png", "text with\u2028separator"), Line("ä.png", "x", corners))
    assert parse_lines(format_lines(some)) == some


def test_golden_images_that_are_gone_since_are_not_asked_for(
    invoke: Invoke, clients: ModuleType
) -> None:
    approved_package()
    written(RUN, "meters", 20, 20)
    for number in range(3):
        put(f"golden/general/images/{number}.png", png(number))
    put("golden/general/labels/test.txt", "images/0.png\ta\nimages/1.png\tb\n")
    put("golden/general/labels/more.txt", "images/2.png\tc\nimages/0.png\tz\n")
    register_golden(clients)
    client("s3").delete_object(Bucket=BUCKET, Key="golden/general/images/1.png")
    plan(invoke, "meters")
    rows = parse_lines(get(f"runs/{RUN}/slices/golden--general.txt"))
    assert {each.key.rpartition("/")[2] for each in rows} == {"0.png", "2.png"}


def test_what_was_trained_on_before_it_became_golden_is_not_replayed(
    invoke: Invoke, ledger: Ledger, clients: ModuleType
) -> None:
    approved_package()
    trained(ledger, "plates", 40, 3)
    run = f"20261101-000000-{len('plates'):06x}"
    put("golden/general/images/same.png", png(7))
    put("golden/general/labels/test.txt", "images/same.png\t7\n")
    register_golden(clients)
    digest = hashlib.sha256(png(7)).hexdigest()
    rows = [f"{digest}\t{each.key}\n" for each in lines("plates", 40)[:38]]
    put(f"runs/{run}/datasets/plates/images.tsv", "".join(rows))
    written(RUN, "meters", 100, 20)
    plan(invoke, "meters")
    replay = parse_lines(get(f"runs/{RUN}/labels/replay.txt"))
    assert set(replay) == set(lines("plates", 40)[38:])
