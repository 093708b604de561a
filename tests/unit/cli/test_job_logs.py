from __future__ import annotations

import time

from ocr_retrain.connection import Cloud
from ocr_retrain.history import WorkKind
from ocr_retrain.job_logs import JobLog

GROUP = "/aws/sagemaker/TrainingJobs"


def _write(cloud: Cloud, stream: str, *messages: str) -> None:
    now = int(time.time() * 1000)
    cloud.logs.put_log_events(
        logGroupName=GROUP,
        logStreamName=stream,
        logEvents=[{"timestamp": now, "message": message} for message in messages],
    )


def test_missing_log_group_is_no_progress(cloud: Cloud) -> None:
    assert JobLog(cloud.logs, WorkKind.TRAINING, "job").progress().fraction is None


def test_log_is_read_on_from_where_the_last_look_ended(cloud: Cloud) -> None:
    stream = "job/algo-1-1763"
    cloud.logs.create_log_group(logGroupName=GROUP)
    cloud.logs.create_log_stream(logGroupName=GROUP, logStreamName="job-2/algo-1-1763")
    cloud.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    log = JobLog(cloud.logs, WorkKind.TRAINING, "job")
    assert log.progress().fraction is None

    _write(cloud, stream, "epoch=1/2 step=10/40 loss=2.0 images_per_second=50")
    assert log.progress().done == 10
    assert log.progress().done == 10
    _write(
        cloud, stream, "epoch=1/2 step=20/40 loss=1.5 images_per_second=51", "Uploading the model."
    )
    progress = log.progress()

    assert (progress.done, progress.loss, progress.note) == (20, 1.5, "Uploading the model.")
