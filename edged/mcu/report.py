"""Provisional."""

from edged.core.errors import FrameInvalid

Report = object


def decode(frame: bytes) -> Report:
    """Nothing yet."""
    raise FrameInvalid("provisional")
