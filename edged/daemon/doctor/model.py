"""Models: whether a bundle is whole, says how it reads, and passes the same trial as before the daemon loads it."""

from __future__ import annotations

import asyncio
import os

from edged.core.errors import EdgedError, ModelRejected, SecretUnreadable
from edged.core.model import ModelManifest
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import code_of, trouble
from edged.infer.bundle import Bundle, load_bundle, resolve
from edged.infer.probe.machine import free_bytes
from edged.infer.probe.prober import GRACE_S, START_DEADLINE_S, Prober
from edged.infer.probe.records import Request, Verdict
from edged.infer.runtime import PACKAGES, TFLITE_FIX, installed
from edged.infer.settings import ModelSettings

TRIAL_S = 60.0
"""For one model: reading a large one from a slow SD card, and two inferences."""

WITHIN_S = START_DEADLINE_S + TRIAL_S + GRACE_S


def check_model(name: str, settings: ModelSettings, *, memory_bytes: int | None = None, deadline_s: float = TRIAL_S) -> Finding:
    """Read the bundle, and have it tried with ``memory_bytes`` (unset: half of what is free, since two are tried at a time)."""
    check = f"model {name}"
    if settings.key_credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        what = f"not tried: systemd hands the credential {settings.key_credential!r} to the unit alone"
        return Finding(check, "skip", what, "The unit's own log says whether it serves: `journalctl -u edged`.")
    try:
        path = resolve(settings.bundle)
        bundle = load_bundle(path)
        if settings.runtime not in installed():
            return trouble(check, "model-runtime-missing", f"{PACKAGES[settings.runtime]} is not installed", TFLITE_FIX)
        memory_bytes = free_bytes() // 2 if memory_bytes is None else memory_bytes
        request = Request(path=str(path.absolute()), settings=settings, memory_bytes=memory_bytes, deadline_s=deadline_s)
        verdict = asyncio.run(_probe(request))
    except ModelRejected as error:
        return _refused(check, error.fault, error.message, error.hint)
    except EdgedError as error:
        code = code_of("secret", error.fault) if isinstance(error, SecretUnreadable) else "model-probe-fails"
        return trouble(check, code, error.message, error.hint)
    if verdict.refusal is not None:
        return _refused(check, verdict.refusal.fault, verdict.refusal.message, verdict.refusal.hint)
    return _passed(check, bundle, verdict)


async def _probe(request: Request) -> Verdict:
    async with Prober() as prober:
        return await prober.probe(request)


def _refused(check: str, fault: str, what: str, hint: str) -> Finding:
    if fault == "changed":
        return Finding(check, "skip", what, "Ask again when its files are in place.")
    return trouble(check, code_of("model", fault), what, hint)


def _passed(check: str, bundle: Bundle, verdict: Verdict) -> Finding:
    manifest = bundle.manifest
    what = f"{manifest.name} {manifest.version}, decoder {manifest.decoder.name}, {_labels(manifest)}, {bundle.digest[:12]}"
    if not manifest.labels:
        return trouble(check, "model-without-labels", what)
    took = f", {verdict.measures.invoke_ms:.0f} ms an inference" if verdict.measures else ""
    return Finding(check, "ok", what + took)


def _labels(manifest: ModelManifest) -> str:
    return "1 label" if len(manifest.labels) == 1 else f"{len(manifest.labels)} labels"
