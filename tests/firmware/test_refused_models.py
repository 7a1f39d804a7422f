"""Models that a board's engine refuses, and one without golden vectors, through the daemon: real firmware, broker, signatures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from attached import Heard, one, write_config
from host_board import HostBoard, firmware, model
from support import Subscriber, running, subscribed
from updating import Publisher, Watcher

from edged.cli.main import main
from edged.core.errors import BoardRefused
from edged.daemon.doctor.mcu import check_mcu
from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.info import BoardInfo
from edged.mcu.install import bring, restart, try_out
from edged.mcu.link import Link
from edged.mcu.settings import McuSettings
from edged.ota.package import pack
from edged.ota.upload import Blob
from edged.testing.broker import Mosquitto
from edged.testing.tflite_graph import GraphWriter

NO_SUCH = "operator 0, CUSTOM fake-op-double: the board's firmware 1.0.0 (engine native) has no such operator"
OTHERWISE = "operator 1, SOFTMAX: the output's scale is not that of values from 0 to 1"


def softmax_into_odd_steps() -> bytes:
    """The engine has both of its operators, and cannot do the second."""
    writer = GraphWriter()
    given, middle, out = (writer.tensor((1, 8), "int8", scale=(0.5,), zero_point=(0,)) for _ in range(3))
    writer.operator("RELU", [given], [middle])
    writer.operator("SOFTMAX", [middle], [out], beta=1.0)
    return writer.finish([given], [out])


@dataclass(frozen=True, slots=True)
class Scene:
    """A board with firmware and a model, its daemon, and who hears of both."""

    board: HostBoard
    publisher: Publisher
    subscriber: Subscriber

    def push(self, image: bytes, sequence: int) -> int:
        blob = Blob(pack({"image.bin": image}))
        self.publisher.repository.add(blob.data, kind="mcu-model", id="porch", sequence=sequence)
        self.publisher.publish(blob)
        return sequence

    def told(self, field: str) -> set[Any]:
        """What the states of the board ever said there."""
        states = [json.loads(it) for topic, it in self.subscriber.messages if topic.endswith("/pi/mcu/porch") and it]
        return {state[field] for state in states}


async def flash(path: Path, image: bytes) -> BoardInfo:
    """The first firmware, as a factory does it."""
    async with Link(path) as link:
        board = Board(link)
        before = await board.info()
        await bring(board, parse(image), image)
        return await restart(board, before)


async def tried(path: Path, image: bytes) -> BoardInfo:
    async with Link(path) as link:
        return await try_out(Board(link), await bring(Board(link), parse(image), image))


async def asked(path: Path) -> BoardInfo:
    async with Link(path) as link:
        return await Board(link).info()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[HostBoard]:
    with HostBoard(tmp_path) as board:
        asyncio.run(flash(board.path, firmware("1.0.0")))
        yield board


@pytest.fixture
def scene(board: HostBoard, tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker, subscribed(broker.port) as subscriber:
        publisher = Publisher(tmp_path, broker.port)
        table = one(board.path, 'follow_model = "porch"')
        with running(write_config(tmp_path, broker.port, table, f'[ota]\nhealth_window_s = 5\nroot = "{publisher.root}"')):
            yield Scene(board, publisher, subscriber)


def test_it_is_the_operator_that_is_named_and_golden_vectors_are_not_blamed(scene: Scene, test_data: Path) -> None:
    heard, watcher = Heard(scene.subscriber), Watcher(scene.subscriber, "mcu-model")
    heard.wait_for(state="online", firmware_version="1.0.0")
    boots = heard.state()["boots"]

    custom = (test_data / "models" / "model_invoking_error.tflite").read_bytes()
    status = watcher.wait_for("rejected", "model_refused", scene.push(model("2.0.0", custom), 1))
    assert status["detail"] == f"porch: {NO_SUCH}"
    assert heard.state()["boots"] == boots  # it never heard of it

    status = watcher.wait_for("rejected", "model_refused", scene.push(model("3.0.0", softmax_into_odd_steps()), 2))
    assert status["detail"] == f"microcontroller porch refuses the model: {OTHERWISE}"
    assert OTHERWISE in scene.told("diagnosis")
    heard.wait_for(state="online", model_version="", diagnosis="")

    sine = (test_data / "models" / "hello_world_int8.tflite").read_bytes()
    status = watcher.wait_for("confirmed", sequence=scene.push(model("4.0.0", sine), 3))
    assert status["detail"].endswith("no golden vectors: it loads, and its answers were compared with none")
    heard.wait_for(model_version="4.0.0", model_state="confirmed", self_test="none")


def test_the_command_line_names_it_before_the_first_byte(
    board: HostBoard, tmp_path: Path, test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "custom.bin"
    image.write_bytes(model("2.0.0", (test_data / "models" / "model_invoking_error.tflite").read_bytes()))
    assert main(["mcu", "model", str(image), "--port", str(board.path)]) == 1
    complaint = " ".join(capsys.readouterr().err.split())
    assert NO_SUCH in complaint
    assert "sending" not in complaint


def test_what_a_board_finds_out_on_trial_is_named_everywhere(
    board: HostBoard, test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bring` judges no graph: what a host that does not would see."""
    with pytest.raises(BoardRefused) as refused:
        asyncio.run(tried(board.path, model("2.0.0", (test_data / "models" / "model_invoking_error.tflite").read_bytes())))
    named = "operator 0, CUSTOM fake-op-double: operator is not supported"
    assert refused.value.message == f"the board refuses the new model: {named}"
    told = asyncio.run(asked(board.path))
    assert (told.op_index, told.op_code) == (0, 32)
    assert {0, 3, 9, 25} <= set(told.operators) and 32 not in told.operators
    assert main(["mcu", "info", "--port", str(board.path)]) == 0
    assert named in " ".join(capsys.readouterr().out.split())
    (finding, *_) = check_mcu("porch", McuSettings(port=str(board.path)))
    assert (finding.code, finding.what.endswith(named)) == ("mcu-model-refused", True)
