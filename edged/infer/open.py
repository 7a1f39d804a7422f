"""From a model's settings to an engine: on the accelerator that they want, or on the CPU with the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from edged.core.errors import DelegateFailed, ModelRejected
from edged.infer.bundle import Bundle
from edged.infer.delegate import Accelerator, Guard, choose
from edged.infer.encryption import Key, key_of
from edged.infer.engine import CpuDelegate, Engine
from edged.infer.settings import ModelSettings


def open_engine(
    bundle: Bundle,
    settings: ModelSettings,
    *,
    avoid: str = "",
    guard: Guard | None = None,
    root: Path = Path("/"),
    key: Key | None = None,
) -> Engine:
    """Load ``bundle`` as ``settings`` say; raises what ``Engine`` raises, and SecretUnreadable.

    ``key`` stands in for the one that the settings name.

    ``avoid``, if not empty, says why no accelerator is to be tried now: the CPU it is. With the delegate "auto" an accelerator that
    fails is replaced by the CPU; with one that is named it is DelegateFailed. Neither helps where its library ends the process:
    ``guard`` is entered while its code may run. ``root`` is where /sys and /dev are.
    """
    guard = guard or nullcontext()
    cpu: CpuDelegate = settings.delegate if settings.delegate in {"xnnpack", "none"} else "auto"
    if bundle.encrypted and key is None:
        key = key_of(settings)
    engine = partial(
        Engine, bundle, threads=settings.threads, delegate=cpu, runtime=settings.runtime, custom_ops=settings.custom_ops, key=key
    )
    if avoid:
        return engine(fallback=avoid)
    with guard:
        try:
            accelerator = choose(settings, bundle.paths, root)
            if accelerator is not None:
                return _on(accelerator, partial(engine, guard=guard))
            why_not = ""
        except DelegateFailed as error:
            if settings.delegate != "auto":
                raise
            why_not = str(error)
    return engine(fallback=why_not)


def _on(accelerator: Accelerator, engine: Callable[..., Engine]) -> Engine:
    """The engine on the accelerator; a variant for it that is at fault is no fault of the model that the CPU runs."""
    try:
        return engine(accelerator=accelerator)
    except ModelRejected as error:
        raise DelegateFailed(error.message, hint=error.hint) from error
