"""``edged ota push``, ``prune``, ``serve`` and ``status`` on a real broker, and a device at the other end."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker import DEADLINE_S
from updates import TOPICS, Open, carrier_on

from edged.cli.main import main
from edged.cli.passphrases import VARIABLE
from edged.core.backoff import Backoff
from edged.core.clock import ClockReading
from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.updates import encode_updates
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.download import download
from edged.ota.exchange import decode_answer, encode_question
from edged.ota.package import unpack
from edged.ota.status import UpdateStatus
from edged.ota.trust import keeper
from edged.ota.trust.records import Floor, Verified, Verify
from edged.testing.broker import Mosquitto
from edged.testing.mcu_image import Key, make_image

Run = Callable[..., tuple[int, str, str]]

KEY = Key()
SITE = {"image.bin": make_image(bytes(70_000), KEY, board="host")}


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as mosquitto:
        yield mosquitto


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto) -> Run:
    """Runs the command, against the broker where it needs one; gives the exit status, what it printed and what it said."""
    monkeypatch.setenv(VARIABLE, "correct horse")

    def run(action: str, *words: object) -> tuple[int, str, str]:
        broker = ["--host", mosquitto.host, "--port", mosquitto.port] if action in {"push", "prune", "serve", "status"} else []
        status = main(["ota", action, *map(str, [*words, *broker])])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def home(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path / "updates", "--fleet", "home")[0] == 0
    return tmp_path / "updates"


def sign(run: Run, home: Path, files: dict[str, bytes], version: str = "1") -> None:
    bundle = home.with_name(f"site-{version}")
    bundle.mkdir()
    for name, data in files.items():
        (bundle / name).write_bytes(data)
    assert run("sign", home, bundle, "--kind", "mcu-firmware", "--id", "site", "--version", version)[0] == 0


async def verified(carrier: MqttCarrier, home: Path, directory: Path) -> Verified:
    bundle = await carrier.fetch(TOPICS.metadata("stable"), MAX_BUNDLE_BYTES)
    assert bundle is not None
    request = Verify(
        fleet="home",
        channel="stable",
        root=(home / "channels" / "stable.root.json").read_bytes(),
        bundle=bundle,
        floor=Floor(),
        directory=str(directory),
        clock_unix_s=int(time.time()),
        synchronised=True,
    )
    return await keeper.verify(request)


def test_what_is_pushed_arrives(run: Run, home: Path, mosquitto: Mosquitto, tmp_path: Path) -> None:
    sign(run, home, SITE)
    status, text, _ = run("push", home, "--json")
    (blob,) = json.loads(text)["blobs"]
    assert (status, blob["path"], blob["sent"], blob["skipped"]) == (0, "mcu-firmware/site", 3, 0)
    assert json.loads(text)["channels"] == {"stable": 2}
    assert json.loads(run("push", home, "--json")[1])["blobs"][0]["skipped"] == 3, "what is there is not sent again"

    async def device() -> None:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            (signed,) = (await verified(carrier, home, tmp_path / "tuf")).targets
            pauses = Backoff(0.01, 0.1, lambda: 0.5)
            path = await download(carrier, TOPICS, signed, tmp_path, progress=lambda *_: None, gate=Open(), pauses=pauses)
            unpack(path, tmp_path / "into")

    asyncio.run(device())
    assert {path.name: path.read_bytes() for path in (tmp_path / "into").iterdir()} == SITE


def test_what_nothing_names_is_cleared(run: Run, home: Path, mosquitto: Mosquitto) -> None:
    sign(run, home, SITE)
    run("push", home)
    sign(run, home, {"image.bin": make_image(b"firmware", KEY, board="host")}, "2")
    run("push", home)
    assert run("prune", home)[1].strip() == "1 bundles cleared, 1 kept"
    assert run("prune", home)[1].strip() == "0 bundles cleared, 1 kept"
    assert json.loads(run("push", home, "--json")[1])["blobs"][0] | {"sha256": ""} == {
        "path": "mcu-firmware/site",
        "sha256": "",
        "sent": 0,
        "skipped": 1,
    }


def test_what_was_revoked_is_not_pushed(run: Run, home: Path) -> None:
    sign(run, home, SITE)
    run("revoke", home, "mcu-firmware/site", "1")
    assert json.loads(run("push", home, "--json")[1]) == {"blobs": [], "channels": {"stable": 3}}


def test_devices_are_listed_whatever_they_say(run: Run, home: Path, mosquitto: Mosquitto) -> None:
    assert "no device" in run("status", home)[1]
    now = ClockReading(time.monotonic_ns(), time.time_ns(), "synchronised")
    facts = UpdateStatus(
        kind="model",
        id="gate",
        sequence=3,
        version="7\x1b[2J",
        sha256="0" * 64,
        state="downloading",
        code="ok",
        detail="",
        chunks=5,
        chunks_total=9,
        at_ns=now.monotonic_ns,
    )

    async def devices() -> None:
        async with asyncio.timeout(DEADLINE_S), carrier_on(mosquitto.port) as carrier:
            for name, payload in (("pi-1", encode_updates([facts], now)), ("pi-2", b"\xff"), ("pi-3", b"[" * 9999)):
                await carrier.publish(f"edged/v1/home/{name}/ota/status", payload, retain=True)

    asyncio.run(devices())
    table = run("status", home)[1]
    assert "downloading 5/9" in table
    assert table.count("cannot be read") == 2
    assert "\x1b[2J" not in table
    first, *others = json.loads(run("status", home, "--json")[1])
    assert (first["device"], first["target_id"], first["state"]) == ("pi-1", "gate", "downloading")
    assert others == [{"device": "pi-2", "unreadable": True}, {"device": "pi-3", "unreadable": True}]


def test_what_has_expired_is_not_pushed(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    from edged.cli import ota_list

    monkeypatch.setattr(ota_list, "expiry", lambda channel: datetime.now(UTC) - timedelta(days=1))
    status, _, said = run("push", home)
    assert (status, "edged ota refresh" in said) == (1, True)


def test_a_broker_that_is_not_there_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edged.mqtt import carrier
    from edged.mqtt.timing import Timing

    monkeypatch.setattr(
        carrier.MqttCarrier.__init__,
        "__kwdefaults__",
        {**carrier.MqttCarrier.__init__.__kwdefaults__, "timing": Timing(connect_s=0.2)},
    )
    assert main(["ota", "push", str(home), "--host", "127.0.0.1", "--port", "1"]) == 1
    assert "no connection to 127.0.0.1:1" in capsys.readouterr().err


def test_serves_devices_where_nothing_is_kept(run: Run, home: Path, tmp_path: Path) -> None:
    sign(run, home, SITE)
    (blob,) = (home / "blobs").iterdir()
    sha256 = hashlib.sha256(blob.read_bytes()).hexdigest()

    async def device(port: int) -> None:
        async with asyncio.timeout(DEADLINE_S), carrier_on(port) as carrier:
            assert await ask(carrier, TOPICS.ask("stable"), b"") == (home / "channels" / "stable.msgpack").read_bytes()
            for hostile in (b"\x81\xa1\xff\x01", b"\xc1", b"\x91" * 9999):
                async with carrier.request(TOPICS.get(sha256), hostile):
                    pass
            answer = decode_answer(await ask(carrier, TOPICS.get(sha256), encode_question([1])))
            assert answer == (1, blob.read_bytes()[32768:65536])

    async def ask(carrier: MqttCarrier, topic: str, question: bytes) -> bytes:
        while True:
            async with carrier.request(topic, question) as answers:
                try:
                    async with asyncio.timeout(1):
                        return await anext(answers)
                except (TimeoutError, StopAsyncIteration):
                    continue  # it does not serve yet

    with Mosquitto(tmp_path, options="retain_available false") as mosquitto:
        serve = [sys.executable, "-m", "edged", "ota", "serve", home, "--host", mosquitto.host, "--port", str(mosquitto.port)]
        command = ["env", "--default-signal=INT", *serve]  # a shell that starts tests in the background has it ignored
        with subprocess.Popen(command, stderr=subprocess.PIPE) as serving:
            try:
                asyncio.run(device(mosquitto.port))
            finally:
                serving.send_signal(signal.SIGINT)
            assert serving.wait(DEADLINE_S) == 130
