"""Plans, sources, records and joined answers of transcriptions."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from ocr_retrain.connection import Cloud
from ocr_retrain.errors import UserError
from ocr_retrain.main import execute
from ocr_retrain.prediction import Mode
from ocr_retrain.transcription import running
from ocr_retrain.transcription.joining import Reasons, join
from ocr_retrain.transcription.plan import MOST_IMAGES, SetAside, StoredImage, make_plan
from ocr_retrain.transcription.record import (
    Transcription,
    answer_uri,
    read_transcription,
    write_transcription,
)
from ocr_retrain.transcription.sources import find_images
from retraining import names, s3_layout

from .fakes import FakeExecution, FakeStepFunctions

ROOT = Path(__file__).resolve().parents[3]
RUN = "20261201-090000-abcdef"
MEGABYTE = 1024 * 1024


def sized(*sizes: int) -> list[StoredImage]:
    return [StoredImage(f"images/{index:04}.png", size) for index, size in enumerate(sizes)]


def test_every_image_is_in_one_job_or_set_aside() -> None:
    images = sized(*[10] * 7, 0, 25_000_001, 3 * MEGABYTE)
    plan = make_plan(reversed(images), images_per_job=3)

    assert [len(shard.images) for shard in plan.shards] == [3, 3, 1, 1]
    taken = [image.key for shard in plan.shards for image in shard.images]
    aside = [each.key for each in plan.set_aside]
    assert sorted(taken + aside) == [image.key for image in images]
    assert plan.set_aside == (
        SetAside("images/0007.png", "The object is empty."),
        SetAside("images/0008.png", "The image has 25.0 MB; at most 25.0 MB can be read."),
    )


@pytest.mark.parametrize("largest", [1, 2 * MEGABYTE, 2 * MEGABYTE + 1, 7_000_000, 25_000_000])
def test_requests_at_once_stay_below_what_batch_transform_takes(largest: int) -> None:
    (shard,) = make_plan(sized(largest)).shards

    assert shard.payload_megabytes * MEGABYTE >= largest
    assert shard.payload_megabytes * shard.at_once <= 100
    assert shard.at_once >= 4


def test_large_images_do_not_slow_down_small_ones() -> None:
    small, large = make_plan(sized(10, 10, 20_000_000)).shards

    assert (len(small.images), small.payload_megabytes, small.at_once) == (2, 1, 50)
    assert (len(large.images), large.payload_megabytes, large.at_once) == (1, 20, 5)


def test_too_many_images_are_refused_before_anything_is_made() -> None:
    with pytest.raises(UserError, match="name a part of them"):
        make_plan(StoredImage(str(number), 1) for number in range(MOST_IMAGES + 1))


def test_the_largest_transcription_fits_into_an_execution_and_its_names_into_sagemaker() -> None:
    jobs = MOST_IMAGES // 20_000 + 1
    shard = {
        "job": names.transform_job("p" * 20, RUN, jobs),
        "manifest_uri": f"s3://{'b' * 63}/{s3_layout.transcription_manifest(RUN, jobs)}",
        "output_uri": f"s3://{'b' * 63}/{s3_layout.transcription_answers(RUN, jobs)}",
        "payload_megabytes": 25,
        "at_once": 50,
    }
    assert len(shard["job"]) <= 63
    assert len(json.dumps([shard] * jobs)) < 256 * 1024


def put(cloud: Cloud, *keys: str, body: bytes = b"x") -> None:
    for key in keys:
        cloud.s3.put_object(Bucket=cloud.stack.bucket, Key=key, Body=body)


def found(cloud: Cloud, given: str) -> list[str]:
    source = find_images(cloud.s3, cloud.stack.bucket, given)
    return [image.key for image in source.images]


def test_everything_under_a_prefix_is_read_but_what_lies_beside_images(cloud: Cloud) -> None:
    put(cloud, "images/a/1.png", "images/a/no-suffix", "images/a/deep/Ü.JPG")
    put(cloud, "images/a/labels.TXT", "images/a/all.zip", "images/a/", "images/ab/1.png")
    source = find_images(cloud.s3, cloud.stack.bucket, f"s3://{cloud.stack.bucket}/images/a")

    assert [image.key for image in source.images] == [
        "images/a/1.png",
        "images/a/deep/Ü.JPG",
        "images/a/no-suffix",
    ]
    assert source.others == 2


def test_one_object_is_read_whatever_its_name(cloud: Cloud) -> None:
    put(cloud, "images/scan.txt")
    assert found(cloud, f"s3://{cloud.stack.bucket}/images/scan.txt") == ["images/scan.txt"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://labelled-data/models/", "TranscriptionInputs"),
        ("s3://labelled-data/images/nothing/", "There are no images under"),
        ("s3:///images/", "is not an s3:// URI"),
        ("/no/such/folder", "There is no /no/such/folder"),
    ],
)
def test_a_place_without_readable_images_is_told(cloud: Cloud, uri: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        found(cloud, uri)


def test_a_local_folder_is_uploaded_once(cloud: Cloud, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    for name in ("1.png", "deep/2.png", "notes.txt", ".hidden"):
        (folder / name).write_text(name)
    put(cloud, "images/scans/of-last-week.png")

    for _ in range(2):
        assert found(cloud, str(folder)) == ["images/scans/1.png", "images/scans/deep/2.png"]
    listed = cloud.s3.list_objects_v2(Bucket=cloud.stack.bucket, Prefix="images/scans/")
    assert listed["KeyCount"] == 3
    assert found(cloud, str(folder / "1.png")) == ["images/scans/1.png"]


def test_transform_jobs_may_read_exactly_the_places_that_are_offered() -> None:
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    (policy,) = template["Resources"]["TranscriptionRole"]["Properties"]["Policies"]
    (read,) = (
        each["Resource"]
        for each in policy["PolicyDocument"]["Statement"]
        if each["Action"] == "s3:GetObject"
    )
    places = {each["Fn::Sub"].removeprefix("${Bucket.Arn}/").removesuffix("*") for each in read}
    assert places == {*s3_layout.TRANSCRIBABLE, "models/", "transcriptions/"}
    for key in (s3_layout.transcription_manifest(RUN, 0), s3_layout.transcription_answers(RUN, 0)):
        assert key.startswith("transcriptions/")


def test_a_job_is_given_up_by_the_server_before_it_is_by_sagemaker() -> None:
    text = (ROOT / "statemachine" / "transcribe.asl.yaml").read_text(encoding="utf-8")
    shards = yaml.safe_load(text)["States"]["Transcribe shards"]["ItemProcessor"]["States"]
    arguments = shards["Transcribe one shard"]["Arguments"]
    waited = arguments["ModelClientConfig"]["InvocationsTimeoutInSeconds"]
    assert int(arguments["Environment"]["REQUEST_SECONDS"]) + 20 < waited <= 3600


def recorded(cloud: Cloud, *keys: str) -> Transcription:
    plan = make_plan([StoredImage(key, 10) for key in keys] + [StoredImage("images/b", 0)], 2)
    return write_transcription(
        cloud.s3, cloud.stack, RUN, ("arn:package/3", 3), (Mode.PAGE, 0.5), "scans", plan
    )


def test_a_transcription_can_be_taken_up_again(cloud: Cloud) -> None:
    transcription = recorded(cloud, "images/a", "images/c", "images/d")

    assert read_transcription(cloud.s3, cloud.stack, RUN) == transcription
    assert json.loads(transcription.for_state_machine()) == {
        "transcription_id": RUN,
        "package_arn": "arn:package/3",
        "model_name": f"ocr-retrain-{RUN}-transcribe",
        "mode": "page",
        "min_confidence": "0.5",
        "shards": [
            {
                "job": f"ocr-retrain-{RUN}-transcribe-{number}",
                "manifest_uri": f"s3://labelled-data/transcriptions/jobs/{RUN}/{number}.manifest",
                "output_uri": f"s3://labelled-data/transcriptions/jobs/{RUN}/answers/{number}",
                "payload_megabytes": 1,
                "at_once": 50,
            }
            for number in (0, 1)
        ],
    }
    with pytest.raises(UserError, match="There is no transcription nonsense"):
        read_transcription(cloud.s3, cloud.stack, "nonsense")


def answer(cloud: Cloud, transcription: Transcription, key: str, content: str) -> None:
    shard = next(
        shard for shard in transcription.shards if key in cloud_text(cloud, shard.manifest_uri)
    )
    place = answer_uri(shard, key).removeprefix("s3://labelled-data/")
    put(cloud, place, body=content.encode())


def cloud_text(cloud: Cloud, uri: str) -> str:
    key = uri.removeprefix("s3://labelled-data/")
    return cloud.s3.get_object(Bucket="labelled-data", Key=key)["Body"].read().decode()


READ = '{"predictions": [{"box": [[0, 0]], "text": "ä", "confidence": 0.5}]}'


def test_every_image_has_one_line_whatever_became_of_it(cloud: Cloud) -> None:
    transcription = recorded(cloud, "images/a", "images/c", "images/d", "images/e")
    answer(cloud, transcription, "images/a", READ)
    answer(cloud, transcription, "images/c", '{"error": "This is no image."}')
    answer(cloud, transcription, "images/d", "<html>")
    target = io.BytesIO()

    joined = join(
        cloud.s3, transcription, Reasons({transcription.shards[1].job: "no memory"}), target
    )

    lines = [json.loads(line) for line in target.getvalue().decode().splitlines()]
    assert [line["image"] for line in lines] == [f"s3://scans/images/{name}" for name in "abcde"]
    box = [[0.0, 0.0]]
    assert lines[0] == {
        "image": "s3://scans/images/a",
        "predictions": [{"box": box, "text": "ä", "confidence": 0.5}],
    }
    assert [line.get("error", "") for line in lines[1:3]] == [
        "The object is empty.",
        "This is no image.",
    ]
    assert lines[3]["error"].endswith("is no reading.")
    assert lines[4]["error"].endswith("has no answer for the image: no memory.")
    assert (joined.read, joined.failed, len(joined.examples)) == (1, 4, 4)
    assert running.count_answers(cloud, transcription) == 3


class Jobs:
    """The state machine's end, played on the bucket: every image is read as its own name."""

    def __init__(self, cloud: Cloud, executions: FakeStepFunctions) -> None:
        self.cloud, self.executions = cloud, executions
        self.error = ""
        self.started: dict[str, Any] = {}
        self.stopped: list[str] = []
        executions.on_start = self.start
        executions.stop_execution = self.stop  # type: ignore[attr-defined]

    def start(self, name: str) -> FakeExecution:
        transcription = read_transcription(self.cloud.s3, self.cloud.stack, name)
        self.started = json.loads(transcription.for_state_machine())
        ended = []
        for shard in transcription.shards:
            ended.append({"job": shard.job, "error": self.error})
            for key in json.loads(cloud_text(self.cloud, shard.manifest_uri))[1:]:
                if not self.error:
                    answer(self.cloud, transcription, key, READ.replace("ä", Path(key).name))
        return FakeExecution(
            name,
            [[]],
            output=json.dumps({"transcription_id": name, "jobs": ended}),
            state_machine="ocr-retrain-transcribe",
        )

    def stop(self, *, executionArn: str, cause: str) -> None:
        self.stopped.append(executionArn)


