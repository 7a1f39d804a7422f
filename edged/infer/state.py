"""What a model hands on from one inference to the next: outputs that come back as inputs.

Rules: a state belongs to a camera, not to the engine that several cameras share; a new one is made whenever the scene may have
changed in between (a camera lost, a recording begun again). Values go round as they are stored, so both ends of a loop have one
number format. A value that is not finite ends the memory, since it would never leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.core.errors import ModelRejected
from edged.core.model import StateSpec
from edged.core.tensor import TensorSpec


@dataclass(slots=True, eq=False)
class State:
    """The values of one camera, one array for each loop; replaced by each inference that is given it."""

    values: list[NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Loop:
    """A state tensor: the positions of its input and its output, and the number that its elements begin with, as stored."""

    input: int
    output: int
    first: float


class Recurrence:
    """The loops of a model, none for most. ``picture`` is the position of the input that is left, ``results`` those of the outputs.

    Raises ModelRejected, naming ``where``, for loops that the tensors do not allow, and where not just one input is left.
    """

    def __init__(
        self, states: Sequence[StateSpec], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], where: str
    ) -> None:
        self.loops = tuple(_loop(state, inputs, outputs, where) for state in states)
        self._inputs = inputs
        for side, ends in (("input", [loop.input for loop in self.loops]), ("output", [loop.output for loop in self.loops])):
            if len(set(ends)) < len(ends):
                raise ModelRejected(f"{where}: two [[state]] tables name the same {side}")
        pictures = [n for n in range(len(inputs)) if n not in {loop.input for loop in self.loops}]
        self.results = tuple(n for n in range(len(outputs)) if n not in {loop.output for loop in self.loops})
        if len(pictures) != 1:
            raise ModelRejected(
                f"{where}: {len(pictures)} inputs for one picture: {', '.join(str(inputs[n]) for n in pictures) or 'none is left'}",
                hint="inputs that an output comes back to are declared in the manifest, each with a [[state]] table",
            )
        if not self.results:
            raise ModelRejected(
                f"{where}: every output comes back as an input, none is left to decode",
                hint="export the result as an output of its own",
            )
        self.picture = pictures[0]

    def begin(self) -> State:
        """The state before the first picture."""
        return State([np.full(self._inputs[loop.input].shape, loop.first, self._inputs[loop.input].dtype) for loop in self.loops])

    def after(self, values: list[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """What a state holds after an inference put out ``values``, one for each loop: these, or the beginning again."""
        return values if all(np.isfinite(value).all() for value in values) else self.begin().values


def _loop(state: StateSpec, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], where: str) -> Loop:
    source, target = _find(state.output, outputs, "output", where), _find(state.input, inputs, "input", where)
    comes, goes = outputs[source], inputs[target]
    if comes.shape != goes.shape or comes.dtype != goes.dtype:
        raise ModelRejected(
            f"{where}: output {comes} cannot come back as input {goes}", hint="a [[state]] has one shape and one type at both ends"
        )
    if (comes.scale, comes.zero_point) != (goes.scale, goes.zero_point):
        raise ModelRejected(
            f"{where}: output {comes} cannot come back as input {goes}: their quantisation differs",
            hint="quantise the model with the same range at both ends of the [[state]], or leave it float",
        )
    return Loop(target, source, _stored(state.initial, goes, where))


def _find(wanted: str | int, tensors: Sequence[TensorSpec], side: str, where: str) -> int:
    if isinstance(wanted, int) and 0 <= wanted < len(tensors):
        return wanted
    found = [n for n, spec in enumerate(tensors) if spec.name == wanted]
    if len(found) != 1:
        raise ModelRejected(
            f"{where}: [[state]] names the {side} {wanted!r}, which {'several have' if found else 'is not there'}",
            hint=f"it has {', '.join(f'{n} ({spec.name})' for n, spec in enumerate(tensors)) or 'none'}",
        )
    return found[0]


def _stored(initial: float, spec: TensorSpec, where: str) -> float:
    """``initial`` as the tensor stores it."""
    value = round(initial / spec.scale) + spec.zero_point if spec.quantised else initial
    dtype = np.dtype(spec.dtype)
    if np.issubdtype(dtype, np.integer) and (value % 1 or not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max):
        raise ModelRejected(f"{where}: the state {spec} cannot begin with {initial}")
    return value
