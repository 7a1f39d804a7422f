"""The whole way with nothing made up but the chip: a board's firmware in QEMU, the daemon, a broker, a publisher's signatures."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import paho.mqtt.publish as publish
import pytest
from attached import Heard, one, write_config
from emulated import EMCRAFT
from qemu import Qemu
from stock import NO_PERSON, PERSON, Stock, vector
from support import Subscriber, running, subscribed
from updating import Publisher, Watcher

from edged.ota.package import pack
from edged.ota.target import Kind
from edged.ota.upload import Blob
from edged.testing.broker import Mosquitto

LABELS = 'labels = ["no person", "person"]'


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Stock:
    return Stock.of(EMCRAFT, tmp_path_factory.mktemp("stock"), test_data)


def look(port: int, pixels: bytes) -> None:
    """Have the board infer on a picture."""
    command = {"command": "run", "input": base64.b64encode(pixels).decode()}
    publish.single("edged/v1/home/pi/mcu/porch/command", json.dumps(command), qos=1, port=port)


def push(publisher: Publisher, kind: Kind, image: bytes, sequence: int) -> int:
    blob = Blob(pack({"image.bin": image}))
    publisher.repository.add(blob.data, kind=kind, id="porch", sequence=sequence)
    publisher.publish(blob)
    return sequence


def test_pictures_become_events_and_updates_are_confirmed_by_the_board(stock: Stock, tmp_path: Path) -> None:
    flash = stock.flash(tmp_path / "flash", stock.firmware("1.0.0"), stock.people("1.0.0"))
    (tmp_path / "broker").mkdir()
    with (
        Mosquitto(tmp_path / "broker") as broker,
        subscribed(broker.port) as subscriber,
        Qemu(EMCRAFT.qemu, stock.loader, flash=flash) as board,
    ):
        publisher, heard = Publisher(tmp_path, broker.port), Heard(subscriber)
        table = one(board.port, 'commands = true\nfollow_firmware = "porch"\nfollow_model = "porch"\nboard = "emcraft-sf2"')
        table = table.replace('labels = ["nobody", "person"]', LABELS)
        config = write_config(tmp_path, broker.port, table, f'[ota]\nhealth_window_s = 5\nroot = "{publisher.root}"')
        with running(config) as daemon:
            board.power_on()
            heard.wait_for(state="online", board="emcraft-sf2", self_test="passed", model_name="person_detect")
            look(broker.port, stock.person)
            look(broker.port, stock.no_person)
            heard.wait_for_labels("person", "no person")
            seen(subscriber)

            models = Watcher(subscriber, "mcu-model")
            models.wait_for("confirmed", sequence=push(publisher, "mcu-model", stock.people("2.0.0"), 1))
            heard.wait_for(model_version="2.0.0", model_state="confirmed")
            wrong = vector(stock.person, NO_PERSON), vector(stock.no_person, PERSON)
            bad = stock.model("3.0.0", stock.detector, wrong, "person_detect")
            models.wait_for("rejected", "golden_differs", push(publisher, "mcu-model", bad, 2))
            heard.wait_for(model_version="2.0.0", model_state="confirmed", self_test="passed")
            firmware = push(publisher, "mcu-firmware", stock.firmware("1.1.0"), 3)
            Watcher(subscriber, "mcu-firmware").wait_for("confirmed", sequence=firmware)
            state = heard.wait_for(firmware_version="1.1.0", firmware_state="confirmed")
            look(broker.port, stock.person)
            heard.wait_for_labels("person", "no person", "person")
            assert (state["counters"]["damaged"], state["counters"]["missed"]) == (0, 0)
            assert daemon.stop() == 0


def seen(subscriber: Subscriber) -> None:
    """The numbers are those of every other runtime."""
    first, second = subscriber.events("inference")
    assert first["outputs"] == [round((stored + 128) / 256, 6) for stored in (-113, 113)]
    assert second["outputs"] == [round((stored + 128) / 256, 6) for stored in (57, -57)]
    assert first["model_version"] == "1.0.0"
