"""What a dead vision process was doing: marks in memory that it shares with the main process.

Rules: a mark is one byte, set before native code of an accelerator is entered and cleared after it, so that it costs an inference
nothing; it survives every way to die; nobody clears that of another. What is found in it is checked like anything else that the
vision process says.
"""

from __future__ import annotations

import mmap
import os
import threading

NAME_BYTES = 32
"""A model's name; longer ones are cut, and belong to nobody then."""

SERVING, LOADING = range(2)
"""A model's marks: of the thread that serves it, and of the one that loads it, which may be another one of that name meanwhile."""

MARKS = 2
SLOT_BYTES = MARKS + NAME_BYTES
SLOTS = 120
"""Fill a page; more models than that are not told apart from none."""


class Note:
    """The marks, by the names of models; ``fd`` is the memory that was shared, without one it is the process's own."""

    def __init__(self, fd: int = -1) -> None:
        self._memory = mmap.mmap(fd, SLOTS * SLOT_BYTES)
        self._slots: dict[str, int] = {}

    def section(self, model: str) -> Section:
        """What to enter around native code of the accelerator that runs ``model``; asked for by the thread that loads it."""
        at = self._slots.setdefault(model, len(self._slots)) * SLOT_BYTES
        if at >= len(self._memory):
            return Section(self._memory, None)
        self._memory[at + MARKS : at + SLOT_BYTES] = model.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        return Section(self._memory, at)

    def inside(self) -> tuple[str, ...]:
        """The models in whose sections somebody is, or which were left by an error; first those that serve."""
        slots = [self._memory[at : at + SLOT_BYTES] for at in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES)]
        names = [slot[MARKS:].rstrip(b"\0").decode(errors="replace") for mark in (SERVING, LOADING) for slot in slots if slot[mark]]
        return tuple(dict.fromkeys(names))

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


class Section:
    """Marks that its model's accelerator is at work; entered as often as you like. An error leaves the mark for who handles it.

    Made by the thread that loads the model, whose mark is another than that of the thread which serves it: while a model is loaded
    anew the one of the same name goes on.
    """

    def __init__(self, memory: mmap.mmap, at: int | None) -> None:
        self._memory = memory
        self._at = at
        self._loader = threading.get_ident()

    def __enter__(self) -> None:
        if self._at is not None:
            self._memory[self._at + self._mark] = 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._at is not None:
            self._memory[self._at + self._mark] = 0

    @property
    def _mark(self) -> int:
        return LOADING if threading.get_ident() == self._loader else SERVING


def shared() -> tuple[Note, int]:
    """A note on memory that a child can be handed, and its descriptor, which the caller closes."""
    fd = os.memfd_create("edged-note")
    os.ftruncate(fd, SLOTS * SLOT_BYTES)
    return Note(fd), fd
