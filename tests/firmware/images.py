"""Signed images of tests, as they are signed by whoever owns a fleet: by MCUboot's own tool."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 0x200
SLOT_BYTES = 4 << 20
_PACKAGE = struct.Struct("<4sHHII")
_VECTOR = struct.Struct("<IIB3x")


@dataclass(frozen=True, slots=True)
class Vector:
    """A golden vector of a model with one input and one output."""

    input: bytes
    output: bytes
    tolerance: int = 0


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one kind of board with one key."""

    key: Path
    board: str
    load_address: int

    def firmware(self, program: Path, version: str, counter: int = 1) -> bytes:
        """An image of a program."""
        return self._sign(program, version, counter, "--load-addr", f"{self.load_address:#x}")

    def model(self, package: Path, version: str, name: str, counter: int = 1) -> bytes:
        """An image of a model's package."""
        return self._sign(package, version, counter, "--custom-tlv", "0x00A1", name)

    def _sign(self, payload: Path, version: str, counter: int, *options: str) -> bytes:
        signed = payload.with_name(f"{payload.name}.{version}.{counter}.{self.key.stem}.{self.board}.signed")
        command = [sys.executable, "-m", "imgtool.main", "sign", "--key", str(self.key), "--header-size", hex(HEADER_BYTES)]
        command += ["--pad-header", "--slot-size", hex(SLOT_BYTES), "--align", "1", "--version", version]
        command += ["--security-counter", str(counter), "--custom-tlv", "0x00A0", self.board, *options]
        subprocess.run([*command, str(payload), str(signed)], check=True, stdout=subprocess.DEVNULL)
        return signed.read_bytes()


def package(model: bytes, vectors: tuple[Vector, ...] = ()) -> bytes:
    """The payload of a model image (firmware/boot/package.h)."""
    body = b""
    for vector in vectors:
        data, answer = _padded(vector.input, 4), _padded(vector.output, 4)
        body += _VECTOR.pack(len(data), len(answer), vector.tolerance) + data + answer
    offset = len(_padded(bytes(_PACKAGE.size) + body, 16))
    head = _PACKAGE.pack(b"EDMP", 1, len(vectors), offset, len(model))
    return _padded(head + body, 16) + model


def _padded(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)
