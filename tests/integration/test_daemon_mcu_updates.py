"""Images of microcontrollers are updated over a real broker: good ones are confirmed on the board, others gone back from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attached import KEY, PERSON, Heard, attached, one, write_config
from support import PATIENCE_S, running, subscribed, wait_until
from updating import Publisher, Watcher

from edged.mcu.install import BACK_S
from edged.ota.package import pack
from edged.ota.target import Kind
from edged.ota.upload import Blob
from edged.testing.broker import Mosquitto
from edged.testing.mcu_image import Key, make_image

FOLLOW = 'follow_firmware = "fw"\nfollow_model = "person"'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", options="max_queued_messages 0") as mosquitto:
        yield mosquitto


class Images:
    """Signs images, as a loader wants it and as a channel does, and pushes them."""

    def __init__(self, directory: Path, port: int) -> None:
        self.publisher = Publisher(directory, port)
        self._sequence = 1  # the versions that a board begins with

    def push(self, kind: Kind = "mcu-model", *, key: Key = KEY, board: str = "host", data: bytes | None = None, **more: Any) -> int:
        """The next of its kind; its sequence, which is its version as well."""
        self._sequence += 1
        model = "person" if kind == "mcu-model" else None
        version = (self._sequence, 0, 0)
        image = data or make_image(bytes(20_000) + bytes([self._sequence]), key, board=board, version=version, model=model)
        self._blob, self._kind = Blob(pack({"image.bin": image})), kind
        self._publish(**more)
        return self._sequence

    def revoke(self) -> None:
        """What was pushed last, with nothing instead."""
        self._publish(revoked=(self._blob.sha256,))

    def _publish(self, **more: Any) -> None:
        id = "person" if self._kind == "mcu-model" else "fw"
        self.publisher.repository.add(self._blob.data, kind=self._kind, id=id, sequence=self._sequence, **more)
        self.publisher.publish(self._blob)


@pytest.fixture
def images(broker: Mosquitto, tmp_path: Path) -> Images:
    return Images(tmp_path, broker.port)


def config_for(directory: Path, broker: Mosquitto, images: Images, *ports: Path, window_s: float = 5) -> Path:
    mcus = "".join(one(port, FOLLOW, f"mcu{number}" if number else "porch") for number, port in enumerate(ports))
    ota = f'[ota]\nhealth_window_s = {window_s}\nroot = "{images.publisher.root}"'
    return write_config(directory, broker.port, mcus, ota)


def test_a_good_one_is_confirmed_on_the_board(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port)):
            heard.wait_for(state="online")
            good = images.push()
            watcher.wait_for("trial", sequence=good)
            wait_until(lambda: board.model() == "2.0.0 trial", "it is not on trial")
            board.infers(PERSON)
            watcher.wait_for("confirmed", sequence=good)
            assert board.model() == "2.0.0 confirmed"
            state = heard.wait_for(model_state="confirmed", model_version="2.0.0", losses=0)
            assert subscriber.events("inference")[0]["model"] == state["model"]
            firmware = images.push("mcu-firmware")
            Watcher(subscriber, "mcu-firmware").wait_for("confirmed", sequence=firmware)
            assert board.firmware() == "3.0.0 confirmed"
            assert "mcu_restarting" not in heard.problems()


def test_what_the_board_would_not_take_is_refused_before_anything_is_sent(
    tmp_path: Path, broker: Mosquitto, images: Images
) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port)):
            heard.wait_for(state="online")
            watcher.wait_for("rejected", "bad_signature", images.push(key=Key()))
            watcher.wait_for("rejected", "not_for_device", images.push(board="mps2-an385"))
            watcher.wait_for("rejected", "malformed", images.push(data=b"no image"))
            firmware = make_image(b"x", KEY, board="host", version=(9, 0, 0))
            watcher.wait_for("rejected", "malformed", images.push(data=firmware))
            assert (board.model(), board.board.resets) == ("1.0.0 confirmed", 0)
            assert board.board.model.upload is None


def test_one_that_fails_its_self_test_is_gone_back_from(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        before = board.board.model_hash
        with running(config_for(tmp_path, broker, images, port)):
            heard.wait_for(state="online")
            board.do(lambda: setattr(board.board, "self_test", "failed"))
            watcher.wait_for("rejected", "golden_differs", images.push())
            wait_until(lambda: board.board.model_hash == before, "the new one serves on")
            board.do(lambda: setattr(board.board, "self_test", "passed"))
            watcher.wait_for("confirmed", sequence=images.push())
            assert board.model() == "3.0.0 confirmed"


def test_one_that_starts_anew_by_itself_during_its_trial(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-firmware")
        before = board.firmware()
        with running(config_for(tmp_path, broker, images, port, window_s=60)):
            heard.wait_for(state="online")
            bad = images.push("mcu-firmware")
            heard.wait_for(firmware_state="trial", self_test="passed")
            board.do(lambda: setattr(board.board, "reset_reason", 2))  # its watchdog
            heard.wait_for(reset_reason=2)  # with its next report, and so the trial goes on by then
            board.do(board.mcu.reset)  # upon which its loader goes back
            watcher.wait_for("reverted", "crashed", bad)
            assert board.firmware() == before


def test_a_board_that_is_away_gets_it_when_it_is_back(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port, other = tmp_path / "port", tmp_path / "other"
    with (
        subscribed(broker.port) as subscriber,
        attached(port, plugged_in=False) as board,
        attached(other, plugged_in=False) as late,
    ):
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port, other)):
            heard.wait_for(state="lost")
            pushed = images.push()
            watcher.wait_for("failed", "mcu_away", pushed)
            board.do(board.mcu.plug_in)
            watcher.wait_for("confirmed", sequence=pushed)
            assert board.model() == "2.0.0 confirmed"
            late.do(late.mcu.plug_in)
            wait_until(lambda: late.board.model_hash == board.board.model_hash, "the second board was forgotten")
            wait_until(lambda: late.model() == "2.0.0 confirmed", "it does not keep it")


def test_pulled_out_in_the_middle_it_is_tried_again(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port, window_s=10)):
            heard.wait_for(state="online")
            pushed = images.push()
            heard.wait_for(model_version="2.0.0", model_state="trial")
            board.do(board.mcu.vanish)
            # A board that was told to start anew may go for so long; that it has, the daemon may not have asked it yet.
            subscriber.wait_until(lambda: heard.state()["state"] == "lost", "nobody says that it is lost", BACK_S + PATIENCE_S)
            board.do(board.board.reset)  # without power it forgets the trial
            board.do(board.mcu.plug_in)
            subscriber.wait_until(lambda: f"{pushed} failed mcu_away" in watcher.states(), "nobody missed the board")
            watcher.wait_for("confirmed", sequence=pushed)
            assert board.model() == "2.0.0 confirmed"


def test_killed_in_the_middle_the_next_start_asks_the_board(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        config = config_for(tmp_path, broker, images, port)
        with running(config) as daemon:
            heard.wait_for(state="online")
            pushed = images.push()
            watcher.wait_for("trial", sequence=pushed)
            wait_until(lambda: board.model() == "2.0.0 trial", "it is not on trial")
            daemon.kill()
        with running(config):
            watcher.wait_for("confirmed", sequence=pushed)
            assert board.model() == "2.0.0 confirmed"
            assert f"{pushed} reverted interrupted" in watcher.states()


def test_what_is_revoked_goes_from_the_board(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port)):
            heard.wait_for(state="online")
            pushed = images.push()
            watcher.wait_for("confirmed", sequence=pushed)
            sha256 = watcher.status()["sha256"]
            images.push(data=b"no image", revoked=(sha256,))
            subscriber.wait_until(lambda: f"{pushed} reverted revoked" in watcher.states(), "it is not gone back from")
            wait_until(lambda: board.model() == "1.0.0 confirmed", "it runs on")
            heard.wait_for(model_version="1.0.0", model_state="confirmed")


def test_a_board_that_does_not_leave_what_is_revoked_is_told_of(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    with subscribed(broker.port) as subscriber, attached(port) as board:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-model")
        with running(config_for(tmp_path, broker, images, port)):
            heard.wait_for(state="online")
            pushed = images.push()
            watcher.wait_for("confirmed", sequence=pushed)
            board.do(board.board.model.erase)  # the slot that it would go back to
            images.revoke()
            status = watcher.wait_for("failed", "not_gone_back", sequence=pushed)
            assert status["detail"] == "its publisher revoked it; porch: the board has nothing to go back to"
            heard.wait_for_problem("mcu_update_failed")
            assert board.model() == "2.0.0 confirmed"
            ends = [f"{pushed} confirmed ok", f"{pushed} failed not_gone_back"]
            subscriber.wait_until(lambda: watcher.states()[-2:] == ends, "another event")


def test_another_board_at_the_port_gets_what_is_confirmed(tmp_path: Path, broker: Mosquitto, images: Images) -> None:
    port = tmp_path / "port"
    config = config_for(tmp_path, broker, images, port)
    with subscribed(broker.port) as subscriber:
        heard, watcher = Heard(subscriber), Watcher(subscriber, "mcu-firmware")
        with attached(port) as board, running(config):
            heard.wait_for(state="online")
            watcher.wait_for("confirmed", sequence=images.push("mcu-firmware"))
            assert board.firmware() == "2.0.0 confirmed"
        with attached(port) as board, running(config):
            wait_until(lambda: board.firmware() == "2.0.0 confirmed", "the new board runs something else")
        with attached(port, key=Key()) as board, running(config):
            heard.wait_for_problem("mcu_update_failed")
            assert board.firmware() == "1.0.0 confirmed"
