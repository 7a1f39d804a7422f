"""What is done to a model, in the process that may die of it: read, look through, load, run, understand, compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.tensor import RawOutput
from edged.decode import registry
from edged.infer.answers import check, judged_tensors
from edged.infer.bundle import Bundle, load_bundle
from edged.infer.encryption import Key, key_at, read_model
from edged.infer.engine import Engine
from edged.infer.golden import FILE_NAME as GOLDEN_FILE
from edged.infer.graph import Form, Graph, Workspace
from edged.infer.open import open_engine
from edged.infer.preprocess import Preprocessor, pixel_table
from edged.infer.probe.records import Measures, Passed, Remark, Request

Say = Callable[[Remark], object]

TIMED_INFERENCES = 5
"""Odd, for a median; few, since a model that serves meanwhile has to share the processor."""

LATENCY_SLACK = 2.0
"""How far the median here may be above the stated 95th percentile: another model serves beside the probe, and takes half of the
processor at most. What lies beyond is hopeless; what lies below is judged in the trial, alone and on live frames."""

SMALLER = "Use a smaller model, or one with a smaller input."


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of the CPU variant's graph, whose bytes are not: they would count as the model's memory."""

    workspace: Workspace
    inputs: tuple[Form, ...]
    outputs: tuple[Form, ...]
    judged: tuple[int, ...]
    """The tensors that golden vectors may be about."""


def examine(request: Request, say: Say) -> None:
    """Try the model; says what passed, and the measures at the end. Raises ModelRejected, DelegateFailed or MemoryError."""
    bundle = _files(request, say)
    key = None if request.key is None else key_at(Path(request.key))
    seen = _graph(bundle, key, say)
    workspace = seen.workspace
    _signature(request, seen, say)
    _memory(request, workspace, say)
    started = time.perf_counter()
    engine = _load(request, bundle, workspace, key)
    load_ms = (time.perf_counter() - started) * 1e3 - engine.info.self_test_ms
    info = engine.info
    say(Passed("load", f"{info.runtime}, {info.delegate} takes {info.delegate_nodes} nodes, {info.threads} threads"))
    outputs, invoke_ms = _run(request, engine)
    say(Passed("run", "; ".join(str(output.spec) for output in outputs)))
    manifest = bundle.manifest
    found = registry.build(manifest.decoder, [engine.input], engine.outputs)(outputs)
    say(Passed("decode", f"{manifest.decoder.name} reads them ({len(found)} detections in noise), {len(manifest.labels)} labels"))
    _golden(request, engine, seen.judged, say)
    say(
        Measures(
            identity=bundle.identity,
            runtime=info.runtime,
            delegate=info.delegate,
            delegate_nodes=info.delegate_nodes,
            threads=info.threads,
            tensors=workspace.tensors,
            load_ms=load_ms,
            invoke_ms=invoke_ms,
        )
    )


def _files(request: Request, say: Say) -> Bundle:
    labels = None if request.labels is None else Path(request.labels)
    bundle = load_bundle(Path(request.path), labels, request.decoder)
    size = sum(path.stat().st_size for path in bundle.paths.values())
    say(Passed("files", f"{', '.join(bundle.paths)}: {size:,} bytes, sha256 {bundle.digest[:12]}"))
    return bundle


def _graph(bundle: Bundle, key: Key | None, say: Say) -> Seen:
    """Every table of every variant that can be reached is followed."""
    graphs = {variant: Graph.read(read_model(bundle, variant, key), str(path)) for variant, path in bundle.paths.items()}
    for graph in graphs.values():
        graph.operators(), graph.inputs(), graph.outputs(), graph.constant_bytes()
    graph = graphs["cpu"]
    workspace = graph.workspace()
    operators = sum(graph.operators().values())
    say(Passed("graph", f"{operators} operators, {workspace.tensors} tensors, {graph.constant_bytes():,} bytes of weights"))
    return Seen(workspace, *graph.forms(), judged_tensors(graph))


