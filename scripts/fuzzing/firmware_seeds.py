"""What a fuzzer of the firmware begins with: good inputs, so that it does not have to find a checksum first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests" / "firmware"
sys.path.append(str(TESTS))

VECTORS = TESTS / "vectors.txt"
MOST_BYTES = 1500
"""Longer ones show nothing that shorter ones do not, and take longer."""

MODELS_OF_EACH = 8
"""Random models with one operator, for each there is: another type or another option of it takes another path."""


def smp() -> Iterator[bytes]:
    """Streams of requests, and messages themselves."""
    for line in VECTORS.read_text().splitlines():
        kind, *fields = line.split(" ")
        if kind in {"requests", "packet"}:
            yield from (bytes.fromhex(field) for field in fields[:2] if is_hex(field))
    yield bytes.fromhex("0a00000600000500a161646268690a")  # echo
    yield bytes.fromhex("0a00000d00002a05a169626f6f745f6d6f646501")  # reset into the loader
    yield bytes.fromhex("0a00001700010001bf636f66660064646174614201026573686142aaaa65696d61676501ff")  # an upload


def models() -> Iterator[bytes]:
    """Models with one operator, and graphs."""
    from fuzz_seeds import models as drawn  # of the tests: other targets do without what those need

    yield from drawn(MODELS_OF_EACH)


def is_hex(field: str) -> bool:
    return len(field) <= 2 * MOST_BYTES and len(field) % 2 == 0 and all(digit in "0123456789abcdef" for digit in field)


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {"fuzz_smp": smp, "fuzz_model": models}


def of(target: str) -> Iterator[bytes]:
    """For a target that is not listed, nothing."""
    return SEEDS[target]() if target in SEEDS else iter(())
