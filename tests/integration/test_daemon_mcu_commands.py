"""What a microcontroller is told over MQTT is done and answered, or refused with a reason."""

from __future__ import annotations

import base64
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import paho.mqtt.publish as publish
import pytest
from attached import KEY, PERSON, Attached, Heard, attached, one, write_config
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support import PATIENCE_S, Subscriber, running, subscribed

from edged.daemon.mcu_commands import BURST, RATE_HZ, REFUSALS
from edged.testing.broker import Mosquitto
from edged.testing.mcu_image import make_image

COMMAND = "edged/v1/home/pi/mcu/porch/command"
ANSWER = "edged/v1/home/pi/mcu/porch/answer"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as mosquitto:
        yield mosquitto


class Caller:
    """Sends commands, and looks for their answers."""

    def __init__(self, subscriber: Subscriber, port: int) -> None:
        self._subscriber = subscriber
        self._port = port
        self._calls = 0

    def call(self, payload: dict[str, Any] | bytes, *, retain: bool = False) -> dict[str, Any]:
        """The answer to a command."""
        return self.answer_to(self.send(payload, retain=retain))

    def send_at_once(self, payload: dict[str, Any], count: int) -> list[str]:
        """Their ids; each is on its way before the one before it is acknowledged."""
        ids = [f"flood {number}" for number in range(count)]
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        for sent in [client.publish(COMMAND, json.dumps({"id": id, **payload}), qos=1) for id in ids]:
            sent.wait_for_publish()
        client.disconnect()
        client.loop_stop()
        return ids

    def send(self, payload: dict[str, Any] | bytes, *, retain: bool = False, topic: str = COMMAND) -> str:
        """Its id."""
        self._calls += 1
        id = f"call {self._calls}"
        data = payload if isinstance(payload, bytes) else json.dumps({"id": id, **payload}).encode()
        publish.single(topic, data, qos=1, retain=retain, port=self._port)
        return "" if isinstance(payload, bytes) else id

    def answers(self, id: str, topic: str = ANSWER) -> list[dict[str, Any]]:
        said = [json.loads(payload) for at, payload in list(self._subscriber.messages) if at == topic]
        return [answer for answer in said if answer["id"] == id]

    def answer_to(self, id: str, count: int = 1) -> dict[str, Any]:
        self._subscriber.wait_until(lambda: len(self.answers(id)) >= count, f"no answer to {id}")
        return self.answers(id)[count - 1]


def test_commands(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port, period_ms=1000) as board:
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true\nsample_ms = 250"))):
            heard.wait_for(state="online", sample_ms=250)
            assert board.board.period_ms == 250
            info = caller.call({"command": "info"})
            assert (info["code"], info["result"]["board"], info["result"]["model"]["name"]) == ("ok", "host", "person")

            ran = caller.call({"command": "run", "input": base64.b64encode(b"\x7f" * 4).decode()})
            assert (ran["result"]["label"], base64.b64decode(ran["result"]["outputs"][0]["data"])) == ("nobody", b"\x7f\x81")
            heard.wait_for_labels("nobody")
            assert subscriber.events("inference")[0]["source"] == "injected"
            caller.call({"command": "run", "values": [-128]})

            assert caller.call({"command": "sample", "period_ms": 500})["result"] == {"period_ms": 500}
            heard.wait_for(sample_ms=500, commands=4, commands_refused=0)
            assert board.board.period_ms == 500
            board.do(board.mcu.vanish)
            heard.wait_for(state="lost")
            assert caller.call({"command": "info"})["code"] == "away"


def test_commands_that_change_what_runs(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port):
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true"))) as daemon:
            heard.wait_for(state="online")
            assert caller.call({"command": "selftest"})["result"] == {"vectors": 2, "failed": None}
            assert caller.call({"command": "revert", "image": "firmware"})["code"] == "refused"
            confirmed = caller.call({"command": "confirm"})
            assert (confirmed["code"], "nothing is on trial" in confirmed["detail"]) == ("refused", True)
            assert caller.call({"command": "reset", "to_loader": True})["code"] == "ok"
            heard.wait_for(state="loader", restarts=1)
            heard.wait_for_problem("mcu_in_loader")
            assert caller.call({"command": "reset"})["code"] == "ok"
            heard.wait_for(state="online", restarts=2, losses=0)
            assert "mcu_restarting" not in heard.problems()
            assert daemon.stop() == 0


def test_what_is_no_command_is_refused_with_a_reason(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port):
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        caller.send({"command": "reset"}, retain=True)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true"))):
            assert caller.answer_to("call 1")["code"] == "retained"
            publish.single(COMMAND, b"", qos=1, retain=True, port=broker.port)
            heard.wait_for(state="online", commands_refused=1)
            assert caller.call({"command": "reset"}, retain=True)["code"] == "retained", "also one that comes just now"
            publish.single(COMMAND, b"", qos=1, retain=True, port=broker.port)
            refused = [caller.call({"command": "format"}), caller.call({"command": "reset", "force": True})]
            refused += [
                caller.call({"command": "run", "values": [1], "input": ""}),
                caller.call({"command": "run", "values": [0] * 9}),
            ]
            assert [answer["code"] for answer in refused] == ["malformed"] * 4
            assert "force" in refused[1]["detail"]
            codes = [caller.answer_to(id)["code"] for id in caller.send_at_once({"command": "info"}, 12)]
            assert codes.count("too_many") >= 5
            heard.wait_for(restarts=0)


