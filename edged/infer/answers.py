"""How a model's answers to golden pictures are taken and judged.

Rules: a tensor is judged as a whole, by how far it is off on average, never number by number; where the graph ends in suppression,
what goes into that is judged and not the list that comes out, in which near-equal boxes change places. DESIGN.md says why.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.infer.bundle import DETECTION_OPERATOR
from edged.infer.engine import Engine
from edged.infer.golden import Answer, Generated, Golden, Stored, Vector, describe, pixels
from edged.infer.graph import Graph
from edged.infer.preprocess import pixel_table

SUPPRESSED = 2
"""The first operands of the detection operator: where each anchor's box lies, and its scores. The third is a constant."""


def judged_tensors(graph: Graph) -> tuple[int, ...]:
    """Numbers of the tensors that answers are about: the outputs, or the operands of a suppression that makes all of them.

    Both outlast the inference: an interpreter uses the memory of others again, but these are the last that are read.
    """
    return graph.last_operands(DETECTION_OPERATOR)[:SUPPRESSED] or graph.output_numbers()


def give(engine: Engine, picture: Generated | Stored, tensors: tuple[int, ...]) -> list[NDArray[np.generic]]:
    """What the ``tensors`` hold after the engine saw ``picture``, with no memory of another."""
    values = as_input(engine, picture)

    def fill(tensor: NDArray[np.generic]) -> None:
        tensor[0] = values

    engine.infer(fill)
    return [engine.peek(tensor) for tensor in tensors]


def as_input(engine: Engine, picture: Generated | Stored) -> NDArray[np.generic]:
    """``picture`` as the engine's input holds it, rows, columns, channels."""
    _, height, width, channels = engine.input.shape
    values = np.frombuffer(pixels(picture, height, width, channels), np.uint8).reshape(height, width, channels)
    table = pixel_table(engine.input, engine.bundle.manifest.input)
    placed: NDArray[np.generic] = table[values, 0, np.arange(channels)].astype(engine.input.dtype, copy=False)
    return placed


def check(engine: Engine, judged: tuple[int, ...], golden: Golden, where: str) -> str:
    """Ask the engine for every answer; says how near they were. Raises ModelRejected for the first that is too far off.

    ``judged`` are the ``judged_tensors`` of the model.
    """
    nearest = 0.0
    for vector in golden.vectors:
        nearest = max(nearest, _check(engine, judged, vector, f"{where}: {describe(vector.picture)}"))
    many = "1 picture is" if len(golden.vectors) == 1 else f"{len(golden.vectors)} pictures are"
    return f"{many} answered as {golden.made_by} did, within {nearest:.0%} of what is allowed"


def _check(engine: Engine, judged: tuple[int, ...], vector: Vector, where: str) -> float:
    tensors = tuple(answer.tensor for answer in vector.answers)
    if set(tensors) - set(judged):
        raise ModelRejected(f"{where}: asks for tensors {tensors}, where {judged} are judged", hint=REMAKE, fault="golden differs")
    nearest = 0.0
    for answer, given in zip(vector.answers, give(engine, vector.picture, tensors), strict=True):
        what = f"{where}: tensor {answer.tensor}"
        if (given.shape, given.dtype.name) != (answer.shape, answer.dtype):
            said, is_said = f"{given.dtype.name} {list(given.shape)}", f"{answer.dtype} {list(answer.shape)}"
            raise ModelRejected(f"{what} is {said}, {is_said} was expected", hint=REMAKE, fault="golden differs")
        if not np.isfinite(given).all():
            raise ModelRejected(f"{what} is not finite", fault="not finite")
        error = distance(answer, given)
        if not error <= answer.tolerance:  # nor is what is no number
            unit = " steps" if given.dtype.kind in "iu" else ""
            off = f"is off by {error:.3g}{unit} on average, {answer.tolerance:.3g} are allowed"
            raise ModelRejected(f"{what} {off}", hint=REMAKE, fault="golden differs")
        nearest = max(nearest, error / answer.tolerance if answer.tolerance else 0.0)
    return nearest


REMAKE = "Another runtime or processor than the publisher's may be at fault, or golden vectors that were made of another model."


def distance(answer: Answer, given: NDArray[np.generic]) -> float:
    """How far ``given``, of the answer's shape, is off on average, in its own units."""
    expected = np.frombuffer(answer.values, np.dtype(answer.dtype).newbyteorder("<"))
    held = given.ravel()
    if answer.positions:
        held = held[np.frombuffer(answer.positions, "<u4")]
    return mean_difference(held, expected)


def mean_difference(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """The mean of the absolute differences; infinite if they cannot be compared."""
    found = float(np.abs(one.astype(np.float64) - other.astype(np.float64)).mean())
    return found if math.isfinite(found) else math.inf
