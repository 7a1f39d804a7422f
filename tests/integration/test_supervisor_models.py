"""Models under a supervisor: another one takes over, or looks on from the shadow, in a real vision process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from listening import Listener

from edged.core.event import ObjectAppeared, ObjectLeft
from edged.daemon.admission import Admission
from edged.daemon.health import Health
from edged.daemon.reload import SettingsRefused
from edged.daemon.supervisor import Supervisor
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.settings import SyntheticSettings
from edged.testing.detector import write_bundle
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings


def settings(bundle: Path) -> VisionSettings:
    """What the synthetic scene shows is grey enough to be an object."""
    camera = CameraSettings(model="m", synthetic=SyntheticSettings(fps=30))
    models = {"m": ModelSettings(bundle=str(bundle), threads=1, score_threshold=0.2)}
    return VisionSettings(cameras={"door": camera}, models=models, tracking=TrackerSettings(), identities={}, run="")


def order(bundle: Path, **changes: object) -> ipc.Shadow:
    shadow = ipc.Shadow("m", settings(bundle).models["m"], identify(bundle), share=1.0, frames=10, seconds=60.0)
    return replace(shadow, **changes)  # type: ignore[arg-type]


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    labels = {"first": ("light",), "second": ("shadow", "light")}
    return {name: write_bundle(tmp_path / name, 1, labels=known) for name, known in labels.items()}


@asynccontextmanager
async def supervised(bundle: Path, directory: Path) -> AsyncIterator[tuple[Supervisor, Listener, Admission]]:
    listener, admission = Listener(), Admission(directory)
    supervisor = Supervisor(settings(bundle), admission, Health(["door"]), listener)
    running = asyncio.create_task(supervisor.run())
    try:
        await listener.until(lambda heard: any(isinstance(it, ipc.Stats) for it in heard))
        yield supervisor, listener, admission
    finally:
        supervisor.stop()
        await running


async def test_swap_is_a_reconfiguration_that_objects_outlive(bundles: dict[str, Path], tmp_path: Path) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, admission):
        await listener.until(lambda heard: any(isinstance(it, ObjectAppeared) for it in heard))
        pid = supervisor.vision_pid
        admitted = await admission.admit_whole(settings(bundles["second"]))
        assert admitted.memory_bytes["m"] > 0
        report = await supervisor.reconfigure(admitted)
        assert (report.opened, report.loaded) == ((), ("m",))
        after = len(listener.heard)
        await listener.until(lambda heard: any(isinstance(it, ipc.Stats) for it in heard[after:]))
        assert supervisor.vision_pid == pid
        assert len(listener.of(ipc.ModelServes)) == 2
        assert listener.of(ObjectLeft) == []
    assert len(listener.of(ObjectLeft)) == len(listener.of(ObjectAppeared)) == 1


async def test_shadow_returns_how_far_both_agreed(bundles: dict[str, Path], tmp_path: Path) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, _):
        with pytest.raises(SettingsRefused, match="model n does not serve"):
            await supervisor.shadow(order(bundles["second"], model_name="n"))
        found = await supervisor.shadow(order(bundles["second"]))
        assert (found.ended, found.frames, found.only_serving, found.only_candidate) == ("done", 10, 0, 0)
        assert found in listener.of(ipc.Agreement)
        endless = order(bundles["second"], frames=10**9)
        given_up = asyncio.create_task(supervisor.shadow(endless))
        await listener.until(lambda heard: any(isinstance(it, ipc.Agreement) and it.number == 2 and it.frames for it in heard))
        given_up.cancel()
        await asyncio.wait([given_up])
        assert given_up.cancelled()
        assert (await supervisor.shadow(order(bundles["second"]))).ended == "done"  # at once: the one before is over
        left = [it for it in listener.of(ipc.Agreement) if isinstance(it, ipc.Agreement) and it.ended]
        assert [(it.number, it.ended) for it in left] == [(1, "done"), (2, "stopped"), (3, "done")]


async def test_shadow_of_a_model_that_is_taken_out_ends_and_the_process_lives(bundles: dict[str, Path], tmp_path: Path) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, admission):
        waiting = asyncio.create_task(supervisor.shadow(order(bundles["second"], frames=10**9)))
        await listener.until(lambda heard: any(isinstance(it, ipc.Agreement) for it in heard))
        pid, other = supervisor.vision_pid, settings(bundles["first"])
        cameras = {"door": replace(other.cameras["door"], model="n")}
        await supervisor.reconfigure(await admission.admit_whole(replace(other, cameras=cameras, models={"n": other.models["m"]})))
        found = await waiting
        assert (found.ended, found.message) == ("stopped", "the model that serves was exchanged")
        after = len(listener.heard)
        await listener.until(lambda heard: any(isinstance(it, ipc.Stats) for it in heard[after:]))
        assert supervisor.vision_pid == pid


async def test_death_of_the_process_ends_the_shadow(bundles: dict[str, Path], tmp_path: Path) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, _):
        waiting = asyncio.create_task(supervisor.shadow(order(bundles["second"], frames=10**9)))
        await listener.until(lambda heard: any(isinstance(it, ipc.Agreement) for it in heard))
        pid = supervisor.vision_pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        found = await waiting
        assert found.ended == "failed"
        assert "died meanwhile (killed by SIGKILL)" in found.message


async def test_end_of_the_daemon_ends_the_shadow(bundles: dict[str, Path], tmp_path: Path) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, _):
        waiting = asyncio.create_task(supervisor.shadow(order(bundles["second"], frames=10**9)))
        await listener.until(lambda heard: any(isinstance(it, ipc.Agreement) for it in heard))
    assert (await waiting).ended == "stopped"


async def test_what_a_process_that_is_to_go_says_of_a_camera_that_is_gone_is_no_nonsense(
    bundles: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with supervised(bundles["first"], tmp_path) as (supervisor, listener, _):
        await listener.until(lambda heard: any(isinstance(it, ObjectAppeared) for it in heard))
        pid, other = supervisor.vision_pid, settings(bundles["first"])
        await supervisor.renew(replace(other, cameras={"gate": other.cameras["door"]}))
        said = len(listener.heard)
        await listener.until(lambda heard: any(isinstance(it, ObjectAppeared) for it in heard[said:]))
        assert supervisor.vision_pid != pid
        assert (listener.lost, supervisor.restarts) == (["in order"], 0)
        assert {getattr(report, "camera", "gate") for report in listener.heard[said:]} == {"gate"}
    assert "nonsense" not in caplog.text