def test_without_commands_nobody_listens(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    config = write_config(tmp_path, broker.port, one(port) + one(tmp_path / "none", "commands = true", "yard"))
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(config):
            heard.wait_for(state="online")
            subscriber.wait_until(lambda: heard.state("yard") != {}, "the yard is not there")
            caller.send({"command": "reset"})
            yard = caller.send({"command": "info"}, topic=COMMAND.replace("porch", "yard"))
            subscriber.wait_until(
                lambda: caller.answers(yard, ANSWER.replace("porch", "yard")) != [], "nobody answers for the yard"
            )
            board.infers(PERSON)
            heard.wait_for_labels("person")
            assert board.board.resets == 0
            assert heard.state()["counters"]["commands"] == 0


def test_an_answer_goes_where_the_request_says_below_its_own_topic(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    elsewhere = ("clients/me", "edged/v1/home/pi/availability", "edged/v1", f"{ANSWER}x/y", ANSWER + "/a" * 195)
    with subscribed(broker.port) as subscriber, attached(port):
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true"))):
            heard.wait_for(state="online")
            answers: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
            client.on_message = lambda _client, _data, message: answers.put(message)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            client.subscribe([("clients/me", 1), (f"{ANSWER}/me", 1)])
            for number, reply_to in enumerate((f"{ANSWER}/me", *elsewhere)):
                properties = Properties(PacketTypes.PUBLISH)
                properties.ResponseTopic, properties.CorrelationData = reply_to, b"mark"
                command = json.dumps({"command": "info", "id": str(number)})
                client.publish(COMMAND, command, qos=1, properties=properties).wait_for_publish()
            for number in range(len(elsewhere)):
                assert caller.answer_to(str(number + 1))["id"], "one that may not go where it wants"
            answer = answers.get(timeout=PATIENCE_S)
            client.disconnect()
            client.loop_stop()
            assert answers.empty()
            assert (answer.properties.CorrelationData, json.loads(answer.payload)["code"]) == (b"mark", "ok")
            said = [payload for topic, payload in subscriber.messages if topic.endswith("/availability")]
            assert said == [b"online"], "no answer ended the connection of the device"


def with_another(board: Attached) -> None:
    """Firmware 2.0.0 runs and is kept, 1.0.0 ran before."""
    slots, data = board.board.firmware, make_image(b"firmware 2", KEY, board="host", version=(2, 0, 0))
    slots.write(0, data, len(data), None)
    image = slots.image(1)
    assert image is not None
    slots.request(image.hash)
    slots.reset()
    slots.confirm()


@pytest.mark.parametrize("cut", ["connection", "reload"])
def test_a_command_under_way_is_brought_to_its_end(tmp_path: Path, cut: str) -> None:
    port, commands = tmp_path / "port", "commands = true"
    (tmp_path / "broker").mkdir()
    with (
        Mosquitto(tmp_path / "broker", persistence=True) as broker,  # which forgets no subscriber
        subscribed(broker.port) as subscriber,
        attached(port) as board,
    ):
        board.do(lambda: with_another(board))
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        config = write_config(tmp_path, broker.port, one(port, commands))
        with running(config) as daemon:
            heard.wait_for(state="online", firmware_version="2.0.0")
            begun, go_on = threading.Event(), threading.Event()

            def infer(inputs: Sequence[bytes]) -> list[bytes]:
                begun.set()
                assert go_on.wait(PATIENCE_S)
                return [PERSON]

            board.board.infer = infer
            ids = [caller.send({"command": "run", "values": [1]}), caller.send({"command": "revert", "image": "firmware"})]
            assert begun.wait(PATIENCE_S)
            if cut == "connection":
                broker.stop()
                broker.start()
                daemon.wait_for("connected to the broker", 2)
            else:
                write_config(tmp_path, broker.port, one(port, commands) + one(tmp_path / "none", commands, "yard"))
                daemon.signal(signal.SIGHUP)
                daemon.wait_for("mcus.yard added")
            go_on.set()
            assert [caller.answer_to(id)["code"] for id in ids] == ["ok", "ok"]
            assert board.firmware() == "1.0.0 confirmed"
            assert daemon.stop() == 0


def test_a_flood_is_counted_and_leaves_events_alone(tmp_path: Path, broker: Mosquitto) -> None:
    port, count = tmp_path / "port", 900
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true"))) as daemon:
            heard.wait_for(state="online")
            payload = b'{"command": "run", "input": "' + b"A" * 20_000 + b'"}'
            began = time.monotonic()
            publish.multiple([(COMMAND, payload, 1, False)] * count, port=broker.port)
            board.infers(PERSON)
            heard.wait_for_labels("person")
            heard.wait_for(commands=count)
            answers = [topic for topic, _ in list(subscriber.messages) if topic == ANSWER]
            seconds = time.monotonic() - began
            assert len(answers) <= BURST + REFUSALS + 2 * RATE_HZ * seconds + 2, "most are not even answered"
            assert len([line for line in daemon.log if "command unread" in line]) < 10
            assert daemon.stop() == 0
