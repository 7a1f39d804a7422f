"""Takes in a blob chunk by chunk, and writes the number of each step to stdout once it is done. A process of its own whose disk is
watched: ``downloader.py DIRECTORY FIRST LAST`` (see ``powercut.py``).
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from edged.ota.part import Part
from edged.ota.target import CHUNK_BYTES

BLOB = random.Random(1).randbytes(6 * CHUNK_BYTES - 100)
SHA256 = hashlib.sha256(BLOB).hexdigest()
CHUNKS = [BLOB[at : at + CHUNK_BYTES] for at in range(0, len(BLOB), CHUNK_BYTES)]
DIGESTS = tuple(hashlib.sha256(chunk).digest() for chunk in CHUNKS)
INDEX = b"".join(DIGESTS)


def part_in(directory: Path) -> Part:
    return Part(directory, SHA256, len(BLOB))


def store(number: int) -> Callable[[Part], None]:
    return lambda part: part.store([(number, CHUNKS[number])])


STEPS: tuple[Callable[[Part], None], ...] = (
    Part.prepare,
    lambda part: part.keep_index(INDEX),
    *(store(number) for number in (2, 0, 1, 5, 4, 3)),  # they come as the broker likes
)


def main(directory: Path, first: int, last: int) -> None:
    part = part_in(directory)
    for number in range(first, last):
        STEPS[number](part)
        os.write(1, b"%d\n" % (number + 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
