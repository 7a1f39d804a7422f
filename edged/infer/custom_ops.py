"""Libraries of custom operators, which the configuration names (never a bundle: this is native code)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from edged.core.errors import CustomOpsUnusable
from edged.infer.settings import CUSTOM_OP


def registerers(names: Sequence[str]) -> list[Any]:
    """The functions that ``names`` ("LIBRARY:FUNCTION") mean, as the interpreter calls them; raises CustomOpsUnusable.

    Each takes a ``tflite::MutableOpResolver*``, a C++ class: the library has to be built from the headers of the very runtime.
    """
    found = []
    for name in names:
        match = CUSTOM_OP.fullmatch(name)
        assert match is not None, "the configuration was checked"
        try:
            function = getattr(ctypes.CDLL(match["library"]), match["function"])
        except OSError as error:
            raise CustomOpsUnusable(
                f"custom_ops {name}: cannot be loaded: {error}", hint="Correct the path, or install it."
            ) from error
        except AttributeError as error:
            hint = 'The function must be exported, with extern "C".'
            raise CustomOpsUnusable(f"custom_ops {name}: the library has no such function", hint=hint) from error
        function.argtypes, function.restype = [ctypes.c_void_p], None
        found.append(function)
    return found
