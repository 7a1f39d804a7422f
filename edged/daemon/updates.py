"""Updates of the running daemon: what serves at the start, and the updater of the configuration that serves now.

Rules: what serves does not depend on anything here but its slot; a device that cannot update goes on with what it has, and says
why.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged import __version__
from edged.config.schema import Settings, config_path
from edged.core.errors import EdgedError, ModelRejected, UpdateRefused
from edged.core.tasks import run_together
from edged.daemon.admission import Admission
from edged.daemon.bench import KIND, DeviceBench, End, Exchange, followed
from edged.daemon.benches import Benches
from edged.daemon.broker_ways import NO_WAYS, BrokerWays
from edged.daemon.clock import read_clock
from edged.daemon.config_bench import ConfigBench
from edged.daemon.drop import DropFolder
from edged.daemon.gate import Gate
from edged.daemon.given_up import GivenUp
from edged.daemon.installed import begin, by_kind, chosen_bundles, open_inventory, without
from edged.daemon.layers import KIND as CONFIG
from edged.daemon.layers import Layers
from edged.daemon.mcu_bench import McuBench
from edged.daemon.mcu_images import KINDS as MCU_KINDS
from edged.daemon.mcu_images import followed_by
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.daemon.recorder import Recorder
from edged.daemon.teller import Teller
from edged.infer.bundle import load_bundle
from edged.infer.probe.records import Stated
from edged.ota.attempt import Kit, failed
from edged.ota.local import Local
from edged.ota.package import pack_directory
from edged.ota.rollout import Device
from edged.ota.settings import OtaSettings
from edged.ota.slots import GoBack
from edged.ota.updater import Updater
from edged.vision import ipc

log = logging.getLogger(__name__)

DIRECTORY = "ota"

NOT_SET_UP = UpdateRefused("unknown_id", "updates are not set up here", hint="The configuration needs a table [ota].")

FALL_BACK_S = 30.0
"""How long a trial that ended the vision process for good may take to be given up."""


class Replaced(Exception):
    """Ends the work of an updater; never leaves this file."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Whom updates work with; without ``layers`` there is no file that anything could be laid over."""

    admission: Admission
    exchange: Exchange
    delivering: Callable[[], frozenset[str]]
    """The cameras that deliver frames, or did until their recording ended."""
    publishing: Publishing
    recorder: Recorder
    layers: Layers | None = None
    mcus: Mcus | None = None


