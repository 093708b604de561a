from collections.abc import Callable, Sequence

import pytest

from benchmarks.ablation.__main__ import main as ablation
from benchmarks.convolutions.__main__ import main as convolutions
from benchmarks.convolutions.__main__ import report
from benchmarks.rounds.__main__ import main as rounds
from benchmarks.training.__main__ import main as training

Main = Callable[[Sequence[str]], int]


@pytest.mark.parametrize("main", [training, rounds, ablation, convolutions])
def test_every_benchmark_explains_itself(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "--base" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--domains", "cuneiform"], ["--seeds", "0"], ["--base", "crnn"]]
)
def test_what_a_benchmark_does_not_know_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        training(arguments)

    assert ended.value.code == 2


def test_the_ratio_of_convolutions_is_of_their_medians() -> None:
    text = report({"paddle": [8.0, 4.0, 5.0], "compiled": [1.0, 3.0, 1.0]}, lines=16)

    assert "| compiled     | 1000        | 16.0    |" in text
    assert text.endswith("5.0 times as many lines.")