@pytest.fixture
def jobs(connected: Cloud, executions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    for status in ("Approved", "Rejected"):
        connected.sagemaker.create_model_package(
            ModelPackageGroupName=connected.stack.model_package_group,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [{"Image": "i", "ModelDataUrl": "s3://b/m"}],
                "SupportedContentTypes": ["image/png"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        )
    return Jobs(connected, executions)


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return folder


def test_command_reads_with_the_latest_approved_version_and_writes_lines(
    jobs: Jobs, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["transcribe", str(scans), "--mode", "page", "--min-confidence", "0.25"]) == 0

    (file,) = scans.parent.glob("*.jsonl")
    assert [
        json.loads(line)["predictions"][0]["text"] for line in file.read_text().splitlines()
    ] == [
        "1.png",
        "2.png",
    ]
    told = capsys.readouterr()
    assert told.out.startswith(f"2 images read: {file.name}, also at s3://labelled-data/")
    assert "version 1 reads 2 images in 1 transform job." in told.err
    assert (jobs.started["mode"], jobs.started["min_confidence"]) == ("page", "0.25")
    assert jobs.started["package_arn"].endswith("/1")
    stored = cloud_text(jobs.cloud, f"s3://labelled-data/transcriptions/{file.name}")
    assert stored == file.read_text()


def test_failed_job_is_told_and_its_images_have_errors(
    jobs: Jobs, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.error = "States.Timeout"
    arguments = ["transcribe", str(scans), "--json", "--output", "out.jsonl"]
    assert execute(arguments) == 1

    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert (summary["read"], summary["failed"], summary["output"]) == (0, 2, "out.jsonl")
    assert "longer than MaxTranscriptionSeconds" in told.err
    for line in Path("out.jsonl").read_text().splitlines():
        assert "longer than MaxTranscriptionSeconds" in json.loads(line)["error"]


def test_interruption_stops_the_jobs_and_says_how_to_fetch_what_they_read(
    jobs: Jobs,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running, "count_answers", interrupt)
        assert execute(["transcribe", str(scans)]) == 130
    identifier = jobs.started["transcription_id"]
    assert [arn.rpartition(":")[2] for arn in jobs.stopped] == [identifier]
    assert f"`ocr-retrain transcribe --job {identifier}`" in capsys.readouterr().err

    assert execute(["transcribe", "--job", identifier]) == 0
    assert Path(f"{identifier}.jsonl").read_text().count("\n") == 2


def interrupt(*_: object) -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give either IMAGES"),
        (["scans", "--job", RUN], "Give either IMAGES"),
        (["scans", "--model", "2"], "Version 2 is Rejected"),
        (["scans", "--model", "7"], "There is no version 7"),
        (["scans", "--min-confidence", "2"], "--min-confidence"),
    ],
)
def test_what_cannot_be_transcribed_is_told_before_anything_starts(
    jobs: Jobs,
    scans: Path,
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert execute(["transcribe", *arguments]) == 1
    assert told in capsys.readouterr().err
    assert jobs.started == {}
