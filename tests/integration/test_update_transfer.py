"""Blobs over a real broker: exact, resumed, interrupted, poisoned. ``scripts/faults transfer`` interrupts at full size."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from authority import Authority
from broker import DEADLINE_S, FAST, Gate, StandIn, running, settings_for, until
from faults.fetcher import __file__ as fetcher
from updates import GRACE_S, TOPICS, Open, carrier_on, fetch_blob, make_blob, signed_for

from edged.core.backoff import Backoff
from edged.core.errors import BrokerUnreachable, UpdateFailed, UpdateRefused
from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.client import ANNOUNCED_PACKET_BYTES, MAX_PACKET_BYTES
from edged.mqtt.settings import TlsSettings
from edged.ota.announcement import announced
from edged.ota.download import download
from edged.ota.serve import serve
from edged.ota.target import CHUNK_BYTES, MAX_CHUNKS
from edged.ota.transfer import FRUITLESS_ROUNDS, MAX_DAMAGED, WINDOW
from edged.ota.upload import Blob, Pushed, announce, prune, push, statuses
from edged.testing.broker import BrokerTls, Mosquitto

VERSIONS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
SMALL = make_blob(20 * CHUNK_BYTES + 77)
EACH_PLUS = 1.02
"""Of a chunk's bytes, what comes from the broker for it."""


def quiet(*_: int) -> None:
    pass


@VERSIONS
async def test_six_megabytes_arrive_as_they_were_pushed(tmp_path: Path, protocol: str) -> None:
    blob, seen = make_blob(6_000_000), []
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol=protocol) as carrier:
            assert await push(carrier, TOPICS, blob, quiet) == Pushed(sent=184, skipped=0)
            path = await fetch_blob(carrier, signed_for(blob), tmp_path, lambda held, count: seen.append((held, count)))
    assert path.read_bytes() == blob.data
    assert seen[0] == (0, 184) and seen[-1] == (184, 184) and seen == sorted(seen)


async def test_chunks_come_over_tls_as_well(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    certificate, key = ours.issue("broker", "127.0.0.1")
    with Mosquitto(tmp_path, tls=BrokerTls(ours.certificate, certificate, key)) as mosquitto:
        tls = TlsSettings(ca_file=ours.certificate)
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, tls=tls) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


