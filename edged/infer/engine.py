"""One loaded model on one accelerator.

Rules: an engine is used by one thread at a time; outputs are copies, so that they outlive the next inference; a runtime's own
exceptions end here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import DelegateFailed, EdgedError, ModelRejected
from edged.core.tensor import RawOutput, TensorSpec
from edged.infer.bundle import Bundle
from edged.infer.custom_ops import registerers
from edged.infer.delegate import FAULT_FIX, Accelerator, Guard, load_plugin
from edged.infer.encryption import Key, read_model
from edged.infer.graph import EDGETPU_OP
from edged.infer.manifest import Variant
from edged.infer.refusal import checked_tensor, refused
from edged.infer.runtime import load_runtime
from edged.infer.settings import RuntimeName
from edged.infer.state import Recurrence, State
from edged.infer.text import quoted

MAX_THREADS = 4
"""XNNPACK gains little beyond four threads on the models that fit an edge device, and a Pi has no more cores."""

CpuDelegate = Literal["auto", "xnnpack", "none"]
"""XNNPACK if it takes operators, XNNPACK or an error, or the interpreter's own kernels."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs the model: ``delegate_nodes`` counts the graph nodes that the delegate took over, which proves its presence.

    ``fallback`` says why an accelerator that was wanted does not run it.
    """

    runtime: str
    delegate: str
    delegate_nodes: int
    threads: int
    self_test_ms: float
    fallback: str


def default_threads() -> int:
    """All usable cores but one, which stays free for capture and preprocessing; at least 1, at most ``MAX_THREADS``."""
    return max(1, min(MAX_THREADS, len(os.sched_getaffinity(0)) - 1))


class Engine:
    """A model loaded into an interpreter, checked with one inference.

    With an ``accelerator`` its variant of the bundle runs, on that delegate plug-in besides the CPU, and ``guard`` is entered for
    each inference. Raises ModelRejected if the model cannot be loaded or run, DelegateFailed in its place with an accelerator, and
    also if ``xnnpack`` is asked for and takes no node; RuntimeUnavailable and CustomOpsUnusable. ``key`` opens an encrypted model.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        delegate: CpuDelegate = "auto",
        runtime: RuntimeName = "litert",
        custom_ops: Sequence[str] = (),
        accelerator: Accelerator | None = None,
        guard: Guard | None = None,
        fallback: str = "",
        key: Key | None = None,
    ) -> None:
        self.bundle = bundle
        self._accelerator = accelerator
        self._guard: Guard = guard or nullcontext()
        self._variant: Variant = accelerator.variant if accelerator else "cpu"
        self._where = f"model {bundle.manifest.name} ({bundle.paths[self._variant]})"
        self._runtime = load_runtime(runtime)
        threads = threads or default_threads()
        self._how = (threads, delegate, custom_ops, key)
        self._interpreter, plugin_nodes = self._load(*self._how)
        taken, given = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        inputs, outputs = ([checked_tensor(self._where, _spec(detail)) for detail in details] for details in (taken, given))
        self._recurrence = Recurrence(bundle.manifest.states, inputs, outputs, self._where)
        self.input = inputs[self._recurrence.picture]
        self.outputs = tuple(outputs[place] for place in self._recurrence.results)
        self._input_indexes: tuple[int, ...] = tuple(detail["index"] for detail in taken)
        self._output_indexes: tuple[int, ...] = tuple(detail["index"] for detail in given)
        nodes = plugin_nodes if accelerator else _delegate_nodes(self._interpreter)
        if nodes == 0:
            self._check_no_nodes(delegate)
        self.info = EngineInfo(
            runtime=self._runtime.description,
            delegate=accelerator.name if accelerator else "xnnpack" if nodes else "none",
            delegate_nodes=nodes,
            threads=threads,
            self_test_ms=self._self_test(),
            fallback=fallback,
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
            with self._guard:
                fill(self._interpreter.tensor(self._input_indexes[self._recurrence.picture])())
                for loop, value in zip(self._recurrence.loops, state.values, strict=True):
                    self._interpreter.set_tensor(self._input_indexes[loop.input], value)
                self._interpreter.invoke()
                state.values = self._recurrence.after([get(indexes[loop.output]) for loop in self._recurrence.loops])
                places = self._recurrence.results
                return [RawOutput(spec, get(indexes[place])) for spec, place in zip(self.outputs, places, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise self._blamed(refused(self._where, "run", error, self._runtime.description)) from error

    def release(self) -> None:
        """Give the interpreter's memory back, between two inferences; ``restore`` has to come before the next one."""
        self._interpreter = None

    def restore(self) -> None:
        """Load again what was released, from the same file, and check it; raises what the constructor does."""
        self._interpreter, _ = self._load(*self._how)
        self._self_test()

    def peek(self, tensor: int) -> NDArray[np.generic]:
        """A copy of the graph's tensor of that number after an inference; raises ModelRejected where it cannot be read.

        Only of an output, or of what the last operator reads, is it sure that nothing else was put in its place meanwhile.
        """
        try:
            return self._interpreter.get_tensor(tensor)  # type: ignore[no-any-return]
        except (RuntimeError, ValueError) as error:
            raise refused(self._where, "read a tensor of", error, self._runtime.description) from error

    def _load(self, threads: int, cpu: CpuDelegate, ops: Sequence[str], key: Key | None) -> tuple[Any, int]:
        """The interpreter, and how many nodes the accelerator's plug-in took before XNNPACK was offered the rest."""
        module = self._runtime.module
        kinds = module.OpResolverType
        resolver = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES if cpu == "none" else kinds.AUTO
        plugins = [load_plugin(self._runtime, self._accelerator)] if self._accelerator else None
        try:
            with self._model(key) as model:
                interpreter = module.InterpreterWithCustomOps(
                    custom_op_registerers=registerers(ops),
                    **model,
                    num_threads=threads,
                    experimental_op_resolver_type=resolver,
                    experimental_delegates=plugins,
                )
            nodes = _delegate_nodes(interpreter)
            interpreter.allocate_tensors()
            # Names that are not UTF-8 raise here, and nowhere later.
            interpreter.get_input_details(), interpreter.get_output_details(), interpreter._get_ops_details()
        except (ValueError, RuntimeError) as error:
            if self._accelerator and EDGETPU_OP in str(error):
                self._check_no_nodes(cpu)
            raise self._blamed(refused(self._where, "load", error, self._runtime.description)) from error
        return interpreter, nodes

    @contextmanager
    def _model(self, key: Key | None) -> Iterator[dict[str, str | bytes]]:
        """How the interpreter is to take the model: mapped from its file, or from memory alone if it is encrypted."""
        if self._variant in self.bundle.encrypted:
            yield {"model_content": read_model(self.bundle, self._variant, key)}
            return
        with self.bundle.pinned(self._variant) as path:
            yield {"model_path": path}

    def _check_no_nodes(self, cpu: CpuDelegate) -> None:
        """A delegate that was asked for and takes nothing is an error: everything would run on the CPU, and nobody would know."""
        if self._accelerator:
            hint = "The model was not compiled for it, its operators are not supported, or the library fits another runtime."
            raise DelegateFailed(f"{self._where}: {self._accelerator.library} took none of the model's operators", hint=hint)
        if cpu == "xnnpack":
            hint = 'delegate = "auto" runs it on slower kernels; /proc/cpuinfo must be readable (systemd: no ProcSubset=pid)'
            raise DelegateFailed(f"{self._where}: XNNPACK took none of the model's operators", hint=hint)

    def _blamed(self, error: ModelRejected) -> EdgedError:
        """``error``, in the class that says whose fault it is."""
        if self._accelerator:
            return DelegateFailed(f"{self._accelerator.library}: {error.message}", hint=FAULT_FIX)
        return error

    def _self_test(self) -> float:
        """One inference on a mid-grey picture; milliseconds. Outputs must be finite: NaN here means NaN on every frame."""
        info = np.iinfo(self.input.dtype) if np.issubdtype(np.dtype(self.input.dtype), np.integer) else None
        grey = 0 if info is None else (int(info.min) + int(info.max) + 1) // 2
        started = time.perf_counter()
        outputs = self.infer(lambda tensor: tensor.fill(grey))
        elapsed_ms = (time.perf_counter() - started) * 1e3
        for output in outputs:
            if not output.finite:
                said = f"{self._where}: output {output.spec.name} is not finite on a grey picture"
                raise self._blamed(ModelRejected(said, fault="not finite"))
        return elapsed_ms


def _delegate_nodes(interpreter: Any) -> int:
    # No public call lists the execution plan; the log line about XNNPACK appears even if it takes no node.
    return sum(detail["op_name"] == "DELEGATE" for detail in interpreter._get_ops_details())


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        quoted(detail["name"]),
        tuple(int(n) for n in detail["shape"]),
        np.dtype(detail["dtype"]).name,
        float(scale),
        int(zero_point),
    )
