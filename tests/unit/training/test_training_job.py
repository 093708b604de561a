"""The training job: learns, resumes, survives bad input, and says why it failed."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest
import yaml

import finetuning
import recognition
from finetuning.interruption import StopRequest
from finetuning.parts import TrainedPart
from finetuning.train import main
from finetuning.weights import load_weights
from recognition.artefact import pack
from recognition.recognizer import Recognizer

MakeJob = Callable[..., Any]


class StopAfter(StopRequest):
    """A SIGTERM that comes while the given step is computed."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property
    def terminated(self) -> bool:
        self._left -= 1
        return self._left < 0

    @terminated.setter
    def terminated(self, value: bool) -> None:
        pass


def manifest(job: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((job.base / "model/manifest.json").read_text())
    return content


def metrics_in(output: str) -> dict[str, list[float]]:
    """Return what SageMaker would read in the output, by the state machine's definitions."""
    machine = Path(__file__).resolve().parents[3] / "statemachine/retrain.asl.yaml"
    states = yaml.safe_load(machine.read_text(encoding="utf-8"))["States"]
    job = states["Describe training job"]["Assign"]["training_request"]
    return {
        each["Name"]: [float(value) for value in re.findall(each["Regex"], output)]
        for each in job["AlgorithmSpecification"]["MetricDefinitions"]
    }


def weights(job: Any) -> dict[str, Any]:
    return load_weights(job.base / "model/best_accuracy.pdparams")


@pytest.mark.parametrize("recipe", ["head", "partial", "full", "small"])
def test_the_job_learns_the_new_lines(
    make_job: MakeJob, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(
        recipe=recipe, epochs=4, learning_rate=0.005, dataset_ids='["numbers"]', batch_size=16
    )

    assert main(StopRequest()) == 0

    described = manifest(job)
    metrics = described["metrics"]
    assert metrics["dev_exact_match"] > metrics["dev_exact_match_before"]
    assert (described["run_id"], described["dataset_ids"]) == ("run-1", ["numbers"])
    assert metrics["recipe"] == recipe
    assert metrics["new_lines"] == 96
    Recognizer.load(job.base / "model")
    used = yaml.safe_load((job.base / "model/recipe.yml").read_text())
    assert (used["name"], used["epochs"], used["batch_size"]) == (recipe, 4, 16)
    found = metrics_in(capsys.readouterr().out)
    assert len(found["dev_exact_match"]) == 5
    assert found["dev_exact_match"][0] == metrics["dev_exact_match_before"]
    steps = len(found["loss"])
    assert steps >= 4
    assert len(found["learning_rate"]) == len(found["images_per_second"]) == steps
    assert found["learning_rate"][-1] == 0.0
    assert set(found["epoch"]) == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_the_progress_lines_keep_their_form(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    make_job(recipe="head", epochs=1, batch_size=16, generic_lines=0)

    assert main(StopRequest()) == 0

    output = capsys.readouterr().out
    step = r"^epoch=1/1 step=6/6 loss=\d+\.\d{4} learning_rate=\S+ images_per_second=\d+\.\d$"
    assert re.search(step, output, re.MULTILINE)
    assert re.search(r"^epoch=0/1 dev_exact_match=\d\.\d{4} dev_lines=24$", output, re.MULTILINE)


def test_the_manifest_tells_the_course_of_the_training(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(recipe="head", epochs=3, learning_rate=0.005, batch_size=16, generic_lines=0)

    assert main(StopRequest()) == 0

    described = manifest(job)
    history = described["history"]
    assert [each["epoch"] for each in history] == [0, 1, 2, 3]
    before, *trained = history
    assert (before["loss"], before["learning_rate"], before["seconds"]) == (None, None, None)
    assert before["dev_exact_match"] == described["metrics"]["dev_exact_match_before"]
    told = re.findall(r"epoch=\d/3 step=6/6 loss=([0-9.]+)", capsys.readouterr().out)
    assert [float(each) for each in told] == pytest.approx(
        [each["loss"] for each in trained], abs=1e-4
    )
    assert all(each["images_per_second"] > 0 and each["seconds"] > 0 for each in trained)
    assert all(each["guard_exact_match"] is None for each in history)


def test_a_restart_keeps_the_course_of_the_epochs_before(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=3, batch_size=16, generic_lines=0)
    assert main(StopAfter(9)) == 0

    assert main(StopRequest()) == 0

    history = manifest(job)["history"]
    assert [each["epoch"] for each in history] == [0, 1, 2, 3]
    assert all(each["loss"] is not None for each in history[1:])


@pytest.mark.parametrize("recipe", ["head", "full"])
@pytest.mark.parametrize("kill_at", [11, 14, 24])
def test_a_restarted_training_ends_as_if_nothing_had_happened(
    make_job: MakeJob, kill_at: int, recipe: str
) -> None:
    options = {"recipe": recipe, "epochs": 3, "batch_size": 16, "generic_lines": 16}
    whole = make_job("whole", **options)
    assert main(StopRequest()) == 0
    interrupted = make_job("interrupted", **options)
    assert main(StopAfter(kill_at)) == 0
    assert not (interrupted.base / "model/manifest.json").exists()
    assert list((interrupted.base / "checkpoints").glob("epoch-*"))

    assert main(StopRequest()) == 0

    expected, found = weights(whole), weights(interrupted)
    assert manifest(whole)["metrics"]["blend"] == manifest(interrupted)["metrics"]["blend"]
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, err_msg=name)


def test_a_kill_while_pictures_are_encoded_loses_nothing_but_that(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=1, batch_size=16, generic_lines=0)
    assert main(StopAfter(1)) == 0
    assert not (job.base / "checkpoints").exists()
    assert not (job.base / "output/failure").exists()

    assert main(StopRequest()) == 0
    assert (job.base / "model/manifest.json").is_file()


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"recipe": "head", "epochs": 3, "batch_size": 16, "generic_lines": 16}
    whole = make_job("whole", **options)
    assert main(StopRequest()) == 0
    interrupted = make_job("interrupted", **options)
    rename, renamed = Path.rename, 0

    def die_at_the_second(self: Path, target: Path) -> Path:
        nonlocal renamed
        if self.name.startswith(".epoch-"):
            renamed += 1
            if renamed == 2:
                raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            main(StopRequest())

    assert main(StopRequest()) == 0

    for name, value in weights(whole).items():
        np.testing.assert_allclose(weights(interrupted)[name], value, atol=1e-4, err_msg=name)


def test_without_any_gain_training_stops_early(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(recipe="head", epochs=40, learning_rate=1e-7, patience=2, generic_lines=0)

    assert main(StopRequest()) == 0

    output = capsys.readouterr().out
    assert "No gain in 2 epochs; training stops here." in output
    assert "epoch=4/40" not in output
    assert (job.base / "model/manifest.json").is_file()


def test_running_out_of_memory_halves_the_batch_once_and_changes_nothing_else(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"recipe": "full", "epochs": 2, "batch_size": 16, "generic_lines": 0}
    roomy = make_job("roomy", **options)
    assert main(StopRequest()) == 0
    tight = make_job("tight", **options)
    features = TrainedPart.features

    def limited(self: TrainedPart, batch: Any, *rest: Any) -> Any:
        if len(batch) > 8 and paddle.is_grad_enabled():
            raise MemoryError("ResourceExhaustedError: out of memory")
        return features(self, batch, *rest)

    monkeypatch.setattr(TrainedPart, "features", limited)

    assert main(StopRequest()) == 0

    assert capsys.readouterr().out.count("Out of memory: from here on 8 lines at a time") == 1
    for name, value in weights(roomy).items():
        np.testing.assert_allclose(weights(tight)[name], value, atol=1e-4, err_msg=name)


def test_memory_that_does_not_suffice_for_half_a_batch_fails_the_job(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(recipe="head", epochs=1, batch_size=16, generic_lines=0)

    def exhausted(*arguments: object) -> Any:
        raise MemoryError

    monkeypatch.setattr("finetuning.trainer.ctc_loss", exhausted)

    assert main(StopRequest()) == 1
    assert job.failure.endswith("use a smaller batch_size or a larger instance.")


def test_a_network_trained_from_scratch_shares_no_weights_with_the_champion(
    make_job: MakeJob, tiny_dir: Path
) -> None:
    job = make_job(recipe="scratch", epochs=25, generic_lines=0, batch_size=16)

    assert main(StopRequest()) == 0

    metrics = manifest(job)["metrics"]
    assert metrics["dev_exact_match_before"] == 0.0
    assert metrics["dev_exact_match"] > 0.5
    champion = load_weights(tiny_dir / "best_accuracy.pdparams")
    assert np.abs(weights(job)["head.fc.weight"] - champion["head.fc.weight"]).mean() > 0.01


def lettered(lines: dict[str, str]) -> dict[str, str]:
    """Write the digit 7 as a character that the champion lacks; the picture stays."""
    return {key: text.replace("7", "Ж") for key, text in lines.items()}


def test_the_dictionary_grows_by_the_listed_characters_and_they_are_read(
    make_job: MakeJob, draw_lines: Callable[..., dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(
        recipe="small",
        epochs=10,
        learning_rate=0.005,
        practice_lines=0,
        generic_lines=0,
        blend="false",
    )
    job.label("train", lettered(draw_lines(job.images, "incoming/train", 160, seed=1)))
    dev = lettered(draw_lines(job.images, "incoming/dev", 24, seed=2))
    job.label("dev", dev)
    job.list_new_characters("ЖЩ")

    assert main(StopRequest()) == 0

    characters = (job.base / "model/dict.txt").read_text(encoding="utf-8").split("\n")
    assert characters == [*"0123456789.-:/ ", "Ж", ""]
    metrics = manifest(job)["metrics"]
    assert metrics["new_characters"] == 1
    assert metrics["new_character_least_lines"] > 40
    assert metrics["set_aside"] == 0
    assert "new_characters=1 Ж least_lines=" in capsys.readouterr().out
    pictures = [cv2.imread(str(job.images / key)) for key in dev]
    readings = [reading.text for reading in Recognizer.load(job.base / "model").read(pictures)]
    found = sum(r.count("Ж") for r, t in zip(readings, dev.values(), strict=True) if "Ж" in t)
    assert found >= 0.8 * sum(truth.count("Ж") for truth in dev.values())


def test_without_any_time_the_grown_champion_is_the_model(
    make_job: MakeJob, draw_lines: Callable[..., dict[str, str]]
) -> None:
    job = make_job(recipe="small", generic_lines=0, practice_lines=0, max_minutes=1e-9)
    job.label("train", lettered(draw_lines(job.images, "incoming/train", 96, seed=1)))
    job.list_new_characters("Ж")

    assert main(StopRequest()) == 0

    assert manifest(job)["dictionary_size"] == 16


def test_a_grown_model_is_the_start_of_the_next_round(
    make_job: MakeJob, draw_lines: Callable[..., dict[str, str]]
) -> None:
    first = make_job("first", recipe="small", epochs=1, generic_lines=0)
    first.label("train", lettered(draw_lines(first.images, "incoming/train", 96, seed=1)))
    first.list_new_characters("Ж")
    assert main(StopRequest()) == 0
    archive = first.base / "model.tar.gz"
    pack(first.base / "model", archive)

    second = make_job("second", recipe="small", epochs=1, generic_lines=0)
    second.give(archive)
    second.label("train", lettered(draw_lines(second.images, "incoming/train", 96, seed=5)))
    assert main(StopRequest()) == 0

    metrics = manifest(second)["metrics"]
    assert (metrics["new_characters"], metrics["set_aside"]) == (0, 0)
    assert manifest(second)["dictionary_size"] == 16


def test_a_character_is_removed_only_when_asked_by_name(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(recipe="small", epochs=1, generic_lines=0, remove_characters='["/", ":", "x"]')

    assert main(StopRequest()) == 0

    assert (job.base / "model/dict.txt").read_text() == "".join(f"{c}\n" for c in "0123456789.- ")
    assert manifest(job)["metrics"]["removed_characters"] == 2
    assert "removed_characters=2 /:\n" in capsys.readouterr().out


def test_sigterm_saves_a_checkpoint_and_exits_cleanly(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=500, batch_size=16, generic_lines=0)
    code = (
        "import sys; from finetuning.interruption import StopRequest; stop = StopRequest();"
        "stop.listen(); from finetuning.train import main; sys.exit(main(stop))"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={
            "PYTHONPATH": ":".join(
                str(Path(part.__path__[0]).parent) for part in (finetuning, recognition)
            ),
            "SAGEMAKER_BASE_DIR": str(job.base),
        },
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "step=" in line:
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 0

    assert "continues from the last checkpoint" in rest
    assert list((job.base / "checkpoints").glob("epoch-*/state.json"))
    assert not (job.base / "output/failure").exists()


def test_unusable_lines_are_set_aside_and_counted(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=1, generic_lines=0)
    labels = job.base / "input/data/labels/train.txt"
    extra = {
        "incoming/train/images/broken.png": "12",
        "incoming/train/images/absent.png": "12",
        "../../outside.png": "12",
        "incoming/train/images/0000.png": "abc",
        "incoming/train/images/0001.png": "1" * 60,
    }
    (job.images / "incoming/train/images/broken.png").write_bytes(b"no image")
    labels.write_text(
        labels.read_text() + "".join(f"{key}\t{text}\n" for key, text in extra.items())
    )

    assert main(StopRequest()) == 0

    metrics = manifest(job)["metrics"]
    assert metrics["set_aside"] == 5
    assert metrics["set_aside_unreadable_image"] == 1
    assert metrics["set_aside_missing_image"] == 2
    assert metrics["set_aside_unknown_character"] == 1
    assert metrics["set_aside_text_longer_than_image"] == 1
    assert metrics["new_lines"] == 96


def test_replayed_and_rendered_lines_join_in_the_asked_proportion(
    make_job: MakeJob, draw_lines: Callable[..., dict[str, str]]
) -> None:
    job = make_job(recipe="head", epochs=1, replay_ratio=0.5)
    job.label("replay", draw_lines(job.images, "incoming/earlier", 40, seed=3))

    assert main(StopRequest()) == 0

    metrics = manifest(job)["metrics"]
    assert metrics["replay_lines"] == 32
    assert metrics["generic_lines"] == 64
    assert metrics["guard_lines"] > 8


def test_without_a_dev_file_some_training_lines_are_held_back(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=1, generic_lines=0)
    (job.base / "input/data/labels/dev.txt").unlink()

    assert main(StopRequest()) == 0

    metrics = manifest(job)["metrics"]
    assert metrics["dev_lines"] == 10
    assert metrics["new_lines"] == 86


def test_the_time_budget_ends_training_with_a_model(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=1000, generic_lines=0, max_minutes=0.02)

    assert main(StopRequest()) == 0

    assert (job.base / "model/manifest.json").is_file()


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda job: job.configure(run_id="r", epochz=3), "Unknown hyperparameter 'epochz'"),
        (lambda job: job.label("train", {"incoming/none.png": "1"}), "None of the 1 lines"),
        (
            lambda job: (job.base / "input/data/champion/model.tar.gz").write_bytes(b""),
            "model.tar.gz cannot be unpacked",
        ),
    ],
)
def test_a_failure_is_told_in_one_sentence(
    make_job: MakeJob, break_it: Callable[[Any], Any], reason: str
) -> None:
    job = make_job(recipe="head", epochs=1)
    break_it(job)

    assert main(StopRequest()) == 1

    assert reason in job.failure
    assert "\n" not in job.failure
    assert not (job.base / "model/manifest.json").exists()


def test_a_crash_reaches_the_failure_file_with_its_own_error_last(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(recipe="head", epochs=1)

    def crash(*arguments: object) -> None:
        raise RuntimeError("the pen ran dry\nin the middle")

    monkeypatch.setattr("finetuning.material.Gatherer.gather", crash)

    assert main(StopRequest()) == 1

    assert job.failure.splitlines()[-1] == "RuntimeError: the pen ran dry in the middle"
    assert "in crash" in job.failure
    assert len(job.failure) <= 1024


def test_paddleocr_can_read_the_configuration(make_job: MakeJob) -> None:
    job = make_job(recipe="head", epochs=1, generic_lines=0)

    assert main(StopRequest()) == 0

    config = yaml.safe_load((job.base / "model/config.yml").read_text())
    assert config["Global"]["character_dict_path"] == "./dict.txt"
    assert config["PostProcess"]["name"] == "CTCLabelDecode"
    assert Path(job.base / "model/dict.txt").is_file()
