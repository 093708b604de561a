"""Waiting, sharing, failing and giving up: several requests at once."""

from __future__ import annotations

import asyncio
import logging

from serving.settings import Settings

PNG = {"content-type": "image/png"}


async def _entered(service):
    await asyncio.to_thread(service.recognizer.entered.wait, 30)


def _send(client, content):
    return asyncio.create_task(client.post("/invocations", content=content, headers=PNG))


def test_requests_beyond_the_limit_get_429_and_retry_after(service, stripes, encoded):
    service.settings = Settings.from_environment({"MAX_CONCURRENT_REQUESTS": "2"})
    service.recognizer.gate.clear()

    async def scenario(client):
        content = encoded(stripes("AB"))
        waiting = [_send(client, content), _send(client, content)]
        await _entered(service)
        refused = await client.post("/invocations", content=content, headers=PNG)
        service.recognizer.gate.set()
        answered = await asyncio.gather(*waiting)
        later = await client.post("/invocations", content=content, headers=PNG)

        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert "Too many requests" in refused.json()["error"]
        assert [answer.status_code for answer in (*answered, later)] == [200, 200, 200]

    service.run(scenario)


def test_requests_that_wait_share_a_batch(service, stripes, encoded):
    service.recognizer.gate.clear()

    async def scenario(client):
        first = _send(client, encoded(stripes("A")))
        await _entered(service)
        others = [_send(client, encoded(stripes(text))) for text in ("B", "C", "AB", "BA")]
        await service.recognizer.wait_until_queued(5)
        service.recognizer.gate.set()
        answers = await asyncio.gather(first, *others)
        read = [answer.json()["predictions"][0]["text"] for answer in answers]
        assert read == ["A", "B", "C", "AB", "BA"]

    service.run(scenario)
    assert service.recognizer.batches == [1, 4]


def test_a_poisoned_line_fails_alone(service, stripes, encoded, caplog):
    caplog.set_level(logging.CRITICAL)
    service.recognizer.gate.clear()

    async def scenario(client):
        first = _send(client, encoded(stripes("A")))
        await _entered(service)
        poisoned = _send(client, encoded(stripes("DA")))
        good = [_send(client, encoded(stripes(text))) for text in ("BA", "CA")]
        await service.recognizer.wait_until_queued(4)
        service.recognizer.gate.set()
        answers = await asyncio.gather(first, *good)
        failed = await poisoned

        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert failed.status_code == 500
        assert failed.json() == {
            "error": "The server failed on this request; its log has the reason."
        }

    service.run(scenario)


def test_a_request_that_takes_too_long_is_given_up_and_frees_its_place(service, stripes, encoded):
    service.settings = Settings.from_environment(
        {"MAX_CONCURRENT_REQUESTS": "1", "REQUEST_SECONDS": "0.1"}
    )
    service.recognizer.gate.clear()

    async def scenario(client):
        content = encoded(stripes("A"))
        late = await client.post("/invocations", content=content, headers=PNG)
        service.recognizer.gate.set()

        assert late.status_code == 503
        assert late.headers["retry-after"] == "1"
        assert "too long" in late.json()["error"]
        again = await client.post("/invocations", content=b"", headers=PNG)
        assert again.status_code == 400

    service.run(scenario)


def test_ping_answers_while_every_place_is_taken(service, stripes, encoded):
    service.settings = Settings.from_environment({"MAX_CONCURRENT_REQUESTS": "1"})
    service.recognizer.gate.clear()

    async def scenario(client):
        waiting = _send(client, encoded(stripes("A")))
        await _entered(service)
        ping = await client.get("/ping")
        service.recognizer.gate.set()
        await waiting
        assert ping.status_code == 200

    service.run(scenario)


def test_nothing_is_served_before_the_model_is_loaded(service, stripes, encoded):
    service.load_gate.clear()

    async def scenario(client):
        content = encoded(stripes("A"))
        early_ping = await client.get("/ping")
        early = await client.post("/invocations", content=content, headers=PNG)
        service.load_gate.set()
        while (await client.get("/ping")).status_code != 200:
            await asyncio.sleep(0.005)
        late = await client.post("/invocations", content=content, headers=PNG)

        assert early_ping.status_code == 503
        assert early.status_code == 503
        assert early.headers["retry-after"] == "1"
        assert late.status_code == 200

    service.run(scenario)


def test_a_model_that_cannot_be_loaded_ends_the_server(service, caplog):
    service.load_error = ValueError("The model artefact lacks manifest.json.")

    async def scenario(client):
        while not service.load_failures:
            await asyncio.sleep(0.005)
        assert (await client.get("/ping")).status_code == 503

    service.run(scenario)
    assert "The model artefact lacks manifest.json." in caplog.text


def test_bodies_beyond_what_all_may_take_together_get_429(service, stripes, encoded):
    service.settings = Settings.from_environment(
        {"MAX_BODY_MEGABYTES": "1", "MAX_WAITING_MEGABYTES": "1"}
    )
    service.recognizer.gate.clear()

    async def scenario(client):
        image = encoded(stripes("A"))
        padded = image + bytes(700_000)
        waiting = _send(client, padded)
        await _entered(service)
        refused = await client.post("/invocations", content=padded, headers=PNG)
        small = _send(client, image)
        await service.recognizer.wait_until_queued(2)
        service.recognizer.gate.set()
        answered = [await waiting, await small, await _send(client, padded)]

        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert [answer.status_code for answer in answered] == [200, 200, 200]

    service.run(scenario)


def test_a_body_that_stalls_is_given_up_with_408_and_frees_its_place(service, stripes, encoded):
    service.settings = Settings.from_environment(
        {"MAX_CONCURRENT_REQUESTS": "1", "BODY_SECONDS": "0.1"}
    )

    async def stalled():
        yield b"half an image"
        await asyncio.sleep(30)

    async def scenario(client):
        late = await client.post("/invocations", content=stalled(), headers=PNG)
        again = await _send(client, encoded(stripes("A")))

        assert late.status_code == 408
        assert "did not arrive" in late.json()["error"]
        assert again.status_code == 200

    service.run(scenario)


def test_a_thread_that_hangs_is_seen_in_ping_and_ends_the_server(service, stripes, encoded, caplog):
    service.settings = Settings.from_environment({"HANG_SECONDS": "0.2"})
    service.recognizer.gate.clear()

    async def scenario(client):
        waiting = _send(client, encoded(stripes("A")))
        await _entered(service)
        healthy = await client.get("/ping")
        async with asyncio.timeout(30):
            while not service.hangs:
                await asyncio.sleep(0.05)
        hung = await client.get("/ping")
        service.recognizer.gate.set()
        await waiting

        assert healthy.status_code == 200
        assert hung.status_code == 503
        assert "hangs" in hung.json()["error"]

    service.run(scenario)
    assert "at one image" in caplog.text
