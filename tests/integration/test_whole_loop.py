"""The main job on the local cloud: real events, real handlers, the real trainer on a tiny model.

The tests share one cloud and build on each other, in the order of this file.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.digit_lines import dot_matrix, plain, write_folder
from tests.integration.stack import Stack

pytestmark = pytest.mark.cloud

PROMOTED, REJECTED, NOTHING_TO_TRAIN, FAILED = 0, 11, 12, 13


@pytest.fixture(scope="module")
def golden(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "golden"
    write_folder(folder, plain, {"test": 80}, seed=1)
    for path in sorted(folder.rglob("*.*")):
        key = f"golden/plain/{path.relative_to(folder).as_posix()}"
        stack.s3.upload_file(str(path), stack.outputs["BucketName"], key)
    return folder


def dropped(stack: Stack, folder: Path, *, expect: int) -> dict[str, Any]:
    """Drop a folder, watch its run end with that exit code, return the execution."""
    before = len(stack.runs())
    done = stack.run("drop", folder)
    assert done.code == 0, done.stderr
    watched = stack.run("watch", "--timeout", "240")
    assert watched.code == expect, watched.stdout + watched.stderr
    runs = stack.runs()
    assert len(runs) == before + 1
    return runs[0]


def test_a_drop_becomes_a_better_model_that_is_served(
    stack: Stack, golden: Path, tmp_path: Path
) -> None:
    first_config, first_package = stack.serving_config(), stack.serving_package()
    folder = write_folder(tmp_path / "displays", dot_matrix, {"train": 220, "val": 80}, seed=2)

    run = dropped(stack, folder, expect=PROMOTED)

    output = run["output"]
    assert output["outcome"] == "Promoted"
    assert output["validation"]["train_lines"] == 220
    assert output["validation"]["holdout_lines"] == 80
    assert stack.serving_config() != first_config
    assert stack.serving_package() == output["package_arn"] != first_package

    slices = {each["name"]: each for each in output_verdict(stack, output)["slices"]}
    displays = slices["displays"]
    assert displays["candidate_exact_match"] > displays["champion_exact_match"] + 0.2
    assert slices["plain"]["difference"] >= -0.01


def output_verdict(stack: Stack, output: dict[str, Any]) -> dict[str, Any]:
    verdict: dict[str, Any] = stack.read_json(output["verdict"]["verdict"])
    return verdict


def test_the_package_tells_where_it_comes_from(stack: Stack) -> None:
    output = stack.runs()[0]["output"]
    package = stack.sagemaker.describe_model_package(ModelPackageName=output["package_arn"])
    about = package["CustomerMetadataProperties"]
    assert package["ModelApprovalStatus"] == "Approved"
    assert about["run_id"] == output["run_id"]
    assert about["parent_package_arn"].endswith("/1")
    assert about["datasets"] == "displays"
    metrics = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert stack.read_json(metrics)["run_id"] == output["run_id"]


def test_the_endpoint_answers_with_the_new_model(stack: Stack, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "fresh", dot_matrix, {"test": 30}, seed=3)
    rows = (folder / "labels" / "test.txt").read_text().splitlines()
    truth = dict(row.split("\t") for row in rows)
    done = stack.run("predict", *sorted((folder / "images").iterdir()), "--json")
    assert done.code == 0, done.stderr
    answers = json.loads(done.stdout)
    right = sum(
        each["predictions"][0]["text"] == truth[f"images/{Path(each['image']).name}"]
        for each in answers
    )
    assert len(answers) == 30
    assert right >= 20


def test_a_worse_candidate_is_rejected_and_the_endpoint_stays(stack: Stack, tmp_path: Path) -> None:
    config = stack.serving_config()

    def mislabelled(said: Any) -> list[str]:
        return [text[::-1] + "7" for text in said]

    folder = write_folder(
        tmp_path / "mislabelled", plain, {"train": 120, "val": 60}, seed=4, labels=mislabelled
    )

    run = dropped(stack, folder, expect=REJECTED)

    assert run["output"]["outcome"] == "Rejected"
    package = stack.sagemaker.describe_model_package(ModelPackageName=run["output"]["package_arn"])
    assert package["ModelApprovalStatus"] == "Rejected"
    assert package["ApprovalDescription"]
    assert stack.serving_config() == config


def test_a_drop_without_a_usable_line_trains_nothing_and_names_every_problem(
    stack: Stack, tmp_path: Path
) -> None:
    jobs = stack.sagemaker.list_training_jobs()["TrainingJobSummaries"]
    folder = write_folder(tmp_path / "broken", plain, {"train": 3}, seed=5)
    (folder / "images" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (folder / "labels" / "empty.txt").write_bytes(b"")
    (folder / "labels" / "binary.txt").write_bytes(b"\0\1\2\t\xff")
    (folder / "labels" / "train.txt").write_text(
        "images/train-0000.png no tab\n"
        "images/damaged.png\t123\n"
        "../../golden/plain/images/test-0000.png\t123\n"
        "images/train-0001.png\t12\u9f8d\n",
        encoding="utf-8",
    )

    run = dropped(stack, folder, expect=NOTHING_TO_TRAIN)

    output = run["output"]
    assert output["outcome"] == "Nothing to train"
    assert output["reason"]
    found = {each["code"] for each in output["validation"]["problems"]}
    assert found >= {
        "no_tab",
        "unreadable_image",
        "outside_dataset",
        "unknown_character",
        "empty_label_file",
        "binary_label_file",
    }
    report = json.dumps(stack.read_json(output["validation"]["report"]), ensure_ascii=False)
    assert "\u9f8d" in report
    assert "damaged.png" in report
    assert stack.sagemaker.list_training_jobs()["TrainingJobSummaries"] == jobs


def test_a_crash_in_the_training_script_becomes_the_executions_cause(
    stack: Stack, tmp_path: Path
) -> None:
    function = f"{stack.outputs['Prefix']}-plan-training"
    lambdas = stack.client("lambda")
    before = lambdas.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    broken = {**before, "HYPERPARAMETERS": json.dumps({"epochs": "many"})}
    lambdas.update_function_configuration(FunctionName=function, Environment={"Variables": broken})
    try:
        folder = write_folder(tmp_path / "more", dot_matrix, {"train": 60, "val": 30}, seed=6)
        run = dropped(stack, folder, expect=FAILED)
    finally:
        lambdas.update_function_configuration(
            FunctionName=function, Environment={"Variables": before}
        )
    assert run["status"] == "FAILED"
    assert "epochs" in run["cause"]


def test_rejecting_the_live_version_brings_back_the_one_before(stack: Stack) -> None:
    live = stack.serving_package()
    version = live.rsplit("/", 1)[1]
    done = stack.run("reject", version, "--reason", "a customer complained")
    assert done.code == 0, done.stderr
    deadline = time.monotonic() + 60
    while stack_package(stack) == live:
        assert time.monotonic() < deadline, "the endpoint still serves the rejected version"
        time.sleep(0.5)
    assert stack.serving_package().endswith("/1")
    rejected = stack.sagemaker.describe_model_package(ModelPackageName=live)
    assert rejected["ApprovalDescription"] == "a customer complained"
    assert rejected["CustomerMetadataProperties"]["run_id"]


def stack_package(stack: Stack) -> str:
    """The serving package, also while the endpoint is being updated."""
    endpoint = stack.sagemaker.describe_endpoint(EndpointName=stack.outputs["EndpointName"])
    if endpoint["EndpointStatus"] != "InService":
        return stack_package_after_update(stack)
    return stack.serving_package()


def stack_package_after_update(stack: Stack) -> str:
    waiter = stack.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(
        EndpointName=stack.outputs["EndpointName"],
        WaiterConfig={"Delay": 1, "MaxAttempts": 60},
    )
    return stack.serving_package()


@pytest.mark.parametrize("command", ["datasets", "models", "golden", "pause", "resume"])
def test_the_commands_of_every_day_answer(stack: Stack, command: str) -> None:
    done = stack.run(command)
    assert done.code == 0, done.stderr
