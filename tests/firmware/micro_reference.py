"""TensorFlow Lite Micro as a judge, in a process of its own: on some models its interpreter aborts rather than refuse.

Run as a program it is that process: pickled ``(model, invocations)`` in, ``(outputs, reason)`` out.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ARENA_BYTES = 4 << 20  # more than any generated model needs
Invocation = Sequence[np.ndarray]


class ReferenceRefused(Exception):
    """TFLM would not run the model; the text is what it printed."""


class Reference:
    """Runs models one after the other; ``run`` starts the process again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()

    def run(self, model: bytes, invocations: Sequence[Invocation]) -> list[list[np.ndarray]]:
        """The outputs of every invocation, one interpreter for all of them."""
        if self._process is None:
            program = [sys.executable, "-W", "ignore", __file__]
            self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        self._said.truncate(0)
        self._said.seek(0)
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump((model, [[*inputs] for inputs in invocations]), self._process.stdin)
            self._process.stdin.flush()
            outputs, reason = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            status = self._end()
            raise ReferenceRefused(f"it ended with {status}: {self._text()}") from None
        if outputs is None:
            raise ReferenceRefused(f"{reason}: {self._text()}")
        return outputs  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._process is not None:
            self._end()
        self._said.close()

    def _end(self) -> int:
        assert self._process and self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        status, self._process = self._process.wait(), None
        return status

    def _text(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()[-500:]


def _outputs(runtime: Any, model: bytes, invocations: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    made = []
    for inputs in invocations:
        for index, values in enumerate(inputs):
            interpreter.set_input(values, index)
        interpreter.invoke()
        made.append([interpreter.get_output(index).copy() for index in range(_count(model))])
    return made


def _count(model: bytes) -> int:
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAsModel(model, 0).Subgraphs(0).OutputsLength()


def _serve() -> None:
    from tflite_micro.python.tflite_micro import runtime

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the interpreter prints must not get among the answers
    while True:
        try:
            model, invocations = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: tuple[Any, str] = _outputs(runtime, model, invocations), ""
        except (RuntimeError, ValueError, TypeError) as error:
            answer = None, str(error)
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    _serve()
