"""What a dead vision process was doing: marks in memory that it shares with the main process.

Rules: a mark is one byte, set before native code of an accelerator is entered and cleared after it, so that it costs an inference
nothing; it survives every way to die. What is found in it is checked like anything else that the vision process says.
"""

from __future__ import annotations

import mmap
import os

NAME_BYTES = 32
"""A model's name; longer ones are cut, and belong to nobody then."""

SLOT_BYTES = 1 + NAME_BYTES
SLOTS = 124
"""Fill a page; more models than that are not told apart from none."""


class Note:
    """The marks, by the names of models; ``fd`` is the memory that was shared, without one it is the process's own."""

    def __init__(self, fd: int = -1) -> None:
        self._memory = mmap.mmap(fd, SLOTS * SLOT_BYTES)
        self._slots: dict[str, Section] = {}

    def section(self, model: str) -> Section:
        """What to enter around native code of the accelerator that runs ``model``."""
        if model not in self._slots:
            self._slots[model] = Section(self._memory, len(self._slots), model)
        return self._slots[model]

    def inside(self) -> tuple[str, ...]:
        """The models in whose sections somebody is, or which were left by an error."""
        slots = (self._memory[at : at + SLOT_BYTES] for at in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES))
        return tuple(slot[1:].rstrip(b"\0").decode(errors="replace") for slot in slots if slot[0])

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


class Section:
    """Marks that its model's accelerator is at work; entered as often as you like. An error leaves the mark for who handles it."""

    def __init__(self, memory: mmap.mmap, slot: int, model: str) -> None:
        self._memory = memory
        self._at = slot * SLOT_BYTES if slot < SLOTS else None
        if self._at is not None:
            memory[self._at + 1 : self._at + SLOT_BYTES] = model.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")

    def __enter__(self) -> None:
        if self._at is not None:
            self._memory[self._at] = 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._at is not None:
            self._memory[self._at] = 0


def shared() -> tuple[Note, int]:
    """A note on memory that a child can be handed, and its descriptor, which the caller closes."""
    fd = os.memfd_create("edged-note")
    os.ftruncate(fd, SLOTS * SLOT_BYTES)
    return Note(fd), fd
