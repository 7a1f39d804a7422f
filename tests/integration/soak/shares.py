"""Whether cameras that share an accelerator get what is theirs. Pure.

What is theirs is the max-min fair share: everyone gets what he asks for up to a level at which everything is given away; who asks
for less than that goes short of nothing, and who asks for more gets no more than the others who do (Bertsekas and Gallager, Data
Networks, 6.5.2). Fairness is the lowest of the cameras' ratios of what they got to what is theirs, over the highest: 1 if
fair, 0 if one starves. Jain's index, which is often used, would call a camera that gets a third of the other's frames 0.8 fair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Frames of each camera in some stretch of time: how many came, and how many of them were inferred."""

    came: Mapping[str, float]
    inferred: Mapping[str, float]

    @property
    def contended(self) -> bool:
        """Whether more came than could be inferred."""
        return sum(self.came.values()) > sum(self.inferred.values())


def fair_shares(total: float, demands: Mapping[str, float]) -> dict[str, float]:
    """``total`` shared out among ``demands`` so that no one's share can grow without that of someone who has no more shrinking."""
    shares: dict[str, float] = {}
    left = total
    for name in sorted(demands, key=demands.__getitem__):
        shares[name] = min(demands[name], left / (len(demands) - len(shares)))
        left -= shares[name]
    return shares


def fairness(windows: Sequence[Window]) -> float | None:
    """Over all windows in which something had to be left out; ``None`` if there is none."""
    got: dict[str, float] = {}
    due: dict[str, float] = {}
    for window in windows:
        if window.contended:
            for name, share in fair_shares(sum(window.inferred.values()), window.came).items():
                due[name] = due.get(name, 0) + share
                got[name] = got.get(name, 0) + window.inferred[name]
    ratios = [got[name] / due[name] for name in due if due[name]]
    return min(ratios) / max(ratios) if ratios else None
