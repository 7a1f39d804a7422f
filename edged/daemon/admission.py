"""Which models the vision process may load: those that passed a probe on this machine, byte for byte.

Rules: no model file is parsed here, it is only hashed; what passed is remembered durably, so that a known model costs its hash and
nothing else; the vision process gets the identity of what passed and refuses any other.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edged import __version__
from edged.config.problems import Problem
from edged.core.durable import replace_file
from edged.core.errors import DelegateFailed, EdgedError, ModelRejected, SecretUnreadable
from edged.daemon.reload import SettingsRefused
from edged.infer.bundle import identify, resolve
from edged.infer.probe.machine import free_bytes, this_processor
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import Request, Stated, Verdict
from edged.infer.runtime import installed
from edged.infer.settings import EdgeTpuSettings, ModelSettings
from edged.vision.settings import VisionSettings

log = logging.getLogger(__name__)

FILE_NAME = "probed.msgpack"

MAX_PASSES = 256
"""The oldest are forgotten first; a model that is tried once more costs a second."""

PROBES_AT_ONCE = 2
"""Each holds a runtime and a model in memory."""

DEADLINE_S = 60.0
"""For one model: reading a large one from a slow SD card, and two inferences."""

UNSTATED = Stated()


class Admission:
    """Keeps what passed in ``directory``; ``free_bytes`` tells how much memory models may take now."""

    def __init__(self, directory: Path, free_bytes: Callable[[], int] = free_bytes) -> None:
        self._free_bytes = free_bytes
        self._file = directory / FILE_NAME
        self._passes = _read_passes(self._file)

    async def admit(self, settings: VisionSettings) -> VisionSettings:
        """``settings`` with the identities of its models, every one of which has passed; the others are probed now.

        Raises ModelRejected or DelegateFailed for the first that does not pass, SecretUnreadable for one whose key cannot be read,
        ProcessNotStarted where there can be no probe.
        """
        used = {camera.model for camera in settings.cameras.values()}
        models = {name: model for name, model in settings.models.items() if name in used}
        identities = {name: await asyncio.to_thread(_identity, model) for name, model in models.items()}
        keys = {name: _key(identities[name], model) for name, model in models.items()}
        if unknown := [name for name in sorted(models) if keys[name] not in self._passes]:
            verdicts = await self._probe({name: models[name] for name in unknown})
            for name, verdict in verdicts.items():
                _check(name, verdict, identities[name])
            self._remember({keys[name]: verdicts[name].peak_bytes for name in unknown})
        memory_bytes = {name: self._passes[key] for name, key in keys.items()}
        return dataclasses.replace(settings, identities=identities, memory_bytes=memory_bytes)

    async def admit_whole(self, settings: VisionSettings) -> VisionSettings:
        """``admit`` for settings that are to replace others: raises SettingsRefused with every model that did not pass."""
        identities: dict[str, str] = {}
        memory_bytes: dict[str, int] = {}
        problems = []
        for name in settings.used_models:
            cameras = {camera: it for camera, it in settings.cameras.items() if it.model == name}
            try:
                admitted = await self.admit(dataclasses.replace(settings, cameras=cameras))
            except (ModelRejected, DelegateFailed, SecretUnreadable) as error:
                problems.append(Problem(("models", name), str(error)))
                continue
            identities |= admitted.identities
            memory_bytes |= admitted.memory_bytes
        if problems:
            raise SettingsRefused("a model was refused", tuple(problems))
        return dataclasses.replace(settings, identities=identities, memory_bytes=memory_bytes)

    async def try_out(self, name: str, model: ModelSettings, stated: Stated) -> str:
        """Probe the bundle of ``model`` as what its publisher ``stated``, whether or not it passed before; returns its identity.

        Raises as ``admit`` does. What passed is admitted at once from then on.
        """
        identity = await asyncio.to_thread(_identity, model)
        verdict = (await self._probe({name: model}, stated))[name]
        _check(name, verdict, identity)
        self._remember({_key(identity, model): verdict.peak_bytes})
        return identity

    def measured_bytes(self, identity: str, model: ModelSettings) -> int:
        """What the bundle of this ``identity`` was seen to take in its probe; 0 if it never passed."""
        return self._passes.get(_key(identity, model), 0)

    async def _probe(self, models: Mapping[str, ModelSettings], stated: Stated = UNSTATED) -> dict[str, Verdict]:
        """Every verdict. A model that did not fit into its share of the memory is tried again, alone with all of it."""
        log.info("trying %s before it is loaded", ", ".join(f"model {name}" for name in models))
        verdicts = await self._try(models, stated, PROBES_AT_ONCE)
        crowded = {name: models[name] for name, verdict in verdicts.items() if _did_not_fit(verdict)}
        if crowded and len(models) > 1:
            verdicts |= await self._try(crowded, stated, 1)
        return {name: verdicts[name] for name in models}

    async def _try(self, models: Mapping[str, ModelSettings], stated: Stated, at_once: int) -> dict[str, Verdict]:
        """Every verdict, from so many probe processes at a time, among which the memory is shared."""
        waiting = list(models.items())
        workers = min(at_once, len(waiting))
        verdicts: dict[str, Verdict] = {}

        async def work() -> None:
            async with Prober() as prober:
                while waiting:
                    name, model = waiting.pop()
                    request = Request(
                        path=str(resolve(model.bundle, Path.cwd()).absolute()),
                        settings=_how(model),
                        memory_bytes=self._free_bytes() // workers,
                        deadline_s=DEADLINE_S,
                        stated=stated,
                    )
                    verdicts[name] = await prober.probe(request)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(workers):
                    tasks.create_task(work())
        except BaseExceptionGroup as group:
            raise next((error for error in group.exceptions if isinstance(error, EdgedError)), group.exceptions[0]) from group
        return verdicts

    def _remember(self, passes: dict[str, int]) -> None:
        self._passes = dict([*self._passes.items(), *passes.items()][-MAX_PASSES:])
        try:
            replace_file(self._file, msgspec.msgpack.encode(self._passes))
        except OSError as error:
            log.warning("%s: cannot be written: %s; models are tried anew at the next start", self._file, error.strerror)


def _read_passes(file: Path) -> dict[str, int]:
    """The most memory that each took, in bytes, oldest first."""
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s: cannot be read: %s; models are tried anew", file, error)
        return {}


def _identity(model: ModelSettings) -> str:
    return identify(resolve(model.bundle, Path.cwd()))


def _key(identity: str, model: ModelSettings) -> str:
    """Everything that the outcome of a probe depends on, which is not where the bundle lies, nor any accelerator."""
    facts = (identity, _how(model), installed().get(model.runtime), __version__, this_processor())
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()


def _how(model: ModelSettings) -> ModelSettings:
    """What a probe asks of the settings. Thresholds, which may be thousands, come after it, and it uses no accelerator."""
    return dataclasses.replace(
        model, bundle="-", follow=None, score_threshold=None, label_thresholds={}, edgetpu=EdgeTpuSettings(), external=None
    )


def _did_not_fit(verdict: Verdict) -> bool:
    return verdict.refusal is not None and verdict.refusal.fault == "does not fit memory"


def _check(name: str, verdict: Verdict, identity: str) -> None:
    """Say what was seen of the model; raises ModelRejected or DelegateFailed if it did not pass as what it was hashed as."""
    for line in verdict.chatter:
        log.debug("model %s: its probe printed: %s", name, line)
    refusal, measures = verdict.refusal, verdict.measures
    if refusal is not None:
        if refusal.fault == "delegate":
            raise DelegateFailed(refusal.message, hint=refusal.hint)
        raise ModelRejected(refusal.message, hint=refusal.hint, fault=refusal.fault)
    if measures is None or measures.identity != identity:
        raise ModelRejected(f"model {name}: its files changed while it was tried", hint="Start again.", fault="changed")
    log.info(
        "model %s: passed its probe: loaded in %.0f ms, run in %.0f ms, %.0f MB at most",
        *(name, measures.load_ms, measures.invoke_ms, verdict.peak_bytes / 2**20),
    )
    if not verdict.protection:
        log.warning("model %s: this kernel let the probe be shut in by limits alone", name)
