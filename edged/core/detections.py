"""What a detector saw in one frame, as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """``n`` boxes: ``xyxy`` float32 (n, 4) as x0, y0, x1, y1; ``score`` float32 (n,) in 0..1; ``class_id`` int32 (n,).

    The frame of reference of ``xyxy`` is said by whoever hands them on: decoders give the model's input normalised to 0..1,
    everything after them source-frame pixels.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.score)
        if self.xyxy.shape != (n, 4) or self.score.shape != (n,) or self.class_id.shape != (n,):
            raise ValueError(f"xyxy {self.xyxy.shape}, score {self.score.shape} and class_id {self.class_id.shape} do not agree")

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def empty(cls) -> Detections:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
        """The boxes that ``index`` (positions or a mask) selects, in its order."""
        return Detections(self.xyxy[index], self.score[index], self.class_id[index])
