"""Firmware and models of tests, built and signed once, and flash that holds them as after the factory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from building import development_key
from emulated import Machine, program
from qemu import blank_flash

from edged.mcu.package import GoldenVector, build
from edged.tooling.mcu_sign import FirmwareLabel, ModelLabel, sign_firmware, sign_model

PERSON = bytes((-113 & 0xFF, 113))
NO_PERSON = bytes((57, -57 & 0xFF))
"""What person_detect answers to the two pictures, on every runtime."""


def picture(path: Path) -> bytes:
    """The pixels of a grey 96x96 BMP, top row first; those of the test data are int8 already."""
    data = path.read_bytes()
    begin, side = int.from_bytes(data[10:14], "little"), 96
    rows = [data[begin + row * side :][:side] for row in range(side)]
    return b"".join(reversed(rows))


def vector(question: bytes, answer: bytes, tolerance: int = 0) -> GoldenVector:
    """Of a model with one input and one output."""
    return GoldenVector((question,), (answer,), tolerance)


@dataclass(frozen=True, slots=True)
class Stock:
    """What one kind of board is given."""

    machine: Machine
    loader: Path
    code: bytes
    key: Path
    person: bytes
    no_person: bytes
    detector: bytes
    sine: bytes

    @classmethod
    def of(cls, machine: Machine, directory: Path, data: Path) -> Stock:
        """Builds what is missing, and keeps what is needed of it in a directory."""
        loader = Path(shutil.copy(program(machine, "loader.elf"), directory / "loader.elf"))
        code = program(machine, "app.elf").with_suffix(".bin").read_bytes()
        pictures = [picture(data / "media" / name) for name in ("person.bmp", "no_person.bmp")]
        models = [(data / "models" / f"{name}.tflite").read_bytes() for name in ("person_detect", "hello_world_int8")]
        return cls(machine, loader, code, development_key(machine.preset), *pictures, *models)

    @property
    def vectors(self) -> tuple[GoldenVector, GoldenVector]:
        """The golden vectors of person_detect."""
        return vector(self.person, PERSON), vector(self.no_person, NO_PERSON)

    def firmware(self, version: str, code: bytes = b"", *, counter: int = 1, key: Path | None = None, board: str = "") -> bytes:
        """The application as an image, or other code."""
        label = FirmwareLabel(board or self.machine.board, version, counter, "loaded", self.machine.load_address)
        return sign_firmware(code or self.code, label, key or self.key)

    def model(self, version: str, model: bytes, vectors: tuple[GoldenVector, ...] = (), name: str = "sine") -> bytes:
        """A model as an image."""
        return sign_model(build(model, vectors), ModelLabel(self.machine.board, name, version, 1), self.key)

    def people(self, version: str) -> bytes:
        """person_detect with both golden vectors."""
        return self.model(version, self.detector, self.vectors, "person_detect")

    def flash(self, path: Path, firmware: bytes = b"", model: bytes = b"") -> Path:
        """A flash file with these in their first slots, and no journal yet."""
        blank_flash(path)
        with path.open("r+b") as file:
            for address, image in ((self.machine.firmware_at, firmware), (self.machine.model_at, model)):
                file.seek(address)
                file.write(image)
        return path
