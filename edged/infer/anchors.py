"""Anchor files: four numbers a line, an anchor of an SSD each.

Text and not numpy's own format: the main process reads bundles too, and has no numpy.
"""

from __future__ import annotations

import math

from edged.core.errors import ModelRejected

PARAMETER = "anchors_file"
"""The key in ``[decoder]`` that names such a file; its numbers become the parameter ``anchors``."""

MAX_BYTES = 4 << 20
"""Ten times the 12,804 anchors of an SSD with a feature pyramid, written out in full."""


def parse_anchors(data: bytes, where: str) -> tuple[float, ...]:
    """The numbers in ``data``, four an anchor, separated by commas or blanks; raises ModelRejected, which names ``where``."""
    if len(data) > MAX_BYTES:
        raise ModelRejected(f"{where}: {len(data)} bytes of anchors; at most {MAX_BYTES} are read")
    numbers: list[float] = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        try:
            values = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            values = [math.nan]
        if values and (len(values) != 4 or not all(map(math.isfinite, values))):
            raise ModelRejected(
                f"{where}: line {number} is no anchor, which is four numbers",
                hint='numpy.savetxt(file, anchors, delimiter=",") writes such a file',
            )
        numbers += values
    return tuple(numbers)
