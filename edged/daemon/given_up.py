"""Images that no board is to run any more, kept over the end of edged: a board may be away for longer. Everything blocks.

Format: a line for each, ``<kind>/<id> <hash in hexadecimal>``, the oldest first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edged.core.durable import replace_file

log = logging.getLogger(__name__)

HASH_BYTES = 32
"""Of SHA-256. What is shorter might be that of a slot which says none."""


class GivenUp:
    """In one file, which need not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Each path and hash; what cannot be read is said, and left out."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            log.error("%s: what microcontrollers are not to run is not known any more: %s", self._path, error)
            return
        for line in filter(None, lines):
            path, _, text = line.partition(" ")
            if image_hash := _hash(text):
                yield path, image_hash
            else:
                log.error("%s: a line that is damaged: %s", self._path, line[:100])

    def write(self, images: Mapping[str, Sequence[bytes]]) -> None:
        """These instead; where the disk does not take it, they hold until edged ends, which is said."""
        text = "".join(f"{path} {image_hash.hex()}\n" for path, hashes in images.items() for image_hash in hashes)
        try:
            replace_file(self._path, text.encode())
        except OSError as error:
            log.error("%s: it cannot be written down what microcontrollers are not to run: %s", self._path, error.strerror)


def _hash(text: str) -> bytes | None:
    try:
        image_hash = bytes.fromhex(text)
    except ValueError:
        return None
    return image_hash if len(image_hash) == HASH_BYTES else None
