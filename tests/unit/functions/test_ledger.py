"""The ledger, on moto's DynamoDB and on the double that the faster tests use."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest

from retraining.ledger import Ledger
from retraining.ledger_items import DatasetLines, Decided, Golden, Pause, Run, Seen, Upload
from retraining.outcomes import WAITING_FOR_MORE, DatasetState, Outcome, lost

from .conftest import NOW, RUN, TABLE
from .memory_cloud import Fault, Faults, MemoryTable

LATER = "20261122-111545-aaaaaa"
FIRST = Seen("meters", "labels/train.txt", "e1", "01", 10, "v1")
SECOND = replace(FIRST, etag="e2", sequencer="02", version_id="v2")


@pytest.fixture(params=["moto", "memory"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return Ledger(MemoryTable())  # type: ignore[arg-type]
    request.getfixturevalue("aws")
    return Ledger(boto3.resource("dynamodb").Table(TABLE))


def begin(ledger: Ledger, run_id: str = RUN, *datasets: str) -> Run:
    run = Run(run_id, f"arn:{run_id}", datasets or ("meters",), NOW)
    assert ledger.begin_run(run, ledger.datasets())
    return run


def end(state: DatasetState, name: str = "Failed", seconds: float = 60) -> Outcome:
    ended = NOW + timedelta(seconds=seconds)
    failed = state is DatasetState.WAITING
    return Outcome(name, state, "because", "arn:package/7", ended, failed=failed)


def written(train: int = 10) -> DatasetLines:
    return DatasetLines("meters", "s3://b/t", "s3://b/h", train, 2, "s3://b/c")


def upload(ledger: Ledger) -> Upload:
    (found,) = ledger.uploads_of("meters")
    return found


def dataset(ledger: Ledger) -> Any:
    found = ledger.dataset("meters")
    assert found
    return found


# --- uploads


def test_a_new_upload_is_pending_and_wakes_its_dataset(ledger: Ledger) -> None:
    assert ledger.record_upload(FIRST, NOW)
    assert ledger.pending_uploads() == (upload(ledger),)
    assert (upload(ledger).etag, upload(ledger).version_id, upload(ledger).size) == ("e1", "v1", 10)
    assert dataset(ledger).state == DatasetState.WAITING
    assert dataset(ledger).has_news


def test_a_repeated_event_changes_nothing(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    before = upload(ledger), dataset(ledger)
    assert ledger.record_upload(FIRST, NOW + timedelta(hours=1))
    assert (upload(ledger), dataset(ledger)) == before


def test_an_older_event_changes_nothing(ledger: Ledger) -> None:
    ledger.record_upload(SECOND, NOW)
    before = upload(ledger), dataset(ledger)
    assert not ledger.record_upload(FIRST, NOW)
    assert (upload(ledger), dataset(ledger)) == before


def test_other_content_is_news_again(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    assert not ledger.pending_uploads()
    assert ledger.record_upload(SECOND, NOW)
    assert upload(ledger).pending
    assert dataset(ledger).has_news


def test_the_same_content_uploaded_again_is_noted_and_is_no_news(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    again = replace(FIRST, sequencer="02", version_id="v2")
    later = NOW + timedelta(hours=1)
    assert not ledger.record_upload(again, later)
    assert upload(ledger).last_seen_same_at == later.isoformat(timespec="milliseconds")
    assert dataset(ledger).last_seen_same_at == upload(ledger).last_seen_same_at
    assert upload(ledger).version_id == "v2"
    assert not dataset(ledger).has_news
    assert not ledger.pending_uploads()


def test_waiting_content_uploaded_again_waits_since_it_came_first(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    again = replace(FIRST, sequencer="02")
    assert ledger.record_upload(again, NOW + timedelta(hours=1))
    assert upload(ledger).seen_at == NOW.isoformat(timespec="milliseconds")
    assert not upload(ledger).last_seen_same_at


def test_a_return_to_what_was_trained_is_not_pending(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    ledger.record_upload(SECOND, NOW)
    assert not ledger.record_upload(replace(FIRST, sequencer="03"), NOW)
    assert not ledger.pending_uploads()


def test_what_a_run_read_is_kept_with_version_and_lines(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    ledger.record_line_count(upload(ledger), 40)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    taken = upload(ledger)
    assert (taken.taken_etag, taken.taken_version_id, taken.taken_by) == ("e1", "v1", RUN)
    ledger.record_upload(SECOND, NOW)
    assert upload(ledger).lines is None
    ledger.record_line_count(upload(ledger), 50)
    assert upload(ledger).new_lines == 10


def test_a_version_recorded_while_the_file_was_read_stays_pending(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    ledger.record_upload(SECOND, NOW)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    assert (upload(ledger).etag, upload(ledger).pending) == ("e2", True)
    assert upload(ledger).taken_version_id == ""


def test_a_file_read_before_its_event_came_is_not_pending_afterwards(ledger: Ledger) -> None:
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="", run_id=RUN)
    assert not ledger.record_upload(FIRST, NOW)
    assert not ledger.pending_uploads()
    assert not upload(ledger).last_seen_same_at


FOUND = replace(SECOND, sequencer="")


def test_what_was_found_without_an_event_is_pending_and_wakes_its_dataset(ledger: Ledger) -> None:
    assert ledger.record_found(FOUND, None, NOW)
    assert upload(ledger).pending
    assert dataset(ledger).has_news


def test_the_event_of_what_was_found_before_it_is_no_news(ledger: Ledger) -> None:
    ledger.record_found(FOUND, None, NOW)
    news = dataset(ledger).news
    assert ledger.record_upload(SECOND, NOW)
    assert (upload(ledger).etag, dataset(ledger).news) == ("e2", news)
    assert not ledger.record_upload(FIRST, NOW)


def test_a_version_of_which_no_event_told_is_found(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    assert ledger.record_found(FOUND, upload(ledger), NOW)
    assert (upload(ledger).etag, upload(ledger).pending) == ("e2", True)


def test_what_was_found_gives_way_to_an_event_that_came_meanwhile(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    known = upload(ledger)
    third = replace(SECOND, etag="e3", sequencer="03")
    ledger.record_upload(third, NOW)
    assert not ledger.record_found(FOUND, known, NOW)
    assert upload(ledger).etag == "e3"


def test_the_search_goes_on_where_it_was_and_does_not_go_back(ledger: Ledger) -> None:
    assert ledger.searched_up_to() == ""
    ledger.note_search("", "incoming/m", NOW)
    assert ledger.searched_up_to() == "incoming/m"
    ledger.note_search("", "incoming/a", NOW)
    assert ledger.searched_up_to() == "incoming/m"


def test_a_count_of_an_older_version_is_not_kept(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    counted = upload(ledger)
    ledger.record_upload(SECOND, NOW)
    ledger.record_line_count(counted, 40)
    assert upload(ledger).lines is None


# --- runs


def test_a_run_takes_the_lock_and_its_datasets_together(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    run = begin(ledger)
    lock = ledger.lock()
    assert lock
    assert (lock.run_id, lock.started_at) == (RUN, "")
    assert ledger.run(RUN) == run
    assert (dataset(ledger).state, dataset(ledger).run_id) == (DatasetState.IN_RUN, RUN)
    assert not dataset(ledger).has_news


def test_a_second_run_changes_nothing(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    second = Run(LATER, "arn", ("meters",), NOW)
    assert not ledger.begin_run(second, ledger.datasets())
    assert ledger.run(LATER) is None
    assert dataset(ledger).run_id == RUN


def test_a_run_does_not_begin_on_what_was_read_before_another_run_had_it(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    stale = ledger.datasets()
    begin(ledger)
    ledger.end_run(RUN, ["meters"], end(DatasetState.REJECTED, "Rejected"))
    ledger.release_lock(RUN)
    assert not ledger.begin_run(Run(LATER, "arn", ("meters",), NOW), stale)
    assert ledger.lock() is None


def test_news_that_come_while_a_run_begins_are_for_the_next(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    read = ledger.datasets()
    ledger.record_upload(SECOND, NOW)
    assert ledger.begin_run(Run(RUN, "arn", ("meters",), NOW), read)
    assert dataset(ledger).has_news


def test_news_during_a_run_leave_the_dataset_in_it(ledger: Ledger) -> None:
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    ledger.record_upload(SECOND, NOW)
    assert (dataset(ledger).state, dataset(ledger).has_news) == (DatasetState.IN_RUN, True)


def test_a_confirmed_start_is_kept_and_later_problems_are_not(ledger: Ledger) -> None:
    begin(ledger)
    ledger.note_start_problem(RUN, "AccessDenied")
    ledger.confirm_start(LATER, NOW)
    lock = ledger.lock()
    assert lock
    assert (lock.problem, lock.started_at) == ("AccessDenied", "")
    ledger.confirm_start(RUN, NOW)
    ledger.note_start_problem(RUN, "late")
    lock = ledger.lock()
    assert lock
    assert (lock.problem, lock.started_at) == ("", NOW.isoformat(timespec="milliseconds"))


def test_a_trained_dataset_knows_its_model_and_lines(ledger: Ledger) -> None:
    begin(ledger)
    ledger.record_lines(written(), RUN, NOW)
    assert ledger.end_run(RUN, ["meters"], end(DatasetState.TRAINED, "Promoted"))
    found = dataset(ledger)
    assert (found.state, found.package_arn, found.attempts) == ("trained", "arn:package/7", 0)
    assert (found.trained_train_uri, found.contents_uri) == ("s3://b/t", "s3://b/c")


def test_a_failure_counts_as_an_attempt_once(ledger: Ledger) -> None:
    begin(ledger)
    assert ledger.end_run(RUN, ["meters"], end(DatasetState.WAITING))
    assert not ledger.end_run(RUN, ["meters"], end(DatasetState.WAITING, seconds=90))
    assert (dataset(ledger).state, dataset(ledger).attempts) == ("waiting", 1)
    assert not dataset(ledger).queued_at


def test_a_lost_run_queues_its_datasets_and_gives_way_to_the_truth(ledger: Ledger) -> None:
    begin(ledger)
    ledger.record_lines(written(), RUN, NOW)
    assert ledger.end_run(RUN, ["meters"], lost(NOW + timedelta(hours=2)))
    assert (dataset(ledger).state, bool(dataset(ledger).queued_at)) == ("waiting", True)
    assert ledger.end_run(RUN, ["meters"], end(DatasetState.TRAINED, "Promoted"))
    assert dataset(ledger).state == "trained"
    assert not ledger.end_run(RUN, ["meters"], lost(NOW + timedelta(hours=3)))
    assert dataset(ledger).state == "trained"


def test_a_dataset_set_aside_keeps_its_reason_when_the_run_ends(ledger: Ledger) -> None:
    begin(ledger)
    ledger.set_aside("meters", "3 images never came.", RUN, NOW)
    ledger.end_run(RUN, ["meters"], end(DatasetState.TRAINED, "Promoted"))
    assert (dataset(ledger).state, dataset(ledger).reason) == ("rejected", "3 images never came.")


def test_a_function_that_outlives_its_run_cannot_pull_the_dataset_back(ledger: Ledger) -> None:
    begin(ledger)
    ledger.end_run(RUN, ["meters"], end(DatasetState.WAITING, "Aborted"))
    ledger.release_lock(RUN)
    ledger.record_lines(written(), RUN, NOW)
    ledger.set_aside("meters", "late", RUN, NOW)
    assert (dataset(ledger).state, dataset(ledger).reason) == ("waiting", "because")
    begin(ledger, LATER)
    ledger.record_lines(written(), RUN, NOW)
    ledger.record_missing("meters", 3, RUN, NOW)
    ledger.set_aside("meters", "late", RUN, NOW)
    found = dataset(ledger)
    assert (found.state, found.run_id, found.train_lines) == ("in_run", LATER, 0)
    assert found.missing == 0


def test_missing_images_are_told_until_the_lines_are_written(ledger: Ledger) -> None:
    begin(ledger)
    ledger.record_missing("meters", 3, RUN, NOW)
    assert dataset(ledger).missing == 3
    ledger.record_lines(written(), RUN, NOW)
    assert dataset(ledger).missing == 0


def test_only_the_holder_of_the_lock_releases_it(ledger: Ledger) -> None:
    begin(ledger)
    assert not ledger.release_lock(LATER)
    assert ledger.release_lock(RUN)
    assert not ledger.release_lock(RUN)


# --- what people decide


def test_a_dataset_is_queued_again_unless_a_run_has_it(ledger: Ledger) -> None:
    assert not ledger.queue("meters", NOW)
    begin(ledger)
    assert not ledger.queue("meters", NOW)
    ledger.end_run(RUN, ["meters"], end(DatasetState.WAITING))
    assert ledger.queue("meters", NOW)
    found = dataset(ledger)
    assert (found.state, found.attempts, bool(found.queued_at)) == ("waiting", 0, True)
    ledger.release_lock(RUN)
    begin(ledger, LATER)
    assert not dataset(ledger).queued_at


def test_the_switch_is_thrown_and_thrown_back(ledger: Ledger) -> None:
    assert ledger.paused() is None
    ledger.pause(Pause("2026", "anna", "new labels on Monday"))
    assert ledger.paused() == Pause("2026", "anna", "new labels on Monday")
    assert ledger.resume()
    assert not ledger.resume()


def test_the_last_decision_can_be_read(ledger: Ledger) -> None:
    assert ledger.last_decision() is None
    decided = Decided("wait", "2 of 5 lines", ("meters",), "", "2026")
    ledger.note_decision(decided)
    assert ledger.last_decision() == decided


def test_a_decision_about_any_number_of_datasets_can_be_written(ledger: Ledger) -> None:
    names = tuple(f"{number:05}-{'水' * 70}" for number in range(2_000))
    ledger.note_decision(Decided("paused", "Runs are paused.", names, "", "2026"))
    decided = ledger.last_decision()
    assert decided
    assert decided.datasets == names[:1_000]
    assert decided.is_about(names[1_999])


def test_an_older_decision_does_not_replace_a_later_one(ledger: Ledger) -> None:
    later = Decided("idle", "", (), "", "2026-11-22T10:15:46.000+00:00")
    ledger.note_decision(later)
    ledger.note_decision(replace(later, action="start", decided_at="2026-11-22T10:15:45.000+00:00"))
    assert ledger.last_decision() == later


def test_golden_sets_are_listed_by_name_until_they_are_removed(ledger: Ledger) -> None:
    general = Golden("general", "registered", lines=300, fingerprint="f", lines_uri="s3://b/g")
    ledger.record_golden(general)
    ledger.record_golden(Golden("digits", "receiving", "2 images are missing"))
    assert [each.name for each in ledger.golden_sets()] == ["digits", "general"]
    assert ledger.golden_sets()[1] == general
    ledger.remove_golden("digits")
    assert ledger.golden_sets() == (general,)


# --- what AWS may do to a write


def faulty(fault: Fault, calls: range) -> tuple[Ledger, Faults]:
    faults = Faults(dict.fromkeys(calls, fault))
    return Ledger(MemoryTable(faults)), faults  # type: ignore[arg-type]


def test_a_write_that_collides_is_tried_again() -> None:
    ledger, faults = faulty(Fault.CONFLICT, range(2, 5))
    assert ledger.record_upload(FIRST, NOW)
    assert faults.calls.count("TransactWriteItems") == 4


def test_a_write_that_was_sent_twice_is_not_taken_for_refused() -> None:
    ledger, faults = faulty(Fault.SENT_TWICE, range(0))
    ledger.record_upload(FIRST, NOW)
    begin(ledger)
    faults.plan(dict.fromkeys(range(9), Fault.SENT_TWICE))
    ledger.take_upload("meters", FIRST.relative, read_etag="e1", known_etag="e1", run_id=RUN)
    faults.plan({})
    assert upload(ledger).taken_etag == "e1"
    assert not upload(ledger).pending


def test_what_can_only_be_measured_with_waits_for_more_as_well(ledger: Ledger) -> None:
    begin(ledger)
    ledger.record_lines(DatasetLines("meters", "train", "holdout", 0, 15, "contents"), RUN, NOW)

    ledger.end_run(RUN, ["meters"], Outcome(WAITING_FOR_MORE, DatasetState.WAITING, "", "", NOW))

    known = ledger.dataset("meters")
    assert known is not None
    assert (known.state, known.attempts) == (DatasetState.WAITING, 0)
