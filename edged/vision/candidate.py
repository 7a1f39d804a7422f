"""A model that is not served: shown single frames, on one thread of the CPU."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.frame import Frame
from edged.core.model import ModelManifest
from edged.infer.preprocess import Preprocessor
from edged.infer.state import State
from edged.tracking.tracker import counting
from edged.vision.loader import Served

TIMED = 5
"""Inferences on noise, of which the shortest counts: the one that was disturbed least."""

QUICK_NS = 1_000_000
"""What is below it counts as this: of inferences so short the machine's doings show more than the model, and none is slow."""


class Candidate:
    """The model on trial, with what it needs to see."""

    def __init__(self, served: Served, numbers: dict[str, int]) -> None:
        model = self._model = served.model
        self.digest = model.digest
        self._score_high = served.tracking.score_high
        self._preprocess = Preprocessor(model.engine.input, model.manifest.input)
        self._staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
        self._states: dict[str, State] = {}
        self._numbers = numbers

    def see(self, frame: Frame, wanted: tuple[str, ...]) -> tuple[Detections, int, bool]:
        """What of the frame counts, in source pixels and the common numbering; the CPU time; whether all outputs are finite."""
        model = self._model
        placement = self._preprocess(frame.image, self._staged)
        if frame.camera not in self._states:
            self._states[frame.camera] = model.engine.new_state()
        began = time.thread_time_ns()
        outputs = model.engine.infer(self._fill, self._states[frame.camera])
        cpu_ns = time.thread_time_ns() - began
        found = model.decoder(outputs)
        found = found.take(counting(found, self._score_high, model.label_thresholds))
        if wanted:
            names = [model.manifest.label(class_id) for class_id in found.class_id.tolist()]
            found = found.take(np.array([name in wanted for name in names], np.bool_))
        seen = placement.in_source(found)
        return numbered(seen, model.manifest, self._numbers), cpu_ns, all(output.finite for output in outputs)

    def _fill(self, tensor: NDArray[np.generic]) -> None:
        np.copyto(tensor, self._staged)


def numbered(detections: Detections, manifest: ModelManifest, numbers: dict[str, int]) -> Detections:
    """``detections`` with the ``numbers`` of their labels, to which new labels are added, for class ids."""
    names = [manifest.label(class_id) for class_id in detections.class_id.tolist()]
    ids = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int32)
    return dataclasses.replace(detections, class_id=ids)


def shortest_ns(served: Served) -> int:
    """CPU time of the shortest of a few inferences on noise, or ``QUICK_NS`` if that is longer."""
    engine = served.model.engine
    noise = np.random.default_rng(1).integers(0, 2, engine.input.shape).astype(engine.input.dtype)
    taken = []
    for _ in range(TIMED):
        began = time.thread_time_ns()
        engine.infer(lambda tensor: np.copyto(tensor, noise))
        taken.append(time.thread_time_ns() - began)
    return max(QUICK_NS, min(taken))
