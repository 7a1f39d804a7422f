"""What an update of a microcontroller consists of: one signed image, alone in a directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.core.errors import ImageRefused
from edged.core.operators import Operator
from edged.mcu.admission import admit, admit_operators
from edged.mcu.image import Image, parse
from edged.mcu.info import FIRMWARE, MODEL, BoardInfo, ImageNumber

FILE = "image.bin"
"""How the publisher calls it, whatever its name was: the same image is the same blob."""

MAX_IMAGE_BYTES = 16 << 20
"""More than the flash of any microcontroller."""


@dataclass(frozen=True, slots=True)
class Package:
    """An image that is whole; ``identity`` is the hash of its file."""

    image: Image
    data: bytes
    identity: str
    operators: tuple[Operator, ...] = ()
    """Of a model whose graph can be read, in the order of execution."""

    @property
    def number(self) -> ImageNumber:
        """Which slots it is for."""
        return FIRMWARE if self.image.kind == "firmware" else MODEL

    @property
    def hash(self) -> bytes:
        """By which boards know it."""
        return self.image.hash

    @property
    def version(self) -> str:
        """Its own."""
        return str(self.image.version)

    def admit(self, info: BoardInfo) -> None:
        """Whether it may go to a board; raises ImageRefused."""
        admit(self.image, len(self.data), info)
        admit_operators(self.operators, info)


def read_package(bundle: Path, kind: Literal["firmware", "model"]) -> Package:
    """Raises ImageRefused for anything but one image of this kind, OSError. Blocks."""
    data = read_file(bundle)
    image = parse(data)
    if image.kind != kind:
        raise ImageRefused(f"this is a {image.kind}, expected a {kind}", hint="--kind says what is meant.", fault="wrong kind")
    return Package(image, data, hashlib.sha256(data).hexdigest())


def read_file(bundle: Path) -> bytes:
    """The one file of a directory, or a file that is given itself; raises ImageRefused, OSError."""
    files = list(bundle.iterdir()) if bundle.is_dir() else [bundle]
    if len(files) != 1:
        raise ImageRefused(f"{bundle} holds {len(files)} files, expected one signed image", fault="malformed")
    if files[0].stat().st_size > MAX_IMAGE_BYTES:
        raise ImageRefused(f"{files[0]} has {files[0].stat().st_size:,} bytes: that is no image", fault="too large")
    return files[0].read_bytes()


def identify(bundle: Path) -> str:
    """By what an installed image is known again; raises ImageRefused, OSError."""
    return hashlib.sha256(read_file(bundle)).hexdigest()
