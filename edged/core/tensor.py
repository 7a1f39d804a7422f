"""Tensors at the border of an interpreter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and number format of one input or output tensor.

    ``dtype`` is numpy's name (``uint8``, ``int8``, ``float32``, ...). For quantised tensors ``real = scale * (value - zero_point)``
    (https://ai.google.dev/edge/litert/models/quantization_spec); ``scale`` 0 means not quantised.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    @property
    def quantised(self) -> bool:
        """Whether values are integers that stand for reals by ``scale`` and ``zero_point``."""
        return self.scale != 0.0 and self.dtype in {"uint8", "int8", "uint16", "int16"}

    def real(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """What ``values``, any part of such a tensor, stand for; same shape."""
        if not self.quantised:
            return values.astype(np.float32, copy=False)
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape)) or "scalar"
        quantisation = f" q({self.scale:g}, {self.zero_point})" if self.quantised else ""
        return f"{self.name} {self.dtype} [{shape}]{quantisation}"


@dataclass(frozen=True, slots=True, eq=False)
class RawOutput:
    """One output tensor after an inference; ``data`` has the shape and dtype of ``spec``."""

    spec: TensorSpec
    data: NDArray[np.generic]

    def real(self) -> NDArray[np.float32]:
        """The values as float32, dequantised by the tensor's own parameters; same shape."""
        return self.spec.real(self.data)

    @property
    def finite(self) -> bool:
        """Whether no value is infinite or NaN, which integers never are. Costs one pass: a finite sum has finite terms only."""
        if self.data.dtype.kind != "f":
            return True
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(self.data.sum()) or np.isfinite(self.data).all())
