"""Results of a microcontroller reach the broker, whatever is pulled out meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from boards import NOBODY, PERSON, Heard, attached, one, write_config
from support import running, subscribed

from edged.testing.broker import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as mosquitto:
        yield mosquitto


def test_results_reach_the_broker(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port, "required = true"))) as daemon:
            daemon.wait_for("ready")
            state = heard.wait_for(state="online", board="host", model_name="person", self_test="passed")
            board.infers(PERSON, NOBODY, PERSON)
            heard.wait_for_labels("person", "nobody", "person")
            event = subscriber.events("inference")[0]
            assert event["score"] == round(255 / 256, 4)
            assert (event["mcu"], event["source"], event["model"]) == ("porch", "sensor", state["model"])
            assert event["model_version"] == state["model_version"]
            assert daemon.stop() == 0
