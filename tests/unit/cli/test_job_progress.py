from __future__ import annotations

import pytest

from ocr_retrain.job_progress import JobProgress, read_progress


def test_training_lines_give_steps_loss_and_speed() -> None:
    progress = read_progress(
        [
            "reading 1200 images",
            "epoch=2/3 step=40/66 loss=1.2345 learning_rate=0.00035 images_per_second=81.2",
        ]
    )

    assert (progress.epoch, progress.epochs) == (2, 3)
    assert progress.fraction == pytest.approx((1 + 40 / 66) / 3)
    assert progress.loss == 1.2345
    assert progress.images_per_second == 81.2
    assert progress.note == ""


def test_long_preparation_before_the_first_epoch_is_told() -> None:
    progress = read_progress(["new_lines=1020 replay_lines=0 generic_lines=437 dev_lines=120"])

    assert progress.note == "preparing 1020 new lines and others"
    progress = read_progress(["encoded=640/3991"], progress)
    assert progress.note == "preparing pictures, 640/3991 done"
    assert progress.fraction is None


def test_dev_line_keeps_what_was_known_of_the_step() -> None:
    before = read_progress(["epoch=1/3 step=22/66 loss=2.5 images_per_second=80"])
    progress = read_progress(["epoch=1/3 dev_exact_match=0.8731 dev_lines=120"], before)

    assert progress.dev_exact_match == 0.8731
    assert (progress.done, progress.total, progress.loss) == (22, 66, 2.5)


def test_evaluation_line_gives_the_slice_and_its_lines() -> None:
    progress = read_progress(["slice=handwriting lines=64/200"])

    assert progress.slice_name == "handwriting"
    assert progress.fraction == pytest.approx(0.32)


def test_sentences_are_kept_as_a_note_and_library_records_are_not() -> None:
    lines = ["Encoded 300 pictures.", "2026-11-22 11:39:28 [INFO] saved in /tmp/x.", ""]

    assert read_progress(lines).note == "Encoded 300 pictures."


@pytest.mark.parametrize("line", ["epoch=one step=x loss=nan?", "slice=a lines=7", "epoch="])
def test_malformed_numbers_never_raise(line: str) -> None:
    assert isinstance(read_progress([line]), JobProgress)


def test_nothing_counted_yet_has_no_fraction() -> None:
    assert JobProgress().fraction is None
