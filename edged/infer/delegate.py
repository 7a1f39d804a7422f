"""Delegate plug-ins: which one a model is to run on, and how its library is loaded. Free of numpy.

Whatever keeps an accelerator from running a model is DelegateFailed, with the library, the device and what to do. A library that
ends the process cannot be caught here: ``edged.daemon.accelerators`` deals with that.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edged.core.errors import DelegateFailed
from edged.infer import edgetpu
from edged.infer.manifest import Variant
from edged.infer.runtime import Runtime
from edged.infer.settings import ModelSettings
from edged.infer.text import quoted

CREATE, DESTROY = "tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"
"""What a plug-in exports (tflite/delegates/external/external_delegate_interface.h of https://github.com/google-ai-edge/LiteRT)."""

Guard = AbstractContextManager[object]
"""Entered around every call into an accelerator's native code, once or many times, by one thread at a time."""

ABSENT_FIX = {
    "edgetpu": "Install libedgetpu1-std (https://coral.ai/docs/accelerator/get-started), or name it: edgetpu = { library = ... }.",
    "external": "Install it, or correct the path.",
}

FOREIGN_FIX = (
    "It was built for another system or another TensorFlow Lite: take a build for this one and for the runtime that is used "
    "(libedgetpu as Coral ships it fits neither LiteRT nor tflite-runtime 2.12 and later; rebuilt ones exist)."
)

FAULT_FIX = "dmesg shows faults of USB and power; a library that was built for another runtime fails in this way as well."


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A delegate plug-in, the options it gets, and the variant of a bundle that it runs; ``root`` is where /sys and /dev are."""

    name: Literal["edgetpu", "external"]
    variant: Variant
    library: str
    options: dict[str, str] = field(default_factory=dict)
    root: Path = Path("/")


def wanted(settings: ModelSettings, variants: Collection[str]) -> bool:
    """Whether a bundle with these ``variants`` is to run on an accelerator if one is there."""
    return settings.delegate in {"edgetpu", "external"} or (settings.delegate == "auto" and "edgetpu" in variants)


def choose(settings: ModelSettings, variants: Collection[str], root: Path = Path("/")) -> Accelerator | None:
    """The accelerator that ``settings`` want for a bundle with these ``variants``, ``None`` for the CPU.

    Raises DelegateFailed if the bundle or the machine has nothing for it; with "auto", a bundle without a variant for the Edge TPU
    means the CPU.
    """
    if not wanted(settings, variants):
        return None
    if settings.delegate == "external":
        assert settings.external is not None, "the configuration was checked"
        return Accelerator("external", "cpu", settings.external.library, settings.external.options, root)
    if "edgetpu" not in variants:
        raise DelegateFailed(
            f'{settings.bundle}: delegate = "edgetpu", and the bundle has no variant for the Edge TPU',
            hint="Compile the quantised model with edgetpu_compiler and name the result as edgetpu in [files] of model.toml.",
            fault="no variant",
        )
    device = settings.edgetpu.device
    if found := edgetpu.trouble(device, root):
        raise found
    return Accelerator("edgetpu", "edgetpu", settings.edgetpu.library, {"device": device} if device else {}, root)


def load_plugin(runtime: Runtime, accelerator: Accelerator) -> Any:
    """The plug-in's delegate, for the interpreter of ``runtime``; raises DelegateFailed."""
    name = accelerator.library
    # Looked at before the runtime does: its own wrapper prints a traceback when it is thrown away half made.
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise loading_failure(accelerator, str(error)) from error
    if missing := [symbol for symbol in (CREATE, DESTROY) if not hasattr(library, symbol)]:
        raise DelegateFailed(f"{name}: no delegate plug-in, it has no {missing[0]}", hint=ABSENT_FIX[accelerator.name])
    try:
        return runtime.module.load_delegate(name, accelerator.options)
    except ValueError as error:
        said = quoted(str(error).partition("\n")[2]) or "it does not say why"
        raise DelegateFailed(
            f"{name}: {said} (options {', '.join(accelerator.options) or 'none'})", hint=_creation_hint(accelerator)
        ) from error


def loading_failure(accelerator: Accelerator, said: str) -> DelegateFailed:
    """What it means that the dynamic loader ``said`` this about a plug-in."""
    message = f"{accelerator.library}: cannot be loaded: {said}"
    if accelerator.library in said and "No such file" in said:  # and not a library that it needs
        return DelegateFailed(message, hint=ABSENT_FIX[accelerator.name], fault="library missing")
    return DelegateFailed(message, hint=FOREIGN_FIX, fault="library unusable")


def _creation_hint(accelerator: Accelerator) -> str:
    if accelerator.name == "external":
        return "Look at its manual for what it needs, and whether another program uses the device."
    found = edgetpu.trouble(accelerator.options.get("device", ""), accelerator.root)
    return found.hint if found else "Another program may use the Edge TPU; unplugging it and plugging it in again resets it."
