"""write_report: what is read, what it costs to be without it, and where the page lands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from retraining.ledger import Ledger
from retraining.ledger_items import Run, Seen
from retraining.report.costs import costs_of, price_table
from retraining.report.differences import compare
from retraining.report.gathering import Gatherer, RunOfReport, Sources
from retraining.report.images import digest_of
from retraining.report.inputs import Job
from retraining.report.jobs import evaluation_attempts, training_attempts
from retraining.report.material import Material
from retraining.report.pictures import read_pictures
from retraining.settings import Settings
from retraining.storage import Bucket

from . import report_documents as documents
from .conftest import BUCKET, ENVIRONMENT, NOW, client

RUN = documents.RUN
TRAINING = f"ocr-retrain-{RUN}-train"
EVALUATION = f"ocr-retrain-{RUN}-evaluate"


class FakeSageMaker:
    """Jobs by name; others are unknown."""

    def __init__(self, *names: str, refuses: str = "") -> None:
        self.names = names
        self.refuses = refuses
        self.asked: list[str] = []

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:
        self._find(TrainingJobName)
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobStatus": "Completed",
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
            "AlgorithmSpecification": {"TrainingImage": documents.IMAGE},
            "TrainingTimeInSeconds": 3600,
            "BillableTimeInSeconds": 900,
            "EnableManagedSpotTraining": "-s" in TrainingJobName,
        }

    def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, Any]:
        self._find(ProcessingJobName)
        return {
            "ProcessingJobName": ProcessingJobName,
            "ProcessingJobStatus": "Completed",
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.c5.2xlarge", "InstanceCount": 1}
            },
            "AppSpecification": {"ImageUri": documents.IMAGE},
            "ProcessingStartTime": NOW,
            "ProcessingEndTime": NOW + timedelta(seconds=600),
        }

    def _find(self, name: str) -> None:
        self.asked.append(name)
        code = self.refuses or ("" if name in self.names else "ValidationException")
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeJob")


class FakeEcr:
    """A registry that knows one image."""

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        if asked["imageIds"] == [{"imageTag": "7"}]:
            return {"imageDetails": [{"imageDigest": documents.DIGEST}]}
        raise ClientError({"Error": {"Code": "ImageNotFoundException"}}, "DescribeImages")


def gather(bucket: Bucket, ledger: Ledger, sagemaker: Any = None, **jobs: str) -> Material:
    settings = Settings.from_environment(ENVIRONMENT | {"CODE_VERSION": "1f0c2aa"})
    sagemaker = sagemaker or FakeSageMaker(f"{TRAINING}-s0", f"{EVALUATION}-0")
    sources = Sources(bucket, ledger, sagemaker, FakeEcr(), settings)  # type: ignore[arg-type]
    names = {"training_job": f"{TRAINING}-s0", "evaluation_job": f"{EVALUATION}-0"} | jobs
    return Gatherer(sources, RunOfReport(RUN, **names)).gather(NOW)


def test_the_handler_writes_the_page_and_tells_where(
    bucket: Bucket, invoke: Callable[[str, dict[str, Any]], Any]
) -> None:
    documents.write_run(bucket)
    event = {"run_id": RUN, "started_at": "2026-11-22T10:15:45.123Z", "training_job": "t-s0"}

    told = invoke("write_report", event | {"evaluation_job": "e-0"})

    assert told["report_uri"] == f"s3://{BUCKET}/runs/{RUN}/report.html"
    found = client("s3").get_object(Bucket=BUCKET, Key=f"runs/{RUN}/report.html")
    assert found["ContentType"] == "text/html; charset=utf-8"
    page = found["Body"].read().decode()
    assert "95.2\u00a0% of the new lines" in page
    assert page.count('src="data:image/jpeg;base64,') == 16


def test_the_handler_reports_a_run_with_nothing_to_train(
    bucket: Bucket, invoke: Callable[[str, dict[str, Any]], Any]
) -> None:
    given = documents.validation() | {"reason": "None of the lines can be used."}
    bucket.write_json(f"runs/{RUN}/validation.json", given)

    told = invoke("write_report", {"run_id": RUN})

    page = bucket.read_text(bucket.key(told["report_uri"]))
    assert "<h1>None of the lines can be used.</h1>" in page
    assert "What is missing" not in page
    assert told["estimated_cost"] is None


def test_a_run_of_which_nothing_is_left_still_gets_a_page(
    bucket: Bucket, invoke: Callable[[str, dict[str, Any]], Any]
) -> None:
    told = invoke("write_report", {"run_id": RUN, "training_job": "t-s0"})

    page = bucket.read_text(bucket.key(told["report_uri"]))
    assert f"There is no telling the verdict (runs/{RUN}/verdict.json): it is not there." in page


def test_a_report_that_cannot_be_written_fails_the_function(
    bucket: Bucket, invoke: Callable[[str, dict[str, Any]], Any]
) -> None:
    client("s3").put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
    )
    client("s3").delete_bucket(Bucket=BUCKET)

    with pytest.raises(ClientError, match="NoSuchBucket"):
        invoke("write_report", {"run_id": RUN})


def test_everything_there_is_is_gathered(bucket: Bucket, ledger: Ledger) -> None:
    documents.write_run(bucket)
    ledger.record_upload(Seen("invoices", "labels/train.txt", "e1", "01", 100, "v1"), NOW)
    ledger.record_upload(Seen("invoices", "labels/late.txt", "e2", "02", 100, "v2"), NOW)
    ledger.begin_run(Run(RUN, "arn", ("invoices",), NOW), ledger.datasets())
    ledger.take_upload("invoices", "labels/train.txt", read_etag="e1", known_etag="e1", run_id=RUN)

    material = gather(bucket, ledger)

    assert material.gaps == ()
    assert [(each.name, each.etag) for each in material.label_files] == [("labels/train.txt", "e1")]
    assert len(material.pictures) == 12
    assert material.digests == {documents.IMAGE: documents.DIGEST}
    assert material.code_version == "1f0c2aa"
    assert [each.kind for each in material.jobs] == ["training", "evaluation"]


@pytest.mark.parametrize("content", ["{", "[]", '"text"', '{"promote": "maybe"}', "[" * 100_000])
def test_a_broken_file_is_named_and_the_others_are_used(
    bucket: Bucket, ledger: Ledger, content: str
) -> None:
    documents.write_run(bucket)
    bucket.write_text(f"runs/{RUN}/verdict.json", content)

    material = gather(bucket, ledger)

    assert material.verdict is None
    assert material.evaluation is not None
    (gap,) = material.gaps
    assert "the verdict" in gap


def test_a_file_that_would_fill_the_memory_is_not_read(bucket: Bucket, ledger: Ledger) -> None:
    documents.write_run(bucket)
    bucket.write_bytes(f"runs/{RUN}/evaluation/evaluation.json", b" " * (16 * 1024 * 1024 + 1))

    material = gather(bucket, ledger)

    assert material.evaluation is None
    assert material.gaps[0].endswith("evaluation.json): it is too large.")


def test_jobs_that_nobody_may_describe_cost_only_the_costs(bucket: Bucket, ledger: Ledger) -> None:
    documents.write_run(bucket)

    material = gather(bucket, ledger, FakeSageMaker(refuses="AccessDeniedException"))

    assert material.jobs == ()
    assert "what the jobs cost: DescribeJob was refused (AccessDeniedException)" in str(
        material.gaps
    )


# --- pictures


def test_pictures_outside_their_folder_or_of_another_kind_are_left_out(bucket: Bucket) -> None:
    folder = f"runs/{RUN}/evaluation"
    jpeg = documents.picture("a line", 1)
    bucket.write_bytes(f"{folder}/examples/0001.jpg", jpeg)
    bucket.write_bytes(f"{folder}/examples/0002.jpg", b"<svg onload=alert(1)>")
    bucket.write_bytes(f"{folder}/examples/0003.jpg", jpeg + b"\0" * 200_000)
    bucket.write_bytes("secret.jpg", jpeg)

    found = read_pictures(
        bucket,
        RUN,
        [
            "examples/0001.jpg",
            "examples/0002.jpg",
            "examples/0003.jpg",
            "examples/0004.jpg",
            "examples/../../../../secret.jpg",
            "",
        ],
    )

    assert list(found.uris) == ["examples/0001.jpg"]
    assert found.left_out == 4


def test_pictures_stop_at_their_limit(bucket: Bucket) -> None:
    documents.write_run(bucket)
    names = documents.names_of_pictures()
    sizes = [len(documents.picture(line[0], n)) for n, line in enumerate(documents.LINES)]

    found = read_pictures(bucket, RUN, names, most_bytes=sizes[0] + sizes[1])

    assert list(found.uris) == names[:2]


# --- jobs and costs


def test_every_attempt_is_counted(bucket: Bucket, ledger: Ledger) -> None:
    sagemaker = FakeSageMaker(f"{TRAINING}-s0", f"{TRAINING}-s1", f"{EVALUATION}-0")

    material = gather(bucket, ledger, sagemaker, training_job=f"{TRAINING}-s1")

    assert [each.name for each in material.jobs] == [
        f"{TRAINING}-s0",
        f"{TRAINING}-s1",
        f"{EVALUATION}-0",
    ]


def test_an_attempt_on_demand_comes_after_those_on_spot_capacity() -> None:
    names = list(training_attempts("run-train-d1"))
    assert names[0] == "run-train-s0"
    assert names[-2:] == ["run-train-d0", "run-train-d1"]
    assert list(training_attempts("run-train-s2")) == [f"run-train-s{each}" for each in range(3)]
    assert list(evaluation_attempts("run-evaluate-1")) == ["run-evaluate-0", "run-evaluate-1"]
    assert list(training_attempts("unlike-any-of-ours")) == ["unlike-any-of-ours"]


def job(instance: str = "ml.g5.xlarge", **changes: Any) -> Job:
    known = {
        "kind": "training",
        "name": "job-s0",
        "status": "Completed",
        "instance_type": instance,
        "seconds": 3600,
        "billable_seconds": 900,
        "spot": True,
    }
    return Job.model_validate(known | changes)


def test_the_bill_is_for_billable_seconds_of_all_instances() -> None:
    costs = costs_of([job(instance_count=2)], price_table({}))
    assert costs.total == pytest.approx(2 * 0.25 * 1.408)
    assert costs.jobs[0].saving == pytest.approx(0.75)
    spared = "Spot capacity saved 1 h 30 min of 2 h 00 min of training, about 2.11 USD."
    assert spared in costs.sentences
    assert "us-east-1" in costs.sentences[-1]


def test_an_unknown_instance_has_hours_and_no_price() -> None:
    costs = costs_of([job("ml.x9.huge"), job()], price_table({}))
    assert costs.total is None
    assert costs.jobs[0].hours == 1
    assert costs.jobs[0].cost is None
    assert any("There is no price for ml.x9.huge" in each for each in costs.sentences)


def test_given_prices_replace_the_packaged_ones() -> None:
    costs = costs_of([job()], price_table({"ml.g5.xlarge": 4.0}))
    assert costs.total == 1.0
    assert costs.sentences[-1] == "Prices are those of the parameter InstancePrices."


def test_on_demand_saves_nothing() -> None:
    (priced,) = costs_of([job(spot=False, billable_seconds=3600)], price_table({})).jobs
    assert priced.saving is None


def test_a_job_whose_time_is_unknown_is_not_taken_for_free() -> None:
    costs = costs_of([job(seconds=None, billable_seconds=None)], price_table({}))
    assert costs.total is None
    assert "SageMaker did not tell how long every job ran." in costs.sentences


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        (documents.IMAGE, documents.DIGEST),
        (documents.IMAGE.replace(":7", ":8"), ""),
        (documents.IMAGE.replace(":7", "@" + documents.DIGEST), documents.DIGEST),
        ("docker.io/library/python:3.11", ""),
    ],
)
def test_the_digest_of_an_image_is_looked_up(image: str, digest: str) -> None:
    assert digest_of(FakeEcr(), image) == digest  # type: ignore[arg-type]


# --- differences


@pytest.mark.parametrize(
    ("truth", "reading", "expected"),
    [
        ("abc", "abc", [("right", "abc")]),
        ("abc", "axc", [("right", "a"), ("wrong", "x"), ("right", "c")]),
        ("abc", "ac", [("right", "a"), ("missed", "b"), ("right", "c")]),
        ("a b", "ab", [("right", "a"), ("missed", "␣"), ("right", "b")]),
        ("ab", "", [("missed", "ab")]),
        ("", "ab", [("wrong", "ab")]),
        ("e\u0301t", "et", [("wrong", "e"), ("right", "t")]),
    ],
)
def test_a_reading_is_compared_character_by_character(
    truth: str, reading: str, expected: list[tuple[str, str]]
) -> None:
    assert [(str(each.kind), each.text) for each in compare(truth, reading)] == expected


def test_comparing_endless_lines_takes_no_time() -> None:
    began = datetime.now()
    for _ in range(48):
        compare("ab" * 5000, "ba" * 5000)
    assert datetime.now() - began < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("value", "prices"), [('{"ml.g5.xlarge": 1.2}', {"ml.g5.xlarge": 1.2}), ("{}", {})]
)
def test_prices_are_read_from_the_environment(value: str, prices: dict[str, float]) -> None:
    given = Settings.from_environment(ENVIRONMENT | {"INSTANCE_PRICES": value})
    assert given.instance_prices == prices
