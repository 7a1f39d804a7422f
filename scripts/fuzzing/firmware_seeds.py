"""What a fuzzer of the firmware begins with: good inputs, so that it does not have to find a checksum first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "firmware" / "vectors.txt"
MOST_BYTES = 1500
"""Longer ones show nothing that shorter ones do not, and take longer."""


def smp() -> Iterator[bytes]:
    """Streams of requests, and messages themselves."""
    for line in VECTORS.read_text().splitlines():
        kind, *fields = line.split(" ")
        if kind in {"requests", "packet"}:
            yield from (bytes.fromhex(field) for field in fields[:2] if is_hex(field))
    yield bytes.fromhex("0a00000600000500a161646268690a")  # echo
    yield bytes.fromhex("0a00000d00002a05a169626f6f745f6d6f646501")  # reset into the loader
    yield bytes.fromhex("0a00001700010001bf636f66660064646174614201026573686142aaaa65696d61676501ff")  # an upload


def is_hex(field: str) -> bool:
    return len(field) <= 2 * MOST_BYTES and len(field) % 2 == 0 and all(digit in "0123456789abcdef" for digit in field)


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {"fuzz_smp": smp}


def of(target: str) -> Iterator[bytes]:
    """For a target that is not listed, nothing."""
    return SEEDS[target]() if target in SEEDS else iter(())
