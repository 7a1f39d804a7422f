"""Firmware and models of tests, built and signed once, and flash that holds them as after the factory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from emulated import FIRMWARE_SLOTS, MODEL_SLOTS, Machine, program
from images import Signer, Vector, package
from qemu import blank_flash

PERSON = bytes((-113 & 0xFF, 113))
NO_PERSON = bytes((57, -57 & 0xFF))
"""What person_detect answers to the two pictures, on every runtime."""


def picture(path: Path) -> bytes:
    """The pixels of a grey 96x96 BMP, top row first; those of the test data are int8 already."""
    data = path.read_bytes()
    begin, side = int.from_bytes(data[10:14], "little"), 96
    rows = [data[begin + row * side :][:side] for row in range(side)]
    return b"".join(reversed(rows))


@dataclass(frozen=True, slots=True)
class Stock:
    """What one kind of board is given. Images are called by what they hold, and by their version."""

    machine: Machine
    loader: Path
    directory: Path
    signer: Signer
    person: bytes
    no_person: bytes
    model: bytes

    @classmethod
    def of(cls, machine: Machine, directory: Path, data: Path) -> Stock:
        """Builds what is missing."""
        loader = Path(shutil.copy(program(machine, "loader.elf"), directory / "loader.elf"))
        shutil.copy(program(machine, "app.elf").with_suffix(".bin"), directory / "app.bin")
        pictures = [picture(data / "media" / name) for name in ("person.bmp", "no_person.bmp")]
        model = (data / "models" / "person_detect.tflite").read_bytes()
        return cls(machine, loader, directory, machine.signer(), pictures[0], pictures[1], model)

    @property
    def vectors(self) -> tuple[Vector, Vector]:
        """The golden vectors of person_detect."""
        return Vector(self.person, PERSON), Vector(self.no_person, NO_PERSON)

    def firmware(self, version: str, counter: int = 1, signer: Signer | None = None) -> bytes:
        """The application as an image."""
        return (signer or self.signer).firmware(self.directory / "app.bin", version, counter)

    def code(self, name: str, payload: bytes, version: str) -> bytes:
        """A payload of our own as a firmware image."""
        path = self.directory / name
        path.write_bytes(payload)
        return self.signer.firmware(path, version)

    def packed(self, name: str, version: str, model: bytes, vectors: tuple[Vector, ...] = (), counter: int = 1) -> bytes:
        """A model as an image."""
        path = self.directory / name
        path.write_bytes(package(model, vectors))
        return self.signer.model(path, version, name, counter)

    def flash(self, path: Path, *, firmware: bytes = b"", model: bytes = b"") -> Path:
        """A flash file with these in their first slots, and no journal yet."""
        blank_flash(path)
        with path.open("r+b") as file:
            for address, image in ((FIRMWARE_SLOTS[0], firmware), (MODEL_SLOTS[0], model)):
                file.seek(address)
                file.write(image)
        return path
