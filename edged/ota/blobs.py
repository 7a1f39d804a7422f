"""Unpacked bundles, each in a directory called as the sha256 of the blob that it came in.

Rules: a directory under such a name is complete, from the moment it has the name until the moment it loses it; what is being made
or removed has a name that begins with a dot, and whoever finds that after a power cut removes it.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from edged.core.durable import sync_directory
from edged.ota.package import unpack

log = logging.getLogger(__name__)

SHA256 = re.compile(r"[0-9a-f]{64}")
GOING = ".going-"


class Blobs:
    """Below ``directory``, which is made if it is missing. Everything blocks, and raises OSError."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(directory.parent)
        self._directory = directory

    def path(self, sha256: str) -> Path:
        """Where the bundle is, or would be."""
        assert SHA256.fullmatch(sha256)
        return self._directory / sha256

    def has(self, sha256: str) -> bool:
        """Whether it is there."""
        return self.path(sha256).is_dir()

    def add(self, sha256: str, blob: Path) -> Path:
        """Have the bundle of a verified blob; where it is then. Raises UpdateRefused, UpdateFailed."""
        path = self.path(sha256)
        unpack(blob, path)
        return path

    def collect(self, keep: Collection[str]) -> None:
        """Remove all bundles but these, and what a power cut left.

        A bundle is renamed before its first file goes: half of one is never found under its name.
        """
        going = []
        for found in sorted(self._directory.iterdir()):
            if SHA256.fullmatch(found.name) and found.name not in keep:
                gone = self._directory / f"{GOING}{found.name}"
                _remove(gone)
                found.rename(gone)
                going.append(gone)
            elif found.name.startswith("."):
                going.append(found)
        if going:
            sync_directory(self._directory)
        for path in going:
            log.debug("%s: is not needed any more", path)
            _remove(path)


def collect_parts(directory: Path, keep: Collection[str]) -> None:
    """Remove what was fetched of all blobs but these; files are called ``<sha256>.<what>``."""
    for found in sorted(directory.iterdir()):
        if found.name.partition(".")[0] not in keep:
            found.unlink()


def _remove(directory: Path) -> None:
    if directory.is_dir():
        shutil.rmtree(directory)
