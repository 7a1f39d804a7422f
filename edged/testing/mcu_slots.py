"""The slots of a microcontroller that keeps two images of each kind, and what of them runs: no I/O, no clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from edged.testing.mcu_image import Image, Key, read_image


class Refused(Exception):
    """What is asked is not to be had; ``code`` as the management protocol numbers its common errors."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


SECTOR_BYTES = 4096
INVALID, ABSENT, BAD_STATE, NOT_SUPPORTED, CORRUPT = 3, 5, 6, 8, 9


@dataclass(slots=True)
class Upload:
    """One that is under way."""

    length: int
    sha: bytes
    slot: int
    data: bytearray = field(default_factory=bytearray)


class Slots:
    """Both slots of one kind of image. ``running`` is on trial if it is not ``confirmed``."""

    def __init__(self, board: str, key: Key, *, model: bool, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.floor = 0
        self.confirmed: int | None = None
        self.running: int | None = None
        self.previous: int | None = None
        self.pending: int | None = None
        self.upload: Upload | None = None
        self._rejected: set[int] = set()
        self._files: list[bytes | None] = [None, None]
        self._board = board
        self._key = key
        self._model = model

    @property
    def on_trial(self) -> bool:
        """Whether what runs is not yet kept."""
        return self.running is not None and self.running != self.confirmed

    @property
    def state(self) -> str:
        """As `info` says it."""
        return "none" if self.running is None else "trial" if self.on_trial else "confirmed"

    def image(self, slot: int | None) -> Image | None:
        """What a slot holds, if that is whole and signed, for this board and of this kind."""
        data = None if slot is None else self._files[slot]
        image = None if data is None else read_image(data, self._key)
        if image is None or image.board != self._board or (image.model is not None) != self._model:
            return None
        return image

    def may_run(self, slot: int | None) -> bool:
        """Whether a slot holds an image that is not below the floor."""
        image = self.image(slot)
        return image is not None and image.counter >= self.floor

    def was_confirmed(self, slot: int) -> bool:
        """Whether it was kept once and has not failed since; what runs on trial was not, be it what ran before."""
        kept = slot == self.previous and slot not in self._rejected and not (self.on_trial and slot == self.running)
        return kept or slot == self.confirmed

    def put(self, data: bytes) -> None:
        """As if it had always been there, confirmed and running."""
        self._files[0] = data
        image = self.image(0)
        assert image is not None, "an image that the board would not run"
        self.running = self.confirmed = 0
        self.floor = image.counter

    def write(self, offset: int, data: bytes, length: int | None, sha: bytes | None) -> int:
        """A piece of an upload; how much of it is there. What does not follow on is not taken."""
        if offset == 0:
            if length is None or length > self.size_bytes:
                raise Refused(INVALID)
            under_way = self.upload
            if under_way is not None and sha and (under_way.sha, under_way.length) == (sha, length) and under_way.data:
                return len(under_way.data)
            self.upload = Upload(length, sha or b"", self._target())
            self._forget(self.upload.slot)
        if self.upload is None:
            return 0
        upload = self.upload
        if offset == len(upload.data):
            if offset + len(data) > upload.length:
                raise Refused(INVALID)
            upload.data += data
            if len(upload.data) == upload.length:
                self._complete(upload)
        return len(upload.data)

    def request(self, image_hash: bytes) -> None:
        """Run the image of this hash on trial, after the next reset."""
        for slot in (0, 1):
            image = self.image(slot)
            if image is not None and image.hash == image_hash:
                if slot == self.running or not self.may_run(slot):
                    raise Refused(BAD_STATE)
                self.pending = slot
                self._rejected.discard(slot)
                return
        raise Refused(ABSENT)

    def confirm(self) -> None:
        """Keep what runs."""
        if self.running is not None:
            if self.on_trial:
                self.previous, self.confirmed = self.confirmed, self.running
            image = self.image(self.running)
            self.floor = max(self.floor, image.counter if image else 0)

    def reset(self) -> None:
        """What a loader does: what was on trial and not confirmed is over; what was asked for is tried."""
        if self.on_trial and self.running is not None:
            self._rejected.add(self.running)
        self.running, self.pending = self.pending if self.may_run(self.pending) else self.confirmed, None
        if self.upload is not None:  # only whole sectors were written before
            del self.upload.data[len(self.upload.data) // SECTOR_BYTES * SECTOR_BYTES :]
            if not self.upload.data or len(self.upload.data) == self.upload.length:
                self.upload = None

    def erase(self) -> None:
        """Forget what neither runs nor is to be gone back to."""
        self._forget(self._target())
        self.upload = None

    def _forget(self, slot: int) -> None:
        self._files[slot] = None
        self._rejected.discard(slot)
        self.previous = None if self.previous == slot else self.previous

    def _target(self) -> int:
        if self.on_trial and self.confirmed is not None:
            raise Refused(BAD_STATE)
        return 0 if self.running is None else 1 - self.running

    def _complete(self, upload: Upload) -> None:
        data = bytes(upload.data)
        if upload.sha and hashlib.sha256(data).digest() != upload.sha:
            self.upload = None
            raise Refused(CORRUPT)
        self._files[upload.slot] = data
        if not self.may_run(upload.slot):
            self._files[upload.slot] = None
            self.upload = None
            raise Refused(CORRUPT)
