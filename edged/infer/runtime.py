"""The interpreters that can run a model: LiteRT, and the older tflite-runtime with the same Python interface."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from edged.core.errors import RuntimeUnavailable
from edged.infer.settings import RuntimeName

PACKAGES: dict[RuntimeName, str] = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
"""The distribution of each runtime."""

_MODULES: dict[RuntimeName, str] = {"litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}

TFLITE_FIX = "It needs Python 3.11 and numpy 1.26: `pip install 'edged[tflite-runtime]'` in an environment of its own."


@dataclass(frozen=True, slots=True)
class Runtime:
    """A loaded runtime: ``description`` is its package and version, ``module`` the Python module of its interpreter."""

    description: str
    module: Any


def installed() -> dict[RuntimeName, str]:
    """Package and version of every runtime that is installed; loads none of them."""
    found: dict[RuntimeName, str] = {}
    for name, package in PACKAGES.items():
        try:
            found[name] = f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return found


def load_runtime(name: RuntimeName) -> Runtime:
    """Load the runtime called ``name``; raises RuntimeUnavailable if it is not installed or does not fit this environment."""
    description = installed().get(name)
    fix = TFLITE_FIX if name == "tflite-runtime" else "Install edged and its dependencies again."
    if description is None:
        raise RuntimeUnavailable(f'runtime = "{name}": {PACKAGES[name]} is not installed', hint=fix)
    if name == "tflite-runtime" and not (numpy := metadata.version("numpy")).startswith("1."):
        # It imports, and fails with a SystemError at the first model.
        raise RuntimeUnavailable(f"{description} was built for numpy 1, here is numpy {numpy}", hint=fix)
    try:
        return Runtime(description, importlib.import_module(_MODULES[name]))
    except ImportError as error:
        raise RuntimeUnavailable(f"{description} cannot be loaded: {error}", hint=fix) from error
