"""Reading the files of models, which may be anything: pipes, devices, disk images, or swapped while they are read. No numpy."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.infer.graph import IDENTIFIER

MAX_MODEL_BYTES = 512 << 20
"""No model that a Pi can run is larger; a path that leads to a disk image must not fill the memory."""

ENCRYPTED = b"edgedENC"
"""What an encrypted model begins with (``edged.infer.encryption``)."""

Stamp = tuple[int, ...]
"""Device, inode, size and times of a file: another file, or a write to it, shows in them."""


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; raises ModelRejected."""
    return read_stamped(path, limit)[0]


def read_stamped(path: Path, limit: int) -> tuple[bytes, Stamp]:
    """``read_limited``, and the stamp of the file."""
    try:
        with _open_limited(path, limit) as file:
            stamp = _stamp(file)
            return file.read(os.fstat(file.fileno()).st_size), stamp  # read(limit) would set the limit aside as memory
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, error) from error


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file as it was read once: its SHA-256 as it lies there, its stamp, and whether it is encrypted."""

    digest: str
    stamp: Stamp
    encrypted: bool


def hash_model(path: Path) -> ModelFile:
    """Look at a model file, which is never held in memory whole; raises ModelRejected."""
    try:
        with _open_limited(path, MAX_MODEL_BYTES) as file:
            stamp = _stamp(file)
            begin = file.read(8)
            if begin != ENCRYPTED and begin[4:] != IDENTIFIER:
                raise ModelRejected(f"{path}: this is no .tflite file", fault="wrong type")
            file.seek(0)
            return ModelFile(hashlib.file_digest(file, "sha256").hexdigest(), stamp, begin == ENCRYPTED)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, error) from error


@contextmanager
def opened(path: Path, stamp: Stamp) -> Iterator[BufferedReader]:
    """The file that had ``stamp`` when it was hashed, whatever ``path`` leads to by now; raises ModelRejected."""
    try:
        with _open_limited(path, MAX_MODEL_BYTES) as file:
            if _stamp(file) != stamp:
                raise ModelRejected(
                    f"{path}: changed while it was loaded", hint="Put new files in place by renaming.", fault="changed"
                )
            yield file
    except OSError as error:
        raise unreadable(path, error) from error


def _open_limited(path: Path, limit: int) -> BufferedReader:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for someone to write
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ModelRejected(f"{path}: this is not a file", fault="wrong type")
    raise ModelRejected(f"{path}: {status.st_size} bytes; at most {limit} are read", fault="oversized")


def _stamp(file: BufferedReader) -> Stamp:
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def unreadable(path: Path, error: OSError | ValueError) -> ModelRejected:
    """The same fault in edged's words."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ModelRejected(f"{path}: cannot be read: {reason}", fault="unreadable")
