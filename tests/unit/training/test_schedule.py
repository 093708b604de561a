"""The learning rate: an optional rise, then half a cosine."""

import pytest

from finetuning.schedule import learning_rate_schedule


def rates(peak: float, steps: int, warmup: float) -> list[float]:
    schedule = learning_rate_schedule(peak, steps, warmup)
    found = []
    for _ in range(steps):
        found.append(schedule.get_lr())
        schedule.step()
    return found


def test_without_warm_up_it_starts_at_the_peak_and_falls_to_nearly_nothing() -> None:
    found = rates(0.1, 50, 0.0)

    assert found[0] == 0.1
    assert found == sorted(found, reverse=True)
    assert found[25] == pytest.approx(0.05)
    assert found[-1] < 0.001


def test_a_warm_up_rises_evenly_to_the_peak() -> None:
    found = rates(0.1, 40, 0.25)

    assert found[:10] == pytest.approx([0.01 * step for step in range(1, 11)])
    assert max(found) == pytest.approx(0.1)
    assert found[10:] == sorted(found[10:], reverse=True)


def test_the_state_continues_where_it_stood() -> None:
    first = learning_rate_schedule(0.1, 20, 0.1)
    for _ in range(7):
        first.step()
    second = learning_rate_schedule(0.1, 20, 0.1)

    second.set_state_dict({key: float(value) for key, value in first.state_dict().items()})
    second.step()
    first.step()

    assert second.get_lr() == first.get_lr()
