"""What a runtime says when it will not take a model, in edged's words."""

from __future__ import annotations

import math

import numpy as np

from edged.core.errors import ModelFault, ModelRejected
from edged.core.tensor import TensorSpec
from edged.infer.graph import EDGETPU_OP
from edged.infer.text import quoted

_UNSUPPORTED = ("unresolved custom op", "didn't find op", "op builtin_code out of range", "unsupported builtin")


def refused(where: str, doing: str, error: Exception, runtime: str) -> ModelRejected:
    """The ``runtime`` raised ``error`` while ``doing`` something ("load", "run") with the model ``where``.

    It says nothing where an allocation fails, and a line for each thing that it dislikes otherwise.
    """
    said = quoted(str(error))
    if not said:
        return ModelRejected(
            f"{where}: {runtime} cannot {doing} it: there is not enough memory",
            hint="Use a smaller model, or one with a smaller input.",
            fault="does not fit memory",
        )
    fault: ModelFault = "unsupported op" if any(words in said.lower() for words in _UNSUPPORTED) else "corrupt"
    return ModelRejected(f"{where}: {runtime} cannot {doing} it: {said}", hint=_hint(said), fault=fault)


def _hint(said: str) -> str:
    if EDGETPU_OP in said:
        return "the file is compiled for the Edge TPU; name what it was compiled from as cpu"
    if "unresolved custom op" in said:
        return 'a library can bring it: custom_ops = ["LIBRARY:FUNCTION"] of the model'
    return "see edged model inspect"


def checked_tensor(where: str, spec: TensorSpec) -> TensorSpec:
    """``spec`` if its values are numbers that can be computed with; otherwise ModelRejected."""
    if np.dtype(spec.dtype).kind not in "biuf":
        raise ModelRejected(f"{where}: tensor {spec} does not hold numbers")
    if not math.isfinite(spec.scale):
        raise ModelRejected(f"{where}: tensor {spec} has no finite scale", fault="corrupt")
    return spec
