import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.results import ResultsError, ResultsFile
from benchmarks.training.runs import Run


def test_a_finished_run_is_found_by_the_next_benchmark(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    run = make_run("ours", {40.0: 0.9})
    ResultsFile(path, Run).add("ours cyrillic", run)

    again = ResultsFile(path, Run)

    assert again.find("ours cyrillic") == run
    assert again.find("ours handwriting") is None
    assert again.all() == [run]


def test_an_interrupted_write_leaves_the_earlier_results(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    results = ResultsFile(path, Run)
    results.add("first", make_run("ours", {40.0: 0.9}))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        results.add("second", make_run("ours", {50.0: 0.9}))

    assert len(ResultsFile(path, Run).all()) == 1


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": 0, "results": {}}', '{"format": 1, "results": {"a": {}}}']
)
def test_a_file_that_holds_something_else_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)

    with pytest.raises(ResultsError, match="give another --results"):
        ResultsFile(path, Run)


def test_results_are_plain_json(make_run: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "results.json"

    ResultsFile(path, Run).add("ours", make_run("ours", {40.0: 0.9}))

    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["results"]["ours"]["points"][0]["scores"]["new"] == 0.9
