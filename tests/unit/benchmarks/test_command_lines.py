from collections.abc import Callable, Sequence

import pytest

from benchmarks.ablation.__main__ import main as ablation
from benchmarks.rounds.__main__ import main as rounds
from benchmarks.training.__main__ import main as training

Main = Callable[[Sequence[str]], int]


@pytest.mark.parametrize("main", [training, rounds, ablation])
def test_every_benchmark_explains_itself(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "--domains" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--domains", "cuneiform"], ["--seeds", "0"], ["--base", "crnn"]]
)
def test_what_a_benchmark_does_not_know_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        training(arguments)

    assert ended.value.code == 2
