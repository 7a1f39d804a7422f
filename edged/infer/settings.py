"""What can be said about a model to run. Free of numpy: the main process reads it too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from pathlib import PurePath
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from edged.core.followed import FOLLOWED
from edged.core.settings import settings

Delegate = Literal["auto", "xnnpack", "none", "edgetpu", "external"]
"""Who executes the operators: the best that is there, XNNPACK, the interpreter's own kernels, an Edge TPU, or another plug-in."""

RuntimeName = Literal["litert", "tflite-runtime"]
"""The interpreter: LiteRT (ai-edge-litert), or the older tflite-runtime that Coral's libraries were built against."""

EDGETPU_DEVICE = re.compile(r"(usb|pci)?(:\d{1,3})?")
"""How libedgetpu names a device: a kind, a number, both, or "" for the first of any kind."""

CUSTOM_OP = re.compile(r"(?P<library>.+):(?P<function>[A-Za-z_]\w*)")


@settings
class EdgeTpuSettings:
    """Coral's Edge TPU."""

    device: str = ""
    """"usb" or "pci", ":1" for the second device, "usb:1" for the second of that kind; empty takes the first."""

    library: Annotated[str, MinLen(1)] = "libedgetpu.so.1"
    """Its delegate plug-in: a name that the dynamic loader finds, or an absolute path."""


@settings
class ExternalSettings:
    """A delegate plug-in of another accelerator. Native code of your choosing: it runs with all rights of the vision process."""

    library: Annotated[str, MinLen(1)]
    """A shared library with ``tflite_plugin_create_delegate``: a name that the dynamic loader finds, or an absolute path."""

    options: dict[str, str] = field(default_factory=dict)
    """What its manual calls options, handed over as they are."""


@settings
class ModelSettings:
    """One model, under a name that cameras refer to."""

    bundle: Annotated[str, MinLen(1)]
    """A bundle directory, a .tflite file (both with a "/" or ending in .tflite), or the name of a model in the catalogue."""

    follow: str | None = None
    """The id under which a publisher signs updates of this model; what is installed serves instead of ``bundle``, which is where it
    begins and what it can always go back to. Needs ``[ota]``."""

    threads: Annotated[int, Ge(1), Le(64)] | None = None
    """Threads for one inference; unset takes what suits the number of CPUs."""

    runtime: RuntimeName = "litert"
    """The interpreter that runs the model; "tflite-runtime" has to be installed besides."""

    delegate: Delegate = "auto"
    """Who executes the operators. "auto" is the Edge TPU if the bundle has a variant for it and one is connected, else XNNPACK. An
    accelerator that is named has to work at the start; one that fails later is replaced by the CPU until it works again."""

    key_file: Annotated[str, MinLen(1)] | None = None
    """File with the key of an encrypted bundle, 64 hexadecimal digits; readable by its owner only."""

    key_credential: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """Name of the systemd credential (``LoadCredential=``) that holds the key."""

    edgetpu: EdgeTpuSettings = EdgeTpuSettings()
    """Which Edge TPU, for the delegates "edgetpu" and "auto"."""

    external: ExternalSettings | None = None
    """The plug-in of the delegate "external"."""

    custom_ops: tuple[str, ...] = ()
    """Libraries of custom operators, as "LIBRARY:FUNCTION" with the function that registers them. Native code of your choosing."""

    score_threshold: Annotated[float, Gt(0), Le(1)] | None = None
    """Detections below this score are not seen; unset takes what the model's manifest says."""

    label_thresholds: dict[str, Annotated[float, Gt(0), Le(1)]] = field(default_factory=dict)
    """The same for single labels, such as `{ person = 0.4, bird = 0.7 }`."""


def model_problems(model: ModelSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a model's settings besides the types, each with the key below the model's table."""
    if model.follow is not None and not FOLLOWED.fullmatch(model.follow):
        yield ("follow",), f'got "{model.follow}", expected up to 32 of a-z, 0-9, "_" and "-"'
    if model.key_file is not None and model.key_credential is not None:
        yield ("key_credential",), "set beside key_file; keep one"
    if not EDGETPU_DEVICE.fullmatch(model.edgetpu.device):
        yield (
            ("edgetpu", "device"),
            f'got "{model.edgetpu.device}", expected "usb", "pci", either with a number as in "usb:1", or ":1"',
        )
    if model.delegate == "external" and model.external is None:
        yield ("delegate",), "the library is missing, expected a table external = { library = ... } beside it"
    if model.delegate != "external" and model.external is not None:
        yield ("external",), f'not used with delegate = "{model.delegate}", expected delegate = "external" beside it'
    if not is_library(model.edgetpu.library):
        yield ("edgetpu", "library"), _not_a_library(model.edgetpu.library)
    if model.external is not None and not is_library(model.external.library):
        yield ("external", "library"), _not_a_library(model.external.library)
    for text in model.custom_ops:
        match = CUSTOM_OP.fullmatch(text)
        if match is None:
            yield ("custom_ops",), f'got "{text}", expected "LIBRARY:FUNCTION"'
        elif not is_library(match["library"]):
            yield ("custom_ops",), _not_a_library(match["library"])


def is_library(text: str) -> bool:
    """Whether ``text`` says which library is meant; a relative path would depend on the working directory."""
    return "\0" not in text and ("/" not in text or PurePath(text).is_absolute())


def _not_a_library(text: str) -> str:
    return f'got "{text}", expected an absolute path, or a name without "/" that the dynamic loader finds'


def is_path(bundle: str) -> bool:
    """Whether ``ModelSettings.bundle`` names something on disk and not in the catalogue."""
    return "/" in bundle or bundle.endswith(".tflite")