async def test_the_largest_blob_there_is_arrives(tmp_path: Path) -> None:
    blob = Blob(bytes(range(256)) * (MAX_CHUNKS * CHUNK_BYTES // 256))
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(4 * DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await push(carrier, TOPICS, blob, quiet)
            path = await fetch_blob(carrier, signed_for(blob), tmp_path)
    assert path.read_bytes() == blob.data


async def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    enough = asyncio.Event()
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), Gate(mosquitto.port) as gate:
            async with carrier_on(mosquitto.port, "publisher") as publisher:
                await push(publisher, TOPICS, SMALL, quiet)
            held = 0

            def progress(now: int, _: int) -> None:
                nonlocal held
                held = now
                if now >= 8:
                    enough.set()

            async with carrier_on(gate.port) as carrier, running(download_beside(carrier, tmp_path, progress)):
                await enough.wait()
            await gate.deserted()
            before = gate.down_bytes
            async with carrier_on(gate.port) as carrier:
                path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
                again = gate.down_bytes
                assert await fetch_blob(carrier, signed_for(SMALL), tmp_path) == path
    assert path.read_bytes() == SMALL.data
    assert again - before <= (21 - held) * CHUNK_BYTES * EACH_PLUS
    assert gate.down_bytes - again < CHUNK_BYTES, "all of it was there"


async def download_beside(carrier: MqttCarrier, parts: Path, progress: Callable[[int, int], None]) -> None:
    await fetch_blob(carrier, signed_for(SMALL), parts, progress)


def test_interrupted_again_and_again_it_costs_a_window_each_time() -> None:
    command = [sys.executable, "-m", "faults", "transfer", "--count", "10", "--bytes", "2000000", "--json"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["problems"] == [] and result["interruptions"] == {"kill": 8, "restart": 2}
    assert result["again_total"] > 0 and result["again_max"] <= WINDOW + 1


def test_what_a_power_cut_may_take_is_no_more_than_a_window(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace here")
    trace = tmp_path / "trace"
    with Mosquitto(tmp_path) as mosquitto:
        asyncio.run(push_to(mosquitto.port, SMALL))
        part = tmp_path / "parts" / f"{SMALL.sha256}.part"
        part.parent.mkdir()
        watching = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(trace), "-e", "trace=pwrite64,fdatasync"]
        worker = [sys.executable, fetcher, str(mosquitto.port), str(part.parent), msgspec.json.encode(signed_for(SMALL)).decode()]
        environment = {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"}
        done = subprocess.run([*watching, *worker], capture_output=True, text=True, env=environment, check=True)
    unsynced, most, total = 0, 0, 0
    for line in trace.read_text().splitlines():
        unsynced = 0 if "fdatasync(" in line else unsynced + ("pwrite64(" in line)
        total += "pwrite64(" in line
        most = max(most, unsynced)
    assert total == 21 and 0 < most <= WINDOW and unsynced == 0
    assert [int(line) for line in done.stdout.split()][-1] == 21


async def push_to(port: int, blob: Blob) -> None:
    async with carrier_on(port, "publisher") as publisher:
        await push(publisher, TOPICS, blob, quiet)


async def test_a_poisoned_chunk_is_never_taken_and_fetched_when_it_is_mended(tmp_path: Path) -> None:
    poison = bytes(CHUNK_BYTES)
    with Mosquitto(tmp_path) as mosquitto:
        async with (
            asyncio.timeout(DEADLINE_S),
            Gate(mosquitto.port) as gate,
            carrier_on(mosquitto.port, "publisher") as publisher,
            carrier_on(gate.port, protocol="3.1.1") as carrier,
        ):
            await push(publisher, TOPICS, SMALL, quiet)
            await publisher.publish(TOPICS.chunk(SMALL.sha256, 3), poison, retain=True)
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(SMALL), tmp_path)
            assert failure.value.code == "chunk_damaged"
            assert gate.down_bytes < (21 + FRUITLESS_ROUNDS + 2) * CHUNK_BYTES * EACH_PLUS, "asked again a few times, not for ever"
            assert {path.stat().st_size for path in tmp_path.glob("*.part")} == {len(SMALL.data)}
            assert await push(publisher, TOPICS, SMALL, quiet) == Pushed(sent=1, skipped=20)
            before = gate.down_bytes
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
            assert gate.down_bytes - before < 2 * CHUNK_BYTES
    assert path.read_bytes() == SMALL.data


async def test_everything_poisoned_ends_after_so_many_chunks(tmp_path: Path) -> None:
    blob = make_blob(100 * CHUNK_BYTES, seed=2)
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), Gate(mosquitto.port) as gate, carrier_on(gate.port) as carrier:
            await push(carrier, TOPICS, blob, quiet)
            for number in range(100):
                await carrier.publish(TOPICS.chunk(blob.sha256, number), bytes(CHUNK_BYTES), retain=True)
            before = gate.down_bytes
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(blob), tmp_path)
    assert failure.value.code == "chunk_damaged"
    assert gate.down_bytes - before <= (MAX_DAMAGED + WINDOW) * CHUNK_BYTES * EACH_PLUS


async def test_a_poisoned_index_is_refused_and_taken_when_it_is_mended(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol="3.1.1") as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            for poison in (SMALL.index[:-32], SMALL.index + bytes(32), bytes(len(SMALL.index))):
                await carrier.publish(TOPICS.index(SMALL.sha256), poison, retain=True)
                with pytest.raises(UpdateFailed) as failure:
                    await fetch_blob(carrier, signed_for(SMALL), tmp_path)
                assert failure.value.code == "chunk_damaged"
            await push(carrier, TOPICS, SMALL, quiet)
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


@pytest.mark.parametrize(
    ("protocol", "size_bytes", "code"),
    [
        ("5", CHUNK_BYTES + 1, "chunk_damaged"),
        ("5", ANNOUNCED_PACKET_BYTES, "chunk_missing"),  # the broker keeps it from us
        ("3.1.1", MAX_PACKET_BYTES // 2, "chunk_damaged"),
    ],
)
async def test_a_chunk_that_is_too_large_is_refused(tmp_path: Path, protocol: str, size_bytes: int, code: str) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol=protocol) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            await carrier.publish(TOPICS.chunk(SMALL.sha256, 5), bytes(size_bytes), retain=True)
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert failure.value.code == code


async def test_a_chunk_that_ends_the_connection_keeps_no_other_away(tmp_path: Path) -> None:
    seen = []
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port, protocol="3.1.1") as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            await carrier.publish(TOPICS.chunk(SMALL.sha256, 5), bytes(MAX_PACKET_BYTES), retain=True)
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(SMALL), tmp_path, lambda held, _: seen.append(held))
            assert failure.value.code == "chunk_damaged" and seen[-1] == 20
            await carrier.publish(TOPICS.chunk(SMALL.sha256, 5), SMALL.chunks[5], retain=True)
            assert (await fetch_blob(carrier, signed_for(SMALL), tmp_path)).read_bytes() == SMALL.data


