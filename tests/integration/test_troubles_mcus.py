"""Troubles of microcontrollers, recognised."""

from __future__ import annotations

import grp  # noqa: F401 - nobody may not read it once it is needed
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest
import serial
from attached import attached
from troubles import produces, shown_to_all, somebody

from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.mcu import check_mcu
from edged.mcu.settings import McuSettings
from edged.testing.mcu_board import FakeBoard


def found(port: Path, **changes: Any) -> Finding:
    (finding,) = check_mcu("porch", McuSettings(port=str(port), **changes))
    return finding


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Path]:
    """Of a board that works."""
    with attached(tmp_path / "port"):
        yield tmp_path / "port"


def test_a_board_that_works_says_what_it_runs(port: Path) -> None:
    finding = found(port)
    assert (finding.status, "model person" in finding.what) == ("ok", True)


@produces("mcu-absent")
def test_no_port(tmp_path: Path) -> Finding:
    return found(tmp_path / "nothing")


@produces("mcu-vanished")
def test_a_port_that_goes_while_it_is_asked(tmp_path: Path) -> Finding:
    class Leaving(FakeBoard):
        def handle(self, message: bytes) -> bytes | None:
            gone.mcu.vanish()
            return None

    with attached(tmp_path / "port", kind=Leaving) as gone:
        return found(tmp_path / "port")


@produces("mcu-no-permission")
def test_a_port_that_is_not_ours() -> Finding:
    with shown_to_all() as directory, attached(directory / "port"):
        (directory / "port").chmod(0)
        with somebody():
            return found(directory / "port")


@produces("mcu-busy")
def test_a_port_that_somebody_has(port: Path) -> Finding:
    with serial.Serial(str(port), exclusive=True):
        return found(port)


@produces("mcu-not-serial")
def test_a_file(tmp_path: Path) -> Finding:
    (tmp_path / "file").write_text("")
    return found(tmp_path / "file")


@produces("mcu-unusable")
def test_a_name_that_leads_nowhere(tmp_path: Path) -> Finding:
    (tmp_path / "file").write_text("")
    return found(tmp_path / "file" / "port")


@produces("mcu-no-answer")
def test_a_board_that_does_not_answer(tmp_path: Path) -> Finding:
    with attached(tmp_path / "port") as board:
        board.do(lambda: setattr(board.mcu.faults, "hanging", True))
        return found(tmp_path / "port")


class Foreign(FakeBoard):
    """Knows the groups that every server has, and no other."""

    def handle(self, message: bytes) -> bytes | None:
        if struct.unpack_from(">H", message, 4)[0] < 64:
            return super().handle(message)
        refusal = cbor2.dumps({"rc": 8})
        return bytes([message[0] + 1, 0]) + struct.pack(">H", len(refusal)) + message[4:8] + refusal


@produces("mcu-foreign")
def test_a_board_of_somebody_else(tmp_path: Path) -> Finding:
    with attached(tmp_path / "port", kind=Foreign):
        return found(tmp_path / "port")


@produces("mcu-other-board")
def test_another_board(port: Path) -> Finding:
    return found(port, board="mps2-an385")


@produces("mcu-unstable-name")
def test_a_name_that_is_not_for_long(tmp_path: Path) -> Finding:
    with attached(tmp_path / "ttyACM0"):
        return check_mcu("porch", McuSettings(port=str(tmp_path / "ttyACM0")))[-1]


@produces("mcu-in-loader")
def test_a_board_in_its_loader(tmp_path: Path) -> Finding:
    with attached(tmp_path / "port", in_loader=True):
        return found(tmp_path / "port")


@produces("mcu-no-model")
def test_a_board_without_a_model(tmp_path: Path) -> Finding:
    with attached(tmp_path / "port") as board:
        board.do(lambda: setattr(board.board.model, "running", None))
        return found(tmp_path / "port")


@produces("mcu-model-refused")
def test_a_board_whose_firmware_lacks_an_operator(tmp_path: Path) -> Finding:
    operator = {"op_index": 12, "op_code": 32, "op_custom": b"edgetpu-custom-op"}
    with attached(tmp_path / "port", diagnosis="operator is not supported", operator=operator):
        finding = found(tmp_path / "port")
    assert finding.what.endswith("operator 12, CUSTOM edgetpu-custom-op: operator is not supported")
    return finding


def test_an_operator_by_a_name_that_is_no_text(tmp_path: Path) -> None:
    operator = {"op_index": 0, "op_code": 32, "op_custom": b"a\x1b[2J\xff\n"}
    with attached(tmp_path / "port", diagnosis="operator is not supported", operator=operator):
        assert found(tmp_path / "port").what.endswith("operator 0, CUSTOM a?[2J\ufffd?: operator is not supported")


def test_an_operator_that_is_in_no_list(tmp_path: Path) -> None:
    with attached(tmp_path / "port", diagnosis="the operator's code is not in the list", operator={"op_index": 3}):
        assert found(tmp_path / "port").what.endswith("operator 3: the operator's code is not in the list")


@produces("mcu-self-test-failed")
def test_a_board_that_fails_its_self_test(tmp_path: Path) -> Finding:
    with attached(tmp_path / "port", self_test="failed"):
        return found(tmp_path / "port")
