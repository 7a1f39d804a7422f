"""A blob that is not complete yet: ``<sha256>.part``, of its full size from the start, and ``<sha256>.index``.

Rules: what is on the disk is believed by its digest alone. There is no list of what is there: it would have to be written after
the chunks and before nothing, synced as often as they are, and be checked all the same; reading 6 MB again takes less than asking
for one chunk. ``store`` returns when the chunks would survive a power cut. Every call opens the file anew, so that a call that
somebody gave up waiting for disturbs nobody: it writes the same bytes at the same place. All calls block for as long as the disk
does, and raise UpdateFailed ("no_space", "interrupted").
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.core.durable import replace_file, sync_directory
from edged.core.errors import UpdateCode, UpdateFailed
from edged.ota.target import CHUNK_BYTES

MARGIN_BYTES = 32 << 20
"""Left free for everything else that this disk is for: events above all."""

READ_BYTES = 1 << 18


class Part:
    """The files of one blob in ``directory``; ``sha256`` was checked to be hexadecimal digits."""

    def __init__(self, directory: Path, sha256: str, length: int) -> None:
        self.path = directory / f"{sha256}.part"
        self._index = directory / f"{sha256}.index"
        self._directory = directory
        self._length = length

    def prepare(self) -> None:
        """Take the room that the blob needs, and see that there is as much again to unpack it, and ``MARGIN_BYTES``."""
        with self._translated():
            self._directory.mkdir(parents=True, exist_ok=True)
            there = self.path.stat().st_blocks * 512 if self.path.exists() else 0
            needed = max(0, self._length - there) + self._length + MARGIN_BYTES
            disk = os.statvfs(self._directory)
            if (free := disk.f_bavail * disk.f_frsize) < needed:
                raise UpdateFailed("no_space", f"{self._directory}: {needed:,} bytes are needed and {free:,} are free")
            with self._open(os.O_CREAT) as fd:
                os.ftruncate(fd, self._length)
                os.posix_fallocate(fd, 0, self._length)
                os.fsync(fd)
            sync_directory(self._directory)

    def read_index(self) -> bytes | None:
        """What was kept as the index, to be checked like one that came."""
        with self._translated(), contextlib.suppress(FileNotFoundError):
            return self._index.read_bytes()
        return None

    def keep_index(self, payload: bytes) -> None:
        """Keep it for after a restart."""
        with self._translated():
            replace_file(self._index, payload)

    def scan(self, digests: tuple[bytes, ...]) -> set[int]:
        """The numbers of the chunks that are there."""
        held = set()
        with self._translated(), self.path.open("rb") as file:
            for number, digest in enumerate(digests):
                if hashlib.sha256(file.read(CHUNK_BYTES)).digest() == digest:
                    held.add(number)
        return held

    def store(self, chunks: Iterable[tuple[int, bytes]]) -> None:
        """Write chunks, and have them on the disk."""
        with self._translated(), self._open() as fd:
            for number, chunk in chunks:
                written = os.pwrite(fd, chunk, number * CHUNK_BYTES)
                if written != len(chunk):
                    raise OSError(errno.EIO, "a chunk was written in part")
            os.fdatasync(fd)

    def sha256(self) -> str:
        """Of the whole."""
        digest = hashlib.sha256()
        with self._translated(), self.path.open("rb") as file:
            while part := file.read(READ_BYTES):
                digest.update(part)
        return digest.hexdigest()

    def remove(self) -> None:
        """Take it off the disk."""
        with self._translated():
            self.path.unlink(missing_ok=True)
            self._index.unlink(missing_ok=True)

    @contextmanager
    def _open(self, flags: int = 0) -> Iterator[int]:
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            code: UpdateCode = "no_space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "interrupted"
            raise UpdateFailed(code, f"{self.path}: {error.strerror}") from error
