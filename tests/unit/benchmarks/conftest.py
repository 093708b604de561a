from collections.abc import Callable

import pytest

from benchmarks.training.runs import Point, Run, Scores


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """A run of some contender, whose models read so much of the domain at these times."""

    def make(contender: str, read: dict[float, float], seed: int = 1, **changed: object) -> Run:
        points = tuple(
            Point(seconds=at, scores=Scores(new=new, general=0.9, chinese=0.8))
            for at, new in read.items()
        )
        values = {
            "contender": contender,
            "base": "pp-ocrv4-mobile",
            "domain": "cyrillic",
            "size": 200,
            "seed": seed,
            "seconds": max(read, default=40.0),
            "limit": None if contender == "ours" else 400.0,
            "peak_bytes": 10**9,
            "images_per_second": 50.0 if contender == "ours" else 2.0,
            "generic_lines": 86,
            "before": Scores(new=0.1, general=0.9, chinese=0.8),
            "points": points,
        }
        return Run.model_validate(values | changed)

    return make
