"""What a microcontroller is told over MQTT is done and answered, or refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import paho.mqtt.publish as publish
import pytest
from attached import PERSON, Heard, attached, one, write_config
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support import Subscriber, running, subscribed

from edged.testing.broker import Mosquitto

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
            assert caller.call({"command": "confirm"})["code"] == "ok"
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
            refused = [caller.call({"command": "format"}), caller.call({"command": "reset", "force": True})]
            refused += [
                caller.call({"command": "run", "values": [1], "input": ""}),
                caller.call({"command": "run", "values": [0] * 9}),
            ]
            assert [answer["code"] for answer in refused] == ["malformed"] * 4
            assert "force" in refused[1]["detail"]
            flood = [caller.send({"command": "info"}) for _ in range(20)]
            codes = [caller.answer_to(id)["code"] for id in flood]
            assert codes.count("too_many") >= 10
            heard.wait_for(restarts=0)


def test_without_commands_nobody_listens(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    config = write_config(tmp_path, broker.port, one(port) + one(tmp_path / "none", "commands = true", "yard"))
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(config):
            heard.wait_for(state="online")
            caller.send({"command": "reset"})
            yard = caller.send({"command": "info"}, topic=COMMAND.replace("porch", "yard"))
            subscriber.wait_until(
                lambda: caller.answers(yard, ANSWER.replace("porch", "yard")) != [], "nobody answers for the yard"
            )
            board.infers(PERSON)
            heard.wait_for_labels("person")
            assert board.board.resets == 0
            assert heard.state()["counters"]["commands"] == 0


def test_an_answer_goes_where_the_request_says_but_not_where_devices_speak(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port):
        heard, caller = Heard(subscriber), Caller(subscriber, broker.port)
        with running(write_config(tmp_path, broker.port, one(port, "commands = true"))):
            heard.wait_for(state="online")
            answers: list[mqtt.MQTTMessage] = []
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
            client.on_message = lambda _client, _data, message: answers.append(message)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            client.subscribe("clients/me", qos=1)
            for reply_to in ("clients/me", "edged/v1/home/pi/availability"):
                properties = Properties(PacketTypes.PUBLISH)
                properties.ResponseTopic, properties.CorrelationData = reply_to, b"mark"
                client.publish(COMMAND, b'{"command": "info", "id": "x"}', qos=1, properties=properties).wait_for_publish()
            assert caller.answer_to("x")["code"] == "ok", "the second, which may not go where it wants"
            client.loop_stop()
            (answer,) = answers
            assert (answer.properties.CorrelationData, json.loads(answer.payload)["code"]) == (b"mark", "ok")
