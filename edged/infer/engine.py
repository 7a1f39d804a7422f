"""One loaded model on one accelerator.

Rules: an engine is used by one thread at a time; outputs are copies, so that they outlive the next inference; a runtime's own
exceptions end here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import DelegateFailed, ModelRejected
from edged.core.tensor import RawOutput, TensorSpec
from edged.infer.bundle import Bundle
from edged.infer.refusal import checked_tensor, refused
from edged.infer.settings import Delegate
from edged.infer.state import Recurrence, State
from edged.infer.text import quoted

MAX_THREADS = 4
"""XNNPACK gains little beyond four threads on the models that fit an edge device, and a Pi has no more cores."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs the model: ``delegate_nodes`` counts the graph nodes that a delegate took over, which proves its presence."""

    runtime: str
    delegate: str
    delegate_nodes: int
    threads: int
    self_test_ms: float


def default_threads() -> int:
    """All usable cores but one, which stays free for capture and preprocessing; at least 1, at most ``MAX_THREADS``."""
    return max(1, min(MAX_THREADS, len(os.sched_getaffinity(0)) - 1))


class Engine:
    """A model loaded into LiteRT, checked with one inference.

    Raises ModelRejected if the model cannot be loaded or run, DelegateFailed if ``xnnpack`` is asked for and takes no node.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None, delegate: Delegate = "auto") -> None:
        self.bundle = bundle
        self._where = f"model {bundle.manifest.name} ({bundle.paths['cpu']})"
        self._interpreter = self._load(bundle, threads or default_threads(), delegate)
        taken, given = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        inputs, outputs = ([checked_tensor(self._where, _spec(detail)) for detail in details] for details in (taken, given))
        self._recurrence = Recurrence(bundle.manifest.states, inputs, outputs, self._where)
        self.input = inputs[self._recurrence.picture]
        self.outputs = tuple(outputs[place] for place in self._recurrence.results)
        self._input_indexes: tuple[int, ...] = tuple(detail["index"] for detail in taken)
        self._output_indexes: tuple[int, ...] = tuple(detail["index"] for detail in given)
        nodes = self._delegate_nodes()
        if delegate == "xnnpack" and nodes == 0:
            raise DelegateFailed(
                f"{self._where}: XNNPACK took none of the model's operators",
                hint='delegate = "auto" runs it on slower kernels; /proc/cpuinfo must be readable (systemd: no ProcSubset=pid)',
            )
        self.info = EngineInfo(
            runtime=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
            delegate="xnnpack" if nodes else "none",
            delegate_nodes=nodes,
            threads=threads or default_threads(),
            self_test_ms=self._self_test(),
        )

    def new_state(self) -> State:
        """What a camera's first inference begins with; empty for a model without states."""
        return self._recurrence.begin()

    def infer(self, fill: Callable[[NDArray[np.generic]], None], state: State | None = None) -> list[RawOutput]:
        """Let ``fill`` write the picture's tensor in place, run the model, and return copies of the outputs in the model's order.

        ``state`` is that of the camera, and is brought up to date; without one, the model sees its first picture. Outputs that
        belong to the state are not among those returned.
        """
        state = state or self.new_state()
        get, indexes = self._interpreter.get_tensor, self._output_indexes
        try:
            fill(self._interpreter.tensor(self._input_indexes[self._recurrence.picture])())
            for loop, value in zip(self._recurrence.loops, state.values, strict=True):
                self._interpreter.set_tensor(self._input_indexes[loop.input], value)
            self._interpreter.invoke()
            state.values = self._recurrence.after([get(indexes[loop.output]) for loop in self._recurrence.loops])
            places = self._recurrence.results
            return [RawOutput(spec, get(indexes[place])) for spec, place in zip(self.outputs, places, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise refused(self._where, "run", error) from error

    def _load(self, bundle: Bundle, threads: int, delegate: Delegate) -> Any:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if delegate == "none" else OpResolverType.AUTO
        try:
            with bundle.pinned("cpu") as path:
                interpreter = Interpreter(model_path=path, num_threads=threads, experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
            # Names that are not UTF-8 raise here, and nowhere later.
            interpreter.get_input_details(), interpreter.get_output_details(), interpreter._get_ops_details()
        except (ValueError, RuntimeError) as error:
            raise refused(self._where, "load", error) from error
        return interpreter

    def _delegate_nodes(self) -> int:
        # No public call lists the execution plan; the log line about XNNPACK appears even if it takes no node.
        return sum(detail["op_name"] == "DELEGATE" for detail in self._interpreter._get_ops_details())

    def _self_test(self) -> float:
        """One inference on a mid-grey picture; milliseconds. Outputs must be finite: NaN here means NaN on every frame."""
        info = np.iinfo(self.input.dtype) if np.issubdtype(np.dtype(self.input.dtype), np.integer) else None
        grey = 0 if info is None else (int(info.min) + int(info.max) + 1) // 2
        started = time.perf_counter()
        outputs = self.infer(lambda tensor: tensor.fill(grey))
        elapsed_ms = (time.perf_counter() - started) * 1e3
        for output in outputs:
            if not np.isfinite(output.real()).all():
                raise ModelRejected(f"{self._where}: output {output.spec.name} is not finite on a grey picture")
        return elapsed_ms


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        quoted(detail["name"]),
        tuple(int(n) for n in detail["shape"]),
        np.dtype(detail["dtype"]).name,
        float(scale),
        int(zero_point),
    )