async def test_without_a_broker_it_ends_after_a_time_and_goes_on_from_there(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            await carrier.publish(TOPICS.chunk(SMALL.sha256, 20), b"", retain=True)
            with pytest.raises(UpdateFailed, match="1 of 21"):
                await fetch_blob(carrier, signed_for(SMALL), tmp_path)
            mosquitto.kill()
            await until(lambda: not carrier.connected)
            seen: list[int] = []
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(SMALL), tmp_path, lambda held, _: seen.append(held), patience_s=0.5)
    assert failure.value.code == "offline" and seen == [20]


async def test_a_packet_without_an_end_is_given_up_and_the_connection_with_it() -> None:
    timing = replace(FAST, acknowledge_s=0.5)
    async with asyncio.timeout(DEADLINE_S), StandIn() as broker:
        carrier = MqttCarrier(settings_for(broker.port), "pi", "reply", timing=timing, grace_s=GRACE_S)
        async with running(carrier.run()):
            fetching = asyncio.ensure_future(carrier.fetch("a", 100))
            await broker.wait(lambda: bool(broker.subscribed))
            writer = broker.connections[0].writer
            writer.write(b"\x90\x04" + broker.subscribed[0].to_bytes(2) + b"\0\1" + b"\x30\xff\xff\x03\0\x01a\0")
            with pytest.raises(BrokerUnreachable, match="has not answered"):
                while not fetching.done():
                    writer.write(b"x")
                    await asyncio.sleep(0.01)
                await fetching


