"""One vision process after the other: what is ordered while none serves, and a model that changes under it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edged.core.errors import ModelRejected
from edged.daemon.admission import Admission
from edged.daemon.bench import End
from edged.daemon.health import Health
from edged.daemon.reload import SettingsRefused
from edged.daemon.supervisor import Supervisor
from edged.infer.settings import ModelSettings
from edged.sources.settings import SyntheticSettings
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

PATIENCE_S = 60
SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"


class Gate(Admission):
    """Admits when the test lets it; ``trouble`` is what goes wrong with a bundle, once."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.asked = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.open.set()
        self.trouble = ""

    async def admit(self, settings: VisionSettings) -> VisionSettings:
        self.asked.release()
        await self.open.wait()
        trouble, self.trouble = self.trouble, ""
        if trouble == "changes while it is tried":
            raise ModelRejected("model ssd: its files changed while it was tried", fault="changed")
        admitted = await super().admit(settings)
        if trouble == "changes before it is loaded":
            return replace(admitted, identities=dict.fromkeys(admitted.identities, "of the bundle before"))
        return admitted


class Ear:
    """Hears what the supervisor says."""

    def __init__(self) -> None:
        self.reports: list[ipc.Report] = []
        self.lost = 0
        self._changed = asyncio.Condition()

    async def on_report(self, report: ipc.Report) -> None:
        async with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    async def on_vision_lost(self, how: End) -> None:
        async with self._changed:
            self.lost += 1
            self._changed.notify_all()

    async def hear_up(self, camera: str) -> None:
        """Until this camera delivers."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: camera in self.up)

    async def hear_heartbeat(self) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: any(isinstance(report, ipc.Stats) for report in self.reports))

    @property
    def up(self) -> list[str]:
        return [report.camera for report in self.reports if isinstance(report, ipc.CameraUp)]


class Bench:
    """A supervisor at work on ``door``."""

    def __init__(self, test_data: Path, directory: Path) -> None:
        self._bundle = str(test_data / SSD)
        self.admission, self.ear = Gate(directory), Ear()
        self.supervisor = Supervisor(self.settings("door"), self.admission, Health([]), self.ear)

    def settings(self, *cameras: str) -> VisionSettings:
        camera = CameraSettings(model="ssd", synthetic=SyntheticSettings())
        models = {"ssd": ModelSettings(bundle=self._bundle, threads=1)}
        return VisionSettings(
            cameras=dict.fromkeys(cameras, camera), models=models, tracking=TrackerSettings(), identities={}, run=""
        )

    async def admitted(self, *cameras: str) -> VisionSettings:
        """As they are ordered: their models have passed."""
        return await self.admission.admit_whole(self.settings(*cameras))

    def kill(self) -> None:
        assert self.supervisor.vision_pid
        os.kill(self.supervisor.vision_pid, signal.SIGKILL)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.supervisor.run())
        try:
            yield
            self.supervisor.stop()
            await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def bench(test_data: Path, tmp_path: Path) -> Bench:
    return Bench(test_data, tmp_path)


async def test_an_order_while_the_next_process_is_prepared_waits_for_it_and_is_obeyed(bench: Bench) -> None:
    async with bench.running():
        await bench.ear.hear_heartbeat()
        ordered = await bench.admitted("door", "gate")
        bench.admission.asked, bench.admission.open = asyncio.Semaphore(0), asyncio.Event()
        bench.kill()
        await bench.admission.asked.acquire()  # the next life begins, by the old settings
        order = asyncio.create_task(bench.supervisor.reconfigure(ordered))
        bench.admission.open.set()
        async with asyncio.timeout(PATIENCE_S):
            assert (await order).opened == ("gate",)
        await bench.ear.hear_up("gate")
    assert sorted(bench.ear.up) == ["door", "door", "gate"]


@pytest.mark.parametrize("trouble", ["changes while it is tried", "changes before it is loaded"])
async def test_a_bundle_that_is_replaced_on_the_way_is_tried_anew(
    bench: Bench, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.admission.trouble = trouble
    async with bench.running():
        await bench.ear.hear_up("door")
    assert bench.supervisor.restarts == 1
    assert "changed" in caplog.text


async def test_an_order_after_the_end_is_refused_and_nobody_waits(bench: Bench) -> None:
    async with bench.running():
        await bench.ear.hear_heartbeat()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(SettingsRefused):
            await bench.supervisor.reconfigure(await bench.admitted("door", "gate"))