def _signature(request: Request, seen: Seen, say: Say) -> None:
    """Compare what goes in and comes out with what was stated."""
    stated, inputs, outputs = request.stated, seen.inputs, seen.outputs
    for side, found, wanted in (("inputs", inputs, stated.inputs), ("outputs", outputs, stated.outputs)):
        if wanted is not None and found != wanted:
            raise ModelRejected(
                f"{request.path}: its {side} are {_list(found)}, stated are {_list(wanted)}",
                hint="What was published is not what was signed for; sign this model anew.",
                fault="signature differs",
            )
    as_stated = "" if stated.inputs is None and stated.outputs is None else ", as stated"
    say(Passed("signature", f"from {_list(inputs)} to {_list(outputs)}{as_stated}"))


def _list(forms: tuple[Form, ...]) -> str:
    return ", ".join(map(str, forms)) or "none"


def _memory(request: Request, workspace: Workspace, say: Say) -> None:
    """Refuse what cannot fit before anyone tries to allocate it."""
    if workspace.largest_bytes > request.memory_bytes:
        raise ModelRejected(
            f"{request.path}: its tensor {workspace.largest_name!r} alone takes {_mb(workspace.largest_bytes)} MB, "
            f"{_mb(request.memory_bytes)} MB are there",
            hint=SMALLER,
            fault="does not fit memory",
        )
    say(Passed("memory", f"tensors take {_mb(workspace.largest_bytes)} to {_mb(workspace.total_bytes)} MB"))


def _load(request: Request, bundle: Bundle, workspace: Workspace, key: Key | None) -> Engine:
    """Load and try the model on the CPU; where memory runs out over it, the numbers are in the refusal.

    On the CPU whatever the settings say: a sandbox in which a device can be opened would hardly be one.
    """
    try:
        return open_engine(bundle, request.settings, avoid="probe", key=key)
    except (ModelRejected, MemoryError) as error:
        if isinstance(error, ModelRejected) and error.fault != "does not fit memory":
            raise
        needed = f"{_mb(workspace.largest_bytes)} to {_mb(workspace.total_bytes)} MB for its tensors, besides weights"
        raise ModelRejected(
            f"{request.path}: needs {needed}; {_mb(request.memory_bytes)} MB are there", hint=SMALLER, fault="does not fit memory"
        ) from error


def _run(request: Request, engine: Engine) -> tuple[list[RawOutput], float]:
    """The outputs for a picture of noise, which have to be finite, and how long it took in milliseconds."""
    how = engine.bundle.manifest.input
    Preprocessor(engine.input, how)  # refuses what takes no pictures
    table = pixel_table(engine.input, how)
    took_ms: list[float] = []
    limit_ms = None if request.stated.p95_ms is None else LATENCY_SLACK * request.stated.p95_ms
    for _ in range(1 if limit_ms is None else TIMED_INFERENCES):
        started = time.perf_counter()
        outputs = engine.infer(partial(_noise, table))
        took_ms.append((time.perf_counter() - started) * 1e3)
    for output in outputs:
        if not np.isfinite(output.real()).all():
            raise ModelRejected(
                f"{request.path}: output {output.spec.name} is not finite on a picture of noise", fault="not finite"
            )
    median_ms = statistics.median(took_ms)
    if limit_ms is not None and median_ms > limit_ms:
        raise ModelRejected(
            f"{request.path}: takes {median_ms:.1f} ms, more than {LATENCY_SLACK:g} times the {request.stated.p95_ms:g} ms stated",
            hint="Use a smaller model for this device, or state what it really takes here.",
            fault="over latency",
        )
    return outputs, median_ms


def _golden(request: Request, engine: Engine, judged: tuple[int, ...], say: Say) -> None:
    """Compare answers with those of whoever published the model, if they are there."""
    golden = engine.bundle.golden()
    if golden is None:
        if request.stated.golden:
            raise ModelRejected(
                f"{request.path}: has no golden vectors, which were stated to be there",
                hint="Sign the bundle anew.",
                fault="golden differs",
            )
        say(Passed("golden", "the bundle has no golden vectors"))
        return
    say(Passed("golden", check(engine, judged, golden, GOLDEN_FILE)))


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f}"


def _noise(table: NDArray[np.generic], tensor: NDArray[np.generic]) -> None:
    """A picture of random pixels, the same each time, as ``table`` has them go in."""
    pixels = np.random.default_rng(1).integers(0, 256, tensor.shape[1:], np.uint8)
    tensor[0] = table[pixels, 0, np.arange(tensor.shape[3])]
