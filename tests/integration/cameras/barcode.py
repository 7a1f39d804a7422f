"""A clock drawn into a picture as 32 vertical stripes, the lowest bit on the left.

Free of imports beyond the standard library: the camera runs under the system's Python, its viewer in the tests' own.
"""

import time

BITS = 32


def now() -> int:
    """Milliseconds of CLOCK_MONOTONIC, 32 bits of it."""
    return time.monotonic_ns() // 1_000_000 & 0xFFFFFFFF


def row(stamp: int, width: int) -> bytes:
    """One row of ``width`` luma samples, a multiple of 32."""
    return b"".join((b"\xeb" if stamp >> bit & 1 else b"\x10") * (width // BITS) for bit in range(BITS))


def stamp_of(image) -> int:
    """The stamp in a uint8 (height, width, 3) picture."""
    middle = image[image.shape[0] // 2, :, 0]
    stripe = len(middle) // BITS
    return sum((int(middle[bit * stripe + stripe // 2]) > 127) << bit for bit in range(BITS))


def age_ms(stamp: int, at: int) -> int:
    """How long before ``at`` (both from ``now``) the stamp was drawn."""
    age = (at - stamp) & 0xFFFFFFFF
    return age if age < 1 << 31 else age - (1 << 32)
