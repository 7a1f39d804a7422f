"""What is done to a model, in the process that may die of it: read, look through, load, run, understand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.decode import registry
from edged.infer.bundle import Bundle, load_bundle
from edged.infer.engine import Engine
from edged.infer.files import MAX_MODEL_BYTES, read_limited
from edged.infer.graph import Graph, Workspace
from edged.infer.open import open_engine
from edged.infer.preprocess import Preprocessor
from edged.infer.probe.records import Measures, Passed, Remark, Request

Say = Callable[[Remark], object]

SMALLER = "Use a smaller model, or one with a smaller input."


def examine(request: Request, say: Say) -> None:
    """Try the model; says what passed, and the measures at the end. Raises ModelRejected, DelegateFailed or MemoryError."""
    bundle = _files(request, say)
    workspace = _graph(bundle, say)
    _memory(request, workspace, say)
    started = time.perf_counter()
    engine = _load(request, bundle, workspace)
    load_ms = (time.perf_counter() - started) * 1e3 - engine.info.self_test_ms
    info = engine.info
    say(Passed("load", f"{info.runtime}, {info.delegate} takes {info.delegate_nodes} nodes, {info.threads} threads"))
    started = time.perf_counter()
    outputs = engine.infer(_noise)
    invoke_ms = (time.perf_counter() - started) * 1e3
    say(Passed("run", "; ".join(str(output.spec) for output in outputs)))
    manifest = bundle.manifest
    Preprocessor(engine.input, manifest.input)
    found = registry.build_labelled(manifest, [engine.input], engine.outputs)(outputs)
    say(Passed("decode", f"{manifest.decoder.name} reads them ({len(found)} detections in noise), {len(manifest.labels)} labels"))
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


def _graph(bundle: Bundle, say: Say) -> Workspace:
    """Every table of every variant that can be reached is followed; gives the workspace of the CPU variant."""
    graphs = {variant: Graph.read(read_limited(path, MAX_MODEL_BYTES), str(path)) for variant, path in bundle.paths.items()}
    for graph in graphs.values():
        graph.operators(), graph.inputs(), graph.outputs(), graph.constant_bytes()
    graph = graphs["cpu"]
    workspace = graph.workspace()
    operators = sum(graph.operators().values())
    say(Passed("graph", f"{operators} operators, {workspace.tensors} tensors, {graph.constant_bytes():,} bytes of weights"))
    return workspace


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


def _load(request: Request, bundle: Bundle, workspace: Workspace) -> Engine:
    """Load and try the model on the CPU; where memory runs out over it, the numbers are in the refusal.

    On the CPU whatever the settings say: a sandbox in which a device can be opened would hardly be one.
    """
    try:
        return open_engine(bundle, request.settings, avoid="probe")
    except (ModelRejected, MemoryError) as error:
        if isinstance(error, ModelRejected) and error.fault != "does not fit memory":
            raise
        needed = f"{_mb(workspace.largest_bytes)} to {_mb(workspace.total_bytes)} MB for its tensors, besides weights"
        raise ModelRejected(
            f"{request.path}: needs {needed}; {_mb(request.memory_bytes)} MB are there", hint=SMALLER, fault="does not fit memory"
        ) from error


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f}"


def _noise(tensor: NDArray[np.generic]) -> None:
    """A picture of random pixels, the same each time."""
    pixels = np.random.default_rng(1).integers(0, 256, tensor.shape, np.uint8)
    tensor[...] = pixels.view(np.int8) if tensor.dtype == np.int8 else pixels