class Updates:
    """Made before the first vision process: from then on ``settings`` are those with what was pushed, and ``bench.applied`` says
    which models serve. Belongs to the event loop; being made blocks."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self._directory = settings.device.state_directory / DIRECTORY
        self._publishing = parts.publishing
        self.inventory = open_inventory(self._directory) if settings.ota else None
        self._exchange = parts.exchange
        self._admission = parts.admission
        span_s = settings.ota.health_window_s if settings.ota else OtaSettings().health_window_s
        self.bench = DeviceBench(parts.admission, parts.exchange, lambda: self.settings, self._delegate, span_s)
        self._gate = Gate()
        self._teller = Teller(parts.publishing, parts.recorder.put)
        self._updater: Updater | None = None
        self._replaced = asyncio.Event()
        self._layers = parts.layers
        self.config_bench = (
            ConfigBench(parts.layers, lambda: self.settings, parts.delivering, span_s, self.bench.turned) if parts.layers else None
        )
        given_up = GivenUp(self._directory / "given-up")
        self.mcu_bench = McuBench(parts.mcus, span_s, self._mcu_came, given_up) if parts.mcus else None
        self._begin()
        self._worked_with = self.settings

    def _begin(self) -> None:
        """What the slots say is to serve."""
        self.bench.serving, pushed, images = by_kind(chosen_bundles(self.inventory))
        if self.mcu_bench:
            self.mcu_bench.settle(images)
        path = config_path(self.settings)
        if self._layers and self.inventory and path:
            self.settings = begin(self._layers, self.inventory, path, pushed)

    def note(self, stats: ipc.Stats, vision_pid: int | None) -> None:
        """Take in a heartbeat of the vision process."""
        self._gate.note(stats)
        self.bench.note(stats, vision_pid)
        if self.config_bench:
            self.config_bench.note(stats)
        self._begin_anew_if_due()

    def replace(self, settings: Settings) -> None:
        """Another configuration serves. Updates that are under way begin anew if it concerns them; what serves stays."""
        self.settings = settings
        self._begin_anew_if_due()

    def _begin_anew_if_due(self) -> None:
        """A pushed configuration may change which models are followed; its own trial comes to an end before that counts."""
        before, now = self._worked_with, self.settings
        path = config_path(now)
        on_trial = path is not None and self.inventory is not None and self.inventory.slot(path).phase == "trial"
        others = followed(before) != followed(now) or followed_by(before.mcus) != followed_by(now.mcus)
        if _ways(before) != _ways(now) or (not on_trial and others):
            self._replaced.set()

    async def run(self) -> None:
        """Follow what the configuration says, for ever."""
        while True:
            self._replaced.clear()
            await self._settle()
            self._worked_with = self.settings
            self._teller.keep({(kind, name) for kind, _, name in (path.partition("/") for path in self._things())})
            works = self._works()
            try:
                mending = [self.mcu_bench.run()] if self.mcu_bench else []
                await run_together(self._teller.run(), self._until_replaced(), *mending, *works)
            except Replaced:
                self._updater = None

    async def install(self, name: str, sha256: str, version: str) -> None:
        """Install a packed bundle that was left in the inventory, for an id of a model; raises UpdateRefused and UpdateFailed."""
        updater, ota, inventory = self._updater, self.settings.ota, self.inventory
        if updater is None or ota is None or inventory is None:
            raise NOT_SET_UP
        try:
            path = await asyncio.to_thread(inventory.take, sha256)
            try:
                length = path.stat().st_size
                await updater.install(Local(f"{KIND}/{name}", path, sha256, length, version, ota.allow_unsigned))
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise failed(error) from error

    async def go_back(self, name: str) -> None:
        """Let the model that served before under an id serve again; raises UpdateRefused and UpdateFailed."""
        if self._updater is None:
            raise NOT_SET_UP
        await self._updater.go_back(f"{KIND}/{name}")

    def vision_ended(self, how: End) -> None:
        """A life of the vision process ended."""
        self._gate.open()
        self.bench.vision_ended(how)
        if self.config_bench:
            self.config_bench.vision_ended(how)

    async def _install_dropped(self, name: str, directory: Path) -> None:
        assert self.inventory
        blob = await asyncio.to_thread(pack_directory, directory)
        version = (await asyncio.to_thread(load_bundle, directory)).manifest.version
        sha256 = await asyncio.to_thread(self.inventory.bring, blob)
        await self.install(name, sha256, version)

    async def fall_back(self, error: EdgedError) -> bool:
        """The vision process ended for good: whether something else is to serve now, so that another can be started."""
        if self.inventory is None:
            return False
        if any(slot.trial for slot in self.inventory.slots.values()):
            log.error("the vision process gave up during a trial: %s", error)
            self.bench.turned.clear()
            self.vision_ended("crashed")
            try:
                async with asyncio.timeout(FALL_BACK_S):
                    await self.bench.turned.wait()
            except TimeoutError:
                return False
            return True
        if not isinstance(error, ModelRejected):
            return False
        before = self.bench.serving
        for path, names in followed(self.settings).items():
            if before.get(path) and not await self._passes(names):  # as after an update of edged itself
                await asyncio.to_thread(self.inventory.note, path, GoBack("model_refused"))
        self.bench.serving = by_kind(await asyncio.to_thread(chosen_bundles, self.inventory))[0]
        if before == self.bench.serving:
            return await self._take_off()
        await self._exchange.exchange_surely()
        return True

    async def _take_off(self) -> bool:
        """No model is to blame by itself: whether something was pushed, as a threshold for a label that is not there any more."""
        path = config_path(self.settings)
        if not self._layers or not self.inventory or not path or not (before := self._layers.packages.get(path)):
            return False
        log.error("%s: refused now, and given up", path)
        pushed = await asyncio.to_thread(without, self.inventory, path, self._layers.packages)
        await self._layers.take_off(path, pushed.get(path))
        return pushed.get(path) != before

    async def _passes(self, names: Iterable[str]) -> bool:
        models = self.bench.applied(self.settings.models)
        try:
            for name in names:
                await self._admission.try_out(name, models[name], Stated())
        except ModelRejected as error:
            log.error("model %s: its update is refused now: %s", name, error)
            return False
        return True

    async def _settle(self) -> None:
        """See that what the slots say serves: a trial may have been withdrawn, or updates been set up by a reload."""
        if self.inventory is None and self.settings.ota:
            self.inventory = await asyncio.to_thread(open_inventory, self._directory)
        chosen, pushed, images = by_kind(await asyncio.to_thread(chosen_bundles, self.inventory))
        if self.mcu_bench:
            self.mcu_bench.settle(images)
        if self._layers is not None:
            path = config_path(self.settings)
            self._layers.packages.update({other: package for other, package in pushed.items() if other != path})
            if path and self._layers.packages.get(path) != pushed.get(path):
                await self._layers.take_off(path, pushed.get(path))
        before, self.bench.serving = self.bench.serving, chosen
        if any(before.get(path) != chosen.get(path) for path in {*before, *chosen}):
            await self._exchange.exchange_surely()

    def _works(self) -> list[Coroutine[Any, Any, None]]:
        settings, ota = self.settings, self.settings.ota
        if ota is None or self.inventory is None:
            return []
        benches = Benches(
            {
                KIND: self.bench,
                **({CONFIG: self.config_bench} if self.config_bench else {}),
                **(dict.fromkeys(MCU_KINDS, self.mcu_bench) if self.mcu_bench else {}),
            }
        )
        kit = Kit(self.inventory, benches, self._teller, read_clock, asyncio.sleep, ota.health_window_s)
        works: list[Coroutine[Any, Any, None]] = []
        ways = NO_WAYS
        if ota.root is not None and settings.mqtt is not None:
            broker = BrokerWays(settings.mqtt, settings.device, ota, ota.root, self._directory)
            ways = broker.ways(self.inventory.parts, self._gate)
            works += broker.works()
        self._updater = Updater(self._things(), ways, kit, self._device, random.random)
        works.append(self._updater.run())
        if ota.drop_folder is not None:
            works.append(DropFolder(ota.drop_folder, self._install_dropped).run())
        return works

    def _device(self, path: str) -> Device:
        settings = self.settings
        assert settings.ota
        names = followed(settings).get(path, ())
        return Device(
            name=settings.device.name,
            machine=platform.machine(),
            edged=__version__,
            groups=frozenset(settings.ota.groups),
            runtimes=frozenset(settings.models[name].runtime for name in names),
            accelerators=frozenset(filter(None, map(self._delegate, names))),
        )

    def _delegate(self, name: str) -> str:
        """What a model runs on now; empty before it serves."""
        return next((model.delegate for model in self._publishing.models if model.model_name == name), "")

    def _things(self) -> tuple[str, ...]:
        """What is followed, the configuration first: models may come into use by it."""
        path = config_path(self.settings) if self._layers else None
        return (*([path] if path else []), *followed(self.settings), *(followed_by(self.settings.mcus) if self.mcu_bench else ()))

    def _mcu_came(self, path: str) -> None:
        if self._updater:
            self._updater.hurry(path)

    async def _until_replaced(self) -> None:
        await self._replaced.wait()
        raise Replaced


def _ways(settings: Settings) -> object:
    """What an updater depends on besides what it follows."""
    return settings.ota, settings.mqtt, settings.device
