"""Troubles that a running daemon tells of itself, recognised."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import running
from troubles import PRODUCED, examined, expect, produces

from edged.core.clock import ClockReading
from edged.core.problem import PROBLEMS, ProblemCode
from edged.daemon.condition import Condition
from edged.daemon.control import Control, Look, Reply, Request, Seen
from edged.daemon.doctor.daemon import check_daemon
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.troubles.daemon import code_of_problem
from edged.daemon.machine import Machine, Throttling
from edged.daemon.observation import Observation
from edged.daemon.report import report
from edged.daemon.state import claimed
from edged.mqtt.health import HealthPayload
from edged.store.outbox import OutboxCounts

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from observed import at, camera, mcu, model

STATES: dict[ProblemCode, dict[str, Any]] = {
    "no_camera": {"cameras": (camera("door", "lost"),)},
    "camera_lost": {"cameras": (camera("door"), camera("yard", "lost", "no frame for 5 s"))},
    "vision_restarting": {"vision_failing": True},
    "inference_stuck": {"stuck": True},
    "accelerator_fallback": {"models": (model(fallback="no Edge TPU is connected"),)},
    "store_full": {"store_full": True, "events_lost": 3},
    "store_dropping": {"outbox": OutboxCounts(9, 2, 6, 1)},
    "disk_low": {"machine": Machine(disk_free_bytes=1)},
    "undervoltage": {"machine": Machine(throttling=Throttling(("undervoltage",), ()))},
    "throttled": {"machine": Machine(throttling=Throttling(("throttled",), ()))},
    "clock_unsynchronised": {"clock": ClockReading(20 * 10**9, 20 * 10**9, "unsynchronised")},
    "reload_refused": {"reload_refusal": "edged.toml:3: no"},
    **{code: {"mcus": (mcu("porch", "online", (code, "why")),)} for code in PROBLEMS if code.startswith("mcu_")},
}
PRODUCED.extend(code_of_problem(code) for code in STATES)


def health_of(observation: Observation) -> HealthPayload:
    condition = Condition()
    condition.note(at(10))
    condition.note(observation)
    return report(observation, None, condition)


async def told(directory: Path, health: HealthPayload) -> list[Finding]:
    """What the doctor makes of a daemon that says this over its control socket."""

    async def answer(request: Request) -> Reply:
        assert isinstance(request, Look)
        return Seen(health)

    async with Control(answer).listening(directory):
        return await asyncio.to_thread(check_daemon, directory)


@pytest.mark.parametrize("code", PROBLEMS)
async def test_each_problem_that_a_daemon_knows(code: ProblemCode, tmp_path: Path) -> None:
    found = await told(tmp_path, health_of(at(20, **STATES[code])))
    expect(next(finding for finding in found if finding.code == code_of_problem(code)), code_of_problem(code))


async def test_a_daemon_that_is_well_says_how_long_it_has_been(tmp_path: Path) -> None:
    (found,) = await told(tmp_path, health_of(at(7200)))
    assert (found.status, "2.0 h" in found.what, "2 events wait" in found.what) == ("ok", True, True)


def test_no_daemon_is_no_trouble(tmp_path: Path) -> None:
    (found,) = check_daemon(tmp_path)
    assert found.status == "skip"


@produces("daemon-unknown-problem")
async def test_a_daemon_that_is_newer_than_we(tmp_path: Path) -> Finding:
    health = health_of(at(20, stuck=True))
    health.problems[0].code = "lens_dirty"
    (found,) = await told(tmp_path, health)
    assert found.fix == health.problems[0].fix
    return found


@produces("daemon-unreachable")
def test_a_daemon_that_hangs_up(tmp_path: Path) -> Finding:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "control"))
        server.listen(1)

        def hang_up() -> None:
            server.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        (found,) = check_daemon(tmp_path)
        hanging_up.join()
    return found


def test_a_directory_that_another_daemon_holds_without_listening(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (found,) = check_daemon(tmp_path)
    expect(found, "daemon-unreachable")
    assert f"(pid {os.getpid()})" in found.what


def test_a_daemon_at_work_tells_of_the_camera_that_it_lost(tmp_path: Path, test_data: Path) -> None:
    config = tmp_path / "edged.toml"
    with socket.socket() as bound:  # bound and not listening: the port is ours, and refuses
        bound.bind(("127.0.0.1", 0))
        config.write_text(
            f"""
            [device]
            name = "pi"
            state_directory = "state"
            [models.ssd]
            bundle = "{test_data}/models/ssd_mobilenet_v1_coco_quant.tflite"
            [cameras.door]
            model = "ssd"
            stream = {{ url = "rtsp://127.0.0.1:{bound.getsockname()[1]}/live" }}
            """
        )
        with running(config) as daemon:
            daemon.wait_for("refuses the connection")
            found = examined(config)
            assert daemon.stop() == 0
    assert found["camera door"].code == "stream-connection-refused"
    assert found["daemon"].code.startswith("daemon-")
    assert found["store"].status == "ok"
