import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.rivals.running import Speed, plan, saved_in, speed_of
from benchmarks.rivals.settings import BEST, RIVALS, Config, Inputs, Schedule

SCHEDULE = Schedule(epochs=40, share=0.5, save_every=5, seed=7)
LOG = """
ppocr INFO: epoch: [1/1], global_step: 1, lr: 0.1, acc: 0.0, loss: 9.0, avg_reader_cost: 0.1 s, \
avg_batch_cost: 9.00000 s, avg_samples: 16.0, ips: 1.8 samples/s, eta: 0:00:30
ppocr INFO: epoch: [1/1], global_step: 2, lr: 0.1, acc: 0.0, loss: 9.0, avg_reader_cost: 0.1 s, \
avg_batch_cost: 4.00000 s, avg_samples: 16.0, ips: 4.0 samples/s, eta: 0:00:30
"""


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    for name in ("new.txt", "general.txt"):
        (tmp_path / name).write_text("/images/1.jpg\ttext\n")
    return Inputs(
        grown=False,
        new=tmp_path / "new.txt",
        general=tmp_path / "general.txt",
        pretrained=tmp_path / "single",
        multihead=tmp_path / "multihead",
        dictionary=tmp_path / "dict.txt",
        output=tmp_path / "output",
    )


def transforms(config: Config) -> list[str]:
    return [next(iter(each)) for each in config["Train"]["dataset"]["transforms"]]


def test_the_official_settings_are_the_shipped_ones_with_the_documented_rate(
    inputs: Inputs,
) -> None:
    config = RIVALS["official"].configure(inputs, SCHEDULE)

    assert config["Architecture"]["Head"]["name"] == "MultiHead"
    assert config["Global"]["pretrained_model"] == str(inputs.multihead)
    assert transforms(config) == [
        "DecodeImage",
        "RecConAug",
        "RecAug",
        "MultiLabelEncode",
        "KeepKeys",
    ]
    assert config["Train"]["sampler"]["scales"] == [[320, 32], [320, 48], [320, 64]]
    # 5e-5 for 64 lines, and 5 of 200 epochs.
    lr = config["Optimizer"]["lr"]
    assert lr == {"name": "Cosine", "learning_rate": 1.25e-5, "warmup_epoch": 1}


@pytest.mark.parametrize("name", ["advised", "best"])
def test_the_others_train_the_ctc_head_alone(name: str, inputs: Inputs) -> None:
    config = RIVALS[name].configure(inputs, SCHEDULE)

    assert config["Architecture"]["Head"]["name"] == "CTCHead"
    assert config["Architecture"]["Neck"]["use_guide"] is False
    assert config["Global"]["pretrained_model"] == str(inputs.pretrained)


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_draws_new_and_general_lines_alike(name: str, inputs: Inputs) -> None:
    config = RIVALS[name].configure(inputs, SCHEDULE)

    dataset = config["Train"]["dataset"]
    assert dataset["label_file_list"] == [str(inputs.new), str(inputs.general)]
    assert dataset["ratio_list"] == [0.5, 0.5]
    assert config["Global"]["epoch_num"] == 40
    assert yaml.safe_load(yaml.safe_dump(config)) == config


def test_a_fresh_last_layer_learns_faster(inputs: Inputs) -> None:
    rates = [
        RIVALS["best"].configure(given, SCHEDULE)["Optimizer"]["lr"]["learning_rate"]
        for given in (inputs, dataclasses.replace(inputs, grown=True))
    ]

    assert rates == [BEST.learning_rate, BEST.grown_learning_rate]
    assert rates[0] < rates[1]


def test_without_general_lines_there_is_one_label_file(inputs: Inputs) -> None:
    inputs.general.write_text("")

    config: dict[str, Any] = RIVALS["best"].configure(inputs, SCHEDULE)

    assert config["Train"]["dataset"]["label_file_list"] == [str(inputs.new)]


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("lines", [57, 286, 1430])
def test_a_schedule_fills_the_budget_and_saves_several_times(name: str, lines: int) -> None:
    rival, speed = RIVALS[name], Speed(startup=20.0, images_per_second=4.0)

    schedule = plan(lines, rival, speed, budget=520.0, seed=1)

    drawn = round(lines * schedule.share)
    rounds = drawn / rival.round_of
    whole = -(-drawn // rival.round_of) if rival.fills_up else int(rounds)
    seconds = 20.0 + schedule.epochs * whole * rival.round_of / 4.0
    assert 0.75 * 520.0 < seconds <= 520.0
    assert 6 <= schedule.epochs // schedule.save_every <= 12


def test_even_a_tiny_budget_trains_one_epoch() -> None:
    schedule = plan(286, RIVALS["official"], Speed(20.0, 0.5), budget=10.0, seed=1)

    assert schedule.epochs == 1
    assert round(286 * schedule.share) == 33


def test_the_speed_leaves_out_the_first_step() -> None:
    assert speed_of(LOG, seconds=30.0) == Speed(startup=17.0, images_per_second=4.0)


def test_checkpoints_are_dated_by_their_last_file(tmp_path: Path) -> None:
    for epoch, time in ((10, 1300.0), (2, 1100.0)):
        for suffix in (".pdparams", ".states"):
            path = tmp_path / f"iter_epoch_{epoch}{suffix}"
            path.touch()
            os.utime(path, (time, time))
    (tmp_path / "iter_epoch_12.pdparams").touch()
    (tmp_path / "latest.pdparams").touch()

    saved = saved_in(tmp_path, began=1000.0)

    assert [(each.weights.name, each.seconds) for each in saved] == [
        ("iter_epoch_2.pdparams", 100.0),
        ("iter_epoch_10.pdparams", 300.0),
    ]
