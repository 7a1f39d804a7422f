"""firmware/ml's native engine on this machine, by ctypes, and what judges it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8}
_ALIGNMENT = 16


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint8),
        ("rank", ctypes.c_uint8),
        ("dims", ctypes.c_int32 * 6),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint32),
    ]


class _Diagnosis(ctypes.Structure):
    _fields_ = [
        ("status", ctypes.c_uint8),
        ("what", ctypes.c_char_p),
        ("op_index", ctypes.c_int32),
        ("op_code", ctypes.c_int32),
        ("needed", ctypes.c_uint32),
        ("custom", ctypes.c_void_p),
        ("custom_bytes", ctypes.c_size_t),
    ]


class Refused(Exception):
    """What load() found wrong, with the fields of Diagnosis."""

    def __init__(self, diagnosis: _Diagnosis) -> None:
        self.status, self.what = diagnosis.status, diagnosis.what.decode()
        self.op_index, self.op_code, self.needed = diagnosis.op_index, diagnosis.op_code, diagnosis.needed
        self.custom = ctypes.string_at(diagnosis.custom, diagnosis.custom_bytes).decode() if diagnosis.custom else ""
        super().__init__(
            f"{self.what} (status {self.status}, operator {self.op_index}, code {self.op_code}, needs {self.needed} bytes)"
        )


def _aligned(size: int) -> tuple[Any, int]:
    """Memory of this many bytes at a multiple of 16, and its address."""
    memory = (ctypes.c_uint8 * (size + _ALIGNMENT))()
    return memory, -(-ctypes.addressof(memory) // _ALIGNMENT) * _ALIGNMENT


class NativeEngine:
    """One loaded model; raises :class:`Refused`."""

    def __init__(self, library: Path, model: bytes, arena_bytes: int = 1 << 20, *, model_offset: int = 0) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.edged_ml_new.restype = ctypes.c_void_p
        self._engine = ctypes.c_void_p(self._library.edged_ml_new())
        self._model, model_at = _aligned(len(model) + model_offset)
        model_at += model_offset
        ctypes.memmove(model_at, model, len(model))
        self._arena, arena_at = _aligned(arena_bytes)
        load = self._library.edged_ml_load
        if load(self._engine, ctypes.c_void_p(model_at), len(model), ctypes.c_void_p(arena_at), arena_bytes) != 0:
            diagnosis = _Diagnosis()
            self._library.edged_ml_diagnosis(self._engine, ctypes.byref(diagnosis))
            raise Refused(diagnosis)
        self.arena_used: int = self._library.edged_ml_arena_used(self._engine)
        self.inputs = [self._view("input", i) for i in range(self._library.edged_ml_inputs(self._engine))]
        self.outputs = [self._view("output", i) for i in range(self._library.edged_ml_outputs(self._engine))]

    def __del__(self) -> None:
        self._library.edged_ml_delete(self._engine)

    def invoke(self, *inputs: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """Copies of the outputs."""
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine[...] = given
        status = self._library.edged_ml_invoke(self._engine)
        assert status == 0, status
        return [output.copy() for output in self.outputs]

    def reset_state(self) -> None:
        self._library.edged_ml_reset_state(self._engine)

    def _view(self, side: str, index: int) -> np.ndarray[Any, Any]:
        tensor = _Tensor()
        getattr(self._library, f"edged_ml_{side}")(self._engine, index, ctypes.byref(tensor))
        values = (ctypes.c_uint8 * tensor.bytes).from_address(tensor.data)
        return np.frombuffer(values, _TYPES[tensor.type]).reshape(tuple(tensor.dims[: tensor.rank]))


def has_operator(library: Path, code: int) -> bool:
    """What the engine says of a BuiltinOperator of TFLite's schema."""
    has = ctypes.CDLL(str(library)).edged_ml_has_operator
    has.restype = ctypes.c_bool
    return bool(has(ctypes.c_int32(code)))


def reference(model: bytes, arena_bytes: int = 1 << 20) -> Any:
    """TensorFlow Lite Micro itself, on this machine."""
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)


def by_reference(interpreter: Any, inputs: Sequence[np.ndarray[Any, Any]], outputs: int) -> list[np.ndarray[Any, Any]]:
    for index, given in enumerate(inputs):
        interpreter.set_input(given, index)
    interpreter.invoke()
    return [np.array(interpreter.get_output(index)) for index in range(outputs)]
