"""Whether a model fits into memory beside what serves."""

from __future__ import annotations

from edged.infer.bundle import Bundle

RUNTIME_BYTES = 24 << 20
PER_FILE_BYTE = 4
"""What a model is taken to need where no probe measured it. Probes of four models from 0.2 to 4.2 MB took 23 MB and three times
the file: XNNPACK packs the weights into a copy of its own, and the tensors come on top."""


def need_bytes(bundle: Bundle, measured_bytes: int) -> int:
    """What the model in ``bundle`` takes at most while it is loaded and run: as its probe measured it, else (0) estimated."""
    if measured_bytes:
        return measured_bytes
    return RUNTIME_BYTES + PER_FILE_BYTE * max(path.stat().st_size for path in bundle.paths.values())


def megabytes(size_bytes: int) -> str:
    """For messages."""
    return f"{size_bytes / 2**20:,.0f} MB"
