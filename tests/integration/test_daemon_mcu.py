"""Results of a microcontroller reach the broker, whatever is pulled out meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attached import NOBODY, PERSON, Heard, attached, one, write_config
from support import running, stored_ids, subscribed, wait_until

from edged.mcu.report import Bye, encode
from edged.testing.broker import Mosquitto
from edged.testing.candidates import sound, write_candidate


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", persistence=True) as mosquitto:  # which forgets no subscriber
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


def test_nothing_is_lost_while_the_broker_is_away(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port))) as daemon:
            heard.wait_for(state="online")
            board.infers(PERSON)
            heard.wait_for_labels("person")
            broker.stop()
            daemon.wait_for("is lost")
            board.infers(NOBODY, NOBODY, PERSON)
            wait_until(lambda: stored(tmp_path) >= 4, "they are not stored")
            daemon.kill()
        broker.start()
        with running(write_config(tmp_path, broker.port, one(port))):
            heard.wait_for_labels("person", "nobody", "nobody", "person")


def stored(directory: Path) -> int:
    return len(stored_ids(directory / "state"))


def test_pulled_out_and_plugged_in_again(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port, plugged_in=False) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port))):
            heard.wait_for(state="lost", reason=f"there is no port {port}")
            heard.wait_for_problem("mcu_lost")
            board.do(board.mcu.plug_in)
            heard.wait_for(state="online")
            heard.wait_for_problem("mcu_lost", there=False)
            board.infers(PERSON)
            heard.wait_for_labels("person")
            board.do(board.mcu.vanish)
            heard.wait_for(state="lost", losses=2)
            board.do(board.mcu.plug_in)
            heard.wait_for(state="online", restarts=0)
            board.infers(NOBODY)
            heard.wait_for_labels("person", "nobody")
            kinds = [event["kind"] for event in subscriber.events("mcu_")]
            assert kinds == ["mcu_lost", "mcu_back", "mcu_lost", "mcu_back"]


def test_what_the_line_damages_or_swallows_is_counted_and_not_made_up(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port))):
            heard.wait_for(state="online", damaged=0)
            damaged = bytearray(encode(Bye(1), 7))
            damaged[-3] ^= 1
            board.do(lambda: board.mcu.say(bytes(damaged) * 12))
            heard.wait_for_problem("mcu_noisy")
            board.do(lambda: setattr(board.mcu.faults, "hanging", True))
            board.infers(*[PERSON] * 5)
            board.do(lambda: setattr(board.mcu.faults, "hanging", False))
            board.infers(NOBODY)
            heard.wait_for_labels("nobody")
            board.do(board.mcu.reset)
            state = heard.wait_for(restarts=1)
            assert state["counters"]["damaged"] == 12
            assert state["counters"]["missed"] >= 5
            assert state["counters"]["results"] == 1


def test_a_board_that_starts_again_and_again_or_stays_in_its_loader(tmp_path: Path, broker: Mosquitto) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        with running(write_config(tmp_path, broker.port, one(port))):
            for restarts in range(1, 4):
                heard.wait_for(state="online", restarts=restarts - 1)
                board.do(board.mcu.reset)
                heard.wait_for(restarts=restarts)
            heard.wait_for_problem("mcu_restarting")
            board.do(lambda: setattr(board.board, "self_test", "failed"))
            heard.wait_for_problem("mcu_self_test_failed")


def test_a_reload_opens_what_changed_and_leaves_the_others(tmp_path: Path, broker: Mosquitto) -> None:
    one_port, other_port = tmp_path / "one", tmp_path / "other"
    with subscribed(broker.port) as subscriber, attached(one_port) as first, attached(other_port) as second:
        heard = Heard(subscriber)
        both = one(one_port) + one(other_port, name="yard")
        config = write_config(tmp_path, broker.port, both)
        with running(config) as daemon:
            heard.wait_for(state="online")
            wait_until(lambda: heard.state("yard").get("state") == "online", "the other is not there")
            write_config(tmp_path, broker.port, one(one_port) + one(other_port, 'board = "mps2-an385"', "yard"))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("mcus.yard changed")
            wait_until(lambda: "expected mps2-an385" in heard.state("yard").get("reason", ""), "another board is used")
            assert heard.state("yard")["state"] == "lost"
            second.infers(PERSON)
            first.infers(PERSON)
            heard.wait_for_labels("person")
            assert heard.state()["counters"]["losses"] == 0
            write_config(tmp_path, broker.port, one(one_port))
            daemon.signal(signal.SIGHUP)
            subscriber.wait_until(lambda: dict(subscriber.messages)["edged/v1/home/pi/mcu/yard"] == b"", "its state stays")


def test_a_camera_may_come_later(tmp_path: Path, broker: Mosquitto) -> None:
    port, bundle = tmp_path / "port", write_candidate(tmp_path / "model", sound())
    camera = f'[models.colours]\nbundle = "{bundle}"\n[cameras.door]\nmodel = "colours"\nsynthetic = {{}}\n'
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard = Heard(subscriber)
        config = write_config(tmp_path, broker.port, one(port))
        with running(config) as daemon:
            daemon.wait_for("ready")
            heard.wait_for(state="online")
            assert daemon.vision_pid is None, "nobody needs it"
            write_config(tmp_path, broker.port, one(port) + camera)
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("camera door: ")
            wait_until(lambda: daemon.vision_pid is not None, "nothing looks at the camera")
            write_config(tmp_path, broker.port, one(port))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("the last camera can be taken away")
            board.infers(PERSON)
            heard.wait_for_labels("person")
            assert daemon.stop() == 0


def test_a_daemon_without_microcontrollers_does_not_load_their_protocol() -> None:
    code = (
        "import sys, edged.daemon.app; print(sorted({'smpclient', 'serial', 'cbor2', 'numpy', 'cryptography'} & set(sys.modules)),"
        " sorted(name for name in sys.modules if name.startswith('edged.mcu.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['edged.mcu.duties', 'edged.mcu.settings']"
