"""A publisher's directory: what lies where, each file written whole or not at all.

| | |
|---|---|
| `fleet` | whose it is |
| `channels/<channel>.msgpack` | what is published: the bundle, which is also all that the publisher knows of the channel |
| `channels/<channel>.root.json` | for the devices that follow it |
| `history/<channel>/<version>.msgpack` | the bundle of each version of the targets that there was |
| `blobs/<sha256>.tar` | everything that was ever signed, so that it can be gone back to |
| `keys/` | key files; those of the root belong elsewhere |
| `rotation` | there while keys are being changed: the key ids that are new |
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edged.core.durable import replace_file, sync_directory
from edged.core.errors import PublisherFailed
from edged.ota.target import NAME

FOLDERS = ("channels", "history", "blobs", "keys")
RETIRED = "retired"


class Directory:
    """One that ``create`` made. Everything raises PublisherFailed where a file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        fleet = self._read("fleet")
        if fleet is None:
            raise PublisherFailed(f"{path} is no publisher's directory", hint="`edged ota init --fleet FLEET DIR` makes one.")
        self.fleet = fleet.decode(errors="replace").strip()

    @staticmethod
    def create(path: Path, fleet: str) -> None:
        """Lay out the empty directory ``path``."""
        with _translated(path):
            for folder in FOLDERS:
                (path / folder).mkdir(mode=0o700 if folder == "keys" else 0o755)
            replace_file(path / "fleet", f"{fleet}\n".encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other publishers out for the time of a ``with``."""
        with _translated(self.path):
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PublisherFailed(f"{self.path} is in use by another `edged ota`", hint="Wait until it is done.") from error
            yield
        finally:
            os.close(fd)

    def channels(self) -> list[str]:
        """The channels that there are."""
        names = (path.name.removesuffix(".msgpack") for path in self.path.glob("channels/*.msgpack"))
        return sorted(name for name in names if re.match(NAME, name))

    def bundle(self, channel: str) -> bytes:
        """What is published of a channel."""
        data = self._read(f"channels/{channel}.msgpack")
        if data is None:
            known = ", ".join(self.channels()) or "none"
            raise PublisherFailed(
                f"there is no channel {channel!r} (there are: {known})", hint="`edged ota init --channel` adds one."
            )
        return data

    def publish(self, channel: str, bundle: bytes, targets_version: int) -> None:
        """Make this what is published. It goes into the history first: what was published is always there."""
        with _translated(self.path):
            (self.path / "history" / channel).mkdir(exist_ok=True)
            sync_directory(self.path / "history")
            replace_file(self.path / "history" / channel / f"{targets_version}.msgpack", bundle)
            replace_file(self.path / "channels" / f"{channel}.msgpack", bundle)

    def give_root(self, channel: str, root: bytes) -> Path:
        """Write the root that devices are given; where it lies."""
        path = self.path / "channels" / f"{channel}.root.json"
        with _translated(path):
            replace_file(path, root)
        return path

    def history(self, channel: str) -> Iterator[bytes]:
        """What was published of a channel, the newest first."""
        folder = self.path / "history" / channel
        versions = sorted((int(path.stem) for path in folder.glob("*.msgpack") if path.stem.isdecimal()), reverse=True)
        for version in versions:
            data = self._read(f"history/{channel}/{version}.msgpack")
            if data is not None:
                yield data

    def blob_path(self, sha256: str) -> Path:
        """Where a blob lies."""
        return self.path / "blobs" / f"{sha256}.tar"

    def blob(self, sha256: str) -> bytes:
        """A blob, if it is what it is called."""
        path = self.blob_path(sha256)
        data = self._read(f"blobs/{path.name}")
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise PublisherFailed(f"{path} is {'missing' if data is None else 'damaged'}", hint="Take it from a backup.")
        return data

    def keep_blob(self, data: bytes) -> str:
        """Store a blob; its sha256."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.blob_path(sha256)
        if self._read(f"blobs/{path.name}") != data:
            with _translated(path):
                replace_file(path, data)
        return sha256

    def rotation(self) -> dict[str, list[str]]:
        """The new key ids of each role whose keys are being changed."""
        data = self._read("rotation")
        try:
            return {} if data is None else msgspec.json.decode(data, type=dict[str, list[str]])
        except msgspec.MsgspecError as error:
            raise PublisherFailed(f"{self.path / 'rotation'} is damaged: {error}") from error

    def begin_rotation(self, keyids: dict[str, list[str]]) -> None:
        """Remember that keys are being changed."""
        with _translated(self.path):
            replace_file(self.path / "rotation", msgspec.json.encode(keyids))

    def end_rotation(self) -> None:
        """They are changed."""
        with _translated(self.path):
            (self.path / "rotation").unlink(missing_ok=True)
            sync_directory(self.path)

    def retire_keys(self, in_use: set[str]) -> None:
        """Put key files aside that nothing is signed with any more; ``in_use`` are the names of the others."""
        with _translated(self.keys):
            for path in self.keys.glob("*.pem"):
                if path.name not in in_use:
                    (self.keys / RETIRED).mkdir(mode=0o700, exist_ok=True)
                    path.rename(self.keys / RETIRED / path.name)
            sync_directory(self.keys)

    def _read(self, name: str) -> bytes | None:
        with _translated(self.path / name):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PublisherFailed(f"{error.filename or path}: {error.strerror}") from error
