"""An accelerator that failed is tried beside the process that serves, and gone back to in good order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from accelerated import write_bundle
from listening import Listener
from support import children_running, wait_until

from edged.daemon.admission import Admission
from edged.daemon.health import Health
from edged.daemon.supervisor import Supervisor
from edged.infer.settings import EdgeTpuSettings, ModelSettings
from edged.sources.settings import SyntheticSettings
from edged.testing.sysfs import plug_in
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings


class Bench:
    """A supervisor whose accelerator kills whoever loads it, until the test says otherwise."""

    def __init__(self, directory: Path, test_data: Path, library: Path) -> None:
        write_bundle(directory / "ssd", test_data)
        plug_in(directory, "1-1")
        self._control = Path(f"{library}.control")
        self.control("create abort")
        model = ModelSettings(bundle=str(directory / "ssd"), threads=1, edgetpu=EdgeTpuSettings(library=str(library)))
        self.settings = VisionSettings(
            cameras={"door": CameraSettings(model="ssd", synthetic=SyntheticSettings(fps=10))},
            models={"ssd": model},
            tracking=TrackerSettings(),
            identities={},
            run="",
            root=directory,
        )
        self.listener = Listener()
        self.supervisor = Supervisor(self.settings, Admission(directory), Health([]), self.listener)

    def control(self, fault: str) -> None:
        self._control.write_text(fault)

    @property
    def delegates(self) -> list[str]:
        return [report.delegate for report in self.listener.heard if isinstance(report, ipc.ModelServes)]

    async def until_served_by(self, *delegates: str) -> None:
        await self.listener.until(lambda _: self.delegates == list(delegates))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.supervisor.run())
        try:
            yield
        finally:
            self.supervisor.stop()
            await task


@pytest.fixture
def bench(tmp_path: Path, test_data: Path, build_library: Callable[[str, str], Path]) -> Bench:
    return Bench(tmp_path, test_data, build_library("delegate.c", "libedgetpu.so.1"))


def trials() -> list[int]:
    """The processes in which an accelerator is tried now."""
    return children_running(os.getpid(), "edged.infer.trial")


async def test_what_works_again_is_gone_back_to_by_a_process_that_begins_in_good_order(bench: Bench) -> None:
    async with bench.running():
        await bench.until_served_by("xnnpack")
        bench.control("")
        await bench.until_served_by("xnnpack", "edgetpu")
        assert bench.listener.lost == ["crashed", "in order"]
        assert bench.supervisor.restarts == 1


async def test_a_trial_ends_with_the_process_beside_which_it_runs(bench: Bench) -> None:
    async with bench.running():
        await bench.until_served_by("xnnpack")
        bench.control("invoke hang")
        await asyncio.to_thread(wait_until, lambda: bool(trials()), "a trial")
        (trial,) = trials()
        cpu = replace(bench.settings.models["ssd"], delegate="xnnpack")
        other = replace(bench.settings, cameras={"door": replace(bench.settings.cameras["door"], model="cpu")}, models={"cpu": cpu})
        await bench.supervisor.renew(other)
        await bench.until_served_by("xnnpack", "xnnpack")
        assert trial not in trials()
        assert bench.listener.lost == ["crashed", "in order"]
    assert trials() == []