async def test_a_broker_that_forgot_everything_is_filled_again_while_devices_wait(tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    broker.mkdir()
    with Mosquitto(broker) as mosquitto:
        async with (
            asyncio.timeout(DEADLINE_S),
            carrier_on(mosquitto.port) as carrier,
            carrier_on(mosquitto.port, "publisher") as publisher,
        ):
            await push(publisher, TOPICS, SMALL, quiet)
            mosquitto.stop()
            mosquitto.start()
            with pytest.raises(UpdateFailed) as failure:
                await fetch_blob(carrier, signed_for(SMALL), tmp_path)
            assert failure.value.code == "chunk_missing"
            assert await push(publisher, TOPICS, SMALL, quiet) == Pushed(sent=21, skipped=0)
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


async def test_a_blob_that_is_not_what_its_index_was_signed_for_is_refused_for_good(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            wrong = "00" * 32
            for number, chunk in enumerate(SMALL.chunks):
                await carrier.publish(TOPICS.chunk(wrong, number), chunk, retain=True)
            await carrier.publish(TOPICS.index(wrong), SMALL.index, retain=True)
            with pytest.raises(UpdateRefused) as refusal:
                await fetch_blob(carrier, signed_for(SMALL, sha256=wrong), tmp_path)
    assert refusal.value.code == "malformed"
    assert list(tmp_path.glob("*.part")) == []


async def test_nothing_is_asked_for_while_inference_is_late(tmp_path: Path) -> None:
    class Shut(Open):
        def __init__(self) -> None:
            self.opened, self.asked = asyncio.Event(), asyncio.Event()

        async def wait(self) -> None:
            self.asked.set()
            await self.opened.wait()

    gate, late = Shut(), Backoff(0.01, 0.1, random.random)
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), Gate(mosquitto.port) as port, carrier_on(port.port) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            before = port.down_bytes
            waiting = download(carrier, TOPICS, signed_for(SMALL), tmp_path, progress=quiet, gate=gate, pauses=late)
            task = asyncio.ensure_future(waiting)
            await gate.asked.wait()
            await carrier.fetch("heard by now", 1)
            assert port.down_bytes - before < CHUNK_BYTES
            gate.opened.set()
            assert (await task).read_bytes() == SMALL.data


async def test_where_nothing_is_retained_the_publisher_is_asked(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, options="retain_available false") as mosquitto:
        async with (
            asyncio.timeout(DEADLINE_S),
            carrier_on(mosquitto.port, "publisher") as publisher,
            running(serve(publisher, TOPICS, {SMALL.sha256: SMALL}.get, {"stable": b"bundle"}.get)),
        ):
            assert [message async for message in publisher.collect("subscribed by now", room=1)] == []
            async with carrier_on(mosquitto.port) as carrier:
                async with announced(carrier, TOPICS, "stable") as bundles:
                    assert await anext(bundles) == b"bundle"
                path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


async def test_chunks_that_a_broker_lost_are_had_from_a_publisher_that_serves(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with (
            asyncio.timeout(DEADLINE_S),
            carrier_on(mosquitto.port, "publisher") as publisher,
            running(serve(publisher, TOPICS, {SMALL.sha256: SMALL}.get, {}.get)),
            carrier_on(mosquitto.port) as carrier,
        ):
            await push(publisher, TOPICS, SMALL, quiet)
            assert [message async for message in publisher.collect("subscribed by now", room=1)] == []
            await publisher.publish(TOPICS.chunk(SMALL.sha256, 3), b"", retain=True)
            await publisher.publish(TOPICS.chunk(SMALL.sha256, 9), b"poison", retain=True)
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


async def test_what_is_announced_is_heard_at_once_and_anew(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await announce(carrier, TOPICS, "stable", b"one")
            async with announced(carrier, TOPICS, "stable") as bundles:
                assert await anext(bundles) == b"one"
                await announce(carrier, TOPICS, "stable", b"two")
                assert await anext(bundles) == b"two"


async def test_pruning_clears_what_nobody_names_and_nothing_else(tmp_path: Path) -> None:
    old, half = make_blob(10 * CHUNK_BYTES, seed=3), make_blob(10 * CHUNK_BYTES, seed=4)
    told = []
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await push(carrier, TOPICS, SMALL, quiet)
            await push(carrier, TOPICS, old, quiet)
            await carrier.publish(TOPICS.index(half.sha256), half.index, retain=True)  # a push that was interrupted
            await carrier.publish(TOPICS.chunk(half.sha256, 0), half.chunks[0], retain=True)
            await announce(carrier, TOPICS, "stable", b"bundle")
            assert await prune(carrier, TOPICS, {SMALL.sha256}, lambda *one: told.append(one)) == 2
            assert await prune(carrier, TOPICS, {SMALL.sha256}, lambda *one: told.append(one)) == 0
            left = [message.topic async for message in carrier.collect("edged/v1/home/#", room=1000)]
    chunks = [TOPICS.chunk(SMALL.sha256, number) for number in range(21)]
    assert sorted(left) == sorted([*chunks, TOPICS.index(SMALL.sha256), TOPICS.metadata("stable")])
    assert sorted(told) == sorted([(old.sha256, 10), (half.sha256, 10)])


async def test_the_status_of_every_device_is_collected(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await carrier.publish("edged/v1/home/pi/ota/status", b"one", retain=True)
            await carrier.publish("edged/v1/home/zero/ota/status", b"two", retain=True)
            assert await statuses(carrier, TOPICS) == {"pi": b"one", "zero": b"two"}


async def test_a_push_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    enough = asyncio.Event()

    def progress(done: int, _: int) -> None:
        if done == 5:
            enough.set()

    with Mosquitto(tmp_path) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            pushing = asyncio.ensure_future(push(carrier, TOPICS, SMALL, progress))
            await enough.wait()
            pushing.cancel()
            await asyncio.wait([pushing])
            pushed = await push(carrier, TOPICS, SMALL, quiet)
            assert pushed.sent + pushed.skipped == 21 and pushed.skipped >= 5
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert path.read_bytes() == SMALL.data


async def test_a_push_outlives_a_restart_of_the_broker(tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    broker.mkdir()
    with Mosquitto(broker, persistence=True) as mosquitto:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            await until(lambda: carrier.connected)
            restarted = False

            def progress(done: int, _: int) -> None:
                nonlocal restarted
                if done >= 3 and not restarted:
                    restarted = True
                    mosquitto.stop()
                    mosquitto.start()

            assert await push(carrier, TOPICS, SMALL, progress) == Pushed(sent=21, skipped=0)
            path = await fetch_blob(carrier, signed_for(SMALL), tmp_path)
    assert restarted and path.read_bytes() == SMALL.data
