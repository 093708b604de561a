"""Which lines go through the recognizer together."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from recognition.dictionary import Reading
from serving.batching import Batcher
from serving.lanes import Lanes


class Recorder:
    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.entered = threading.Event()

    def read(self, lines):
        widths = [line.shape[1] for line in lines]
        self.batches.append(widths)
        self.entered.set()
        if not self.gate.wait(30):
            raise RuntimeError("the test did not open the gate")
        if 13 in widths:
            raise RuntimeError("unlucky")
        return [Reading(str(width), 1.0) for width in widths]


def lines(*widths):
    return [np.zeros((32, width, 3), np.uint8) for width in widths]


def run(scenario, max_batch=4, bucket=lambda line: line.shape[1] // 10, lanes=1):
    recorder = Recorder()

    async def session():
        threads = Lanes(lanes)
        batcher = Batcher(recorder.read, bucket, max_batch, threads)
        try:
            return await scenario(batcher, recorder)
        finally:
            recorder.gate.set()
            threads.pool.close()

    return asyncio.run(session()), recorder.batches


def texts(readings):
    return [reading.text for reading in readings]


def test_a_line_alone_is_read_at_once():
    async def scenario(batcher, recorder):
        recorder.gate.set()
        return await batcher.do(lines(5))

    readings, batches = run(scenario)
    assert texts(readings) == ["5"]
    assert batches == [[5]]


def test_no_lines_need_no_batch():
    async def scenario(batcher, recorder):
        return await batcher.do([])

    assert run(scenario) == ([], [])


def test_lines_of_one_width_share_batches_oldest_first_and_answers_keep_their_order():
    async def scenario(batcher, recorder):
        first = asyncio.create_task(batcher.do(lines(1)))
        await asyncio.to_thread(recorder.entered.wait, 30)
        second = asyncio.create_task(batcher.do(lines(25, 3, 26)))
        third = asyncio.create_task(batcher.do(lines(4, 27, 5, 28, 29)))
        await asyncio.sleep(0)
        recorder.gate.set()
        return await asyncio.gather(first, second, third)

    answers, batches = run(scenario)
    assert list(map(texts, answers)) == [["1"], ["25", "3", "26"], ["4", "27", "5", "28", "29"]]
    assert batches == [[1], [25, 26, 27, 28], [3, 4, 5], [29]]


def test_lines_are_shared_out_among_idle_lanes():
    async def scenario(batcher, recorder):
        recorder.gate.set()
        return await batcher.do(lines(1, 2, 3, 4, 5, 6))

    readings, batches = run(scenario, lanes=2)
    assert texts(readings) == ["1", "2", "3", "4", "5", "6"]
    assert sorted(batches) == [[1, 2, 3], [4, 5, 6]]


def test_two_batchers_take_turns_on_the_same_lanes():
    async def session():
        at_once, most, lanes = [], [], Lanes(2)

        def work(items):
            at_once.append(1)
            most.append(len(at_once))
            time.sleep(0.01)
            at_once.pop()
            return [Reading(str(item), 1.0) for item in items]

        batchers = [Batcher(work, lambda item: item, 1, lanes) for _ in range(2)]
        answers = await asyncio.gather(*(each.do(range(8)) for each in batchers))
        lanes.pool.close()
        return answers, most

    answers, most = asyncio.run(session())
    assert [texts(answer) for answer in answers] == [[str(i) for i in range(8)]] * 2
    assert max(most) == 2


def test_what_comes_while_a_worker_is_leaving_is_not_left_waiting():
    async def session():
        lanes = Lanes(1)
        batcher = Batcher(lambda items: list(items), lambda item: 0, 4, lanes)
        first = asyncio.create_task(batcher.do([1]))
        async with asyncio.timeout(10):
            # Between a task's last step and the callbacks that tell of its end.
            while not any(worker.done() for worker in batcher._workers):
                await asyncio.sleep(0)
            assert await batcher.do([2]) == [2]
        assert await first == [1]
        lanes.pool.close()

    asyncio.run(session())


def test_a_line_that_fails_does_not_fail_its_neighbours(caplog):
    async def scenario(batcher, recorder):
        recorder.gate.set()
        good, bad = batcher.do(lines(11, 12)), batcher.do(lines(13, 14))
        return await asyncio.gather(good, bad, return_exceptions=True)

    (good, bad), batches = run(scenario)
    assert texts(good) == ["11", "12"]
    assert isinstance(bad, RuntimeError)
    assert batches == [[11, 12, 13, 14], [11], [12], [13], [14]]
    assert "one by one" in caplog.text


def test_abandoned_lines_are_not_read():
    async def scenario(batcher, recorder):
        first = asyncio.create_task(batcher.do(lines(1)))
        await asyncio.to_thread(recorder.entered.wait, 30)
        abandoned = asyncio.create_task(batcher.do(lines(2, 3)))
        kept = asyncio.create_task(batcher.do(lines(4)))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        recorder.gate.set()
        return await asyncio.gather(first, kept)

    _, batches = run(scenario)
    assert batches == [[1], [4]]


def test_a_recognizer_that_loses_lines_is_an_error():
    async def scenario(batcher, recorder):
        recorder.gate.set()
        recorder_read, batcher._work = batcher._work, lambda batch: []
        with pytest.raises(RuntimeError, match="1 items went in and 0 results came out"):
            await batcher.do(lines(1))
        batcher._work = recorder_read
        return texts(await batcher.do(lines(2)))

    assert run(scenario)[0] == ["2"]
