"""Reads flatbuffers that nobody vouches for.

The rules that this file keeps:

- Nothing is read before its place is checked to lie inside the buffer; what does not fit is ``ModelRejected``, never another error.
- Every vector has a bound that its reader states, so that a few bytes cannot ask for hours or gigabytes.
- No numpy: the main process reads manifests too. (``flatbuffers.table`` checks nothing and loads numpy.)

Format: https://flatbuffers.dev/internals/. Everything is little-endian. A table begins with a signed offset back to its vtable,
which holds two sizes and one 16-bit offset for each field, 0 where the field is absent. Strings, vectors and tables are reached by
unsigned 32-bit offsets from where the offset stands.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edged.core.errors import ModelRejected


@dataclass(frozen=True, slots=True)
class Table:
    """A table at byte ``position`` of ``data``; ``what`` names the buffer in errors.

    A field is asked for by its place in the schema, counted from 0. An absent field gives the schema's default: zero or nothing.
    """

    data: memoryview
    position: int
    what: str

    @classmethod
    def root(cls, data: bytes | memoryview, identifier: bytes, what: str) -> Table:
        """The root table of ``data``, which must carry the 4-byte file ``identifier``."""
        view = memoryview(data)
        if bytes(view[4:8]) != identifier:
            raise ModelRejected(f"{what}: no {identifier.decode()} file identifier, so this is something else", fault="wrong type")
        outer = cls(view, 0, what)
        return cls(view, outer._follow(0), what)

    def integer(self, slot: int, code: str = "I") -> int:
        """A whole number; ``code`` is its format for ``struct``."""
        at = self._field(slot)
        return 0 if at is None else int(self._unpack(code, at)[0])

    def real(self, slot: int) -> float:
        """A 32-bit float."""
        at = self._field(slot)
        return 0.0 if at is None else float(self._unpack("f", at)[0])

    def text(self, slot: int, limit: int) -> str:
        """A string of at most ``limit`` bytes; "" where it is absent."""
        at = self._field(slot)
        return "" if at is None else self._text_at(self._follow(at), limit)

    def texts(self, slot: int, count: int, limit: int) -> tuple[str, ...]:
        """A vector of at most ``count`` strings of at most ``limit`` bytes each."""
        start, length = self._vector(slot, 4, count)
        return tuple(self._text_at(self._follow(start + 4 * i), limit) for i in range(length))

    def blob(self, slot: int) -> memoryview:
        """A vector of bytes, without copying it."""
        start, length = self._vector(slot, 1, len(self.data))
        return self.data[start : start + length]

    def integers(self, slot: int, count: int, code: str = "i") -> tuple[int, ...]:
        """A vector of at most ``count`` whole numbers of the format ``code``."""
        start, length = self._vector(slot, struct.calcsize(f"<{code}"), count)
        return self._unpack(f"{length}{code}", start)

    def reals(self, slot: int, count: int) -> tuple[float, ...]:
        """A vector of at most ``count`` 32-bit floats."""
        start, length = self._vector(slot, 4, count)
        return self._unpack(f"{length}f", start)

    def table(self, slot: int) -> Table | None:
        """A table, ``None`` where it is absent."""
        at = self._field(slot)
        return None if at is None else Table(self.data, self._follow(at), self.what)

    def tables(self, slot: int, count: int) -> tuple[Table, ...]:
        """A vector of at most ``count`` tables."""
        start, length = self._vector(slot, 4, count)
        return tuple(Table(self.data, self._follow(start + 4 * i), self.what) for i in range(length))

    def _field(self, slot: int) -> int | None:
        vtable = self.position - self._unpack("i", self.position)[0]
        size = self._unpack("H", vtable)[0]
        entry = 4 + 2 * slot
        if entry + 2 > size:
            return None
        offset = self._unpack("H", vtable + entry)[0]
        return self.position + offset if offset else None

    def _vector(self, slot: int, item_bytes: int, count: int) -> tuple[int, int]:
        """Where the items of a vector begin, and how many they are."""
        at = self._field(slot)
        if at is None:
            return 0, 0
        start = self._follow(at)
        length = int(self._unpack("I", start)[0])
        if length > count:
            raise ModelRejected(
                f"{self.what}: a list of {length} items at byte {start}; at most {count} make sense there", fault="corrupt"
            )
        self._check(start + 4, length * item_bytes)
        return start + 4, length

    def _text_at(self, start: int, limit: int) -> str:
        length = int(self._unpack("I", start)[0])
        if length > limit:
            raise ModelRejected(
                f"{self.what}: a text of {length} bytes at byte {start}; at most {limit} make sense there", fault="corrupt"
            )
        self._check(start + 4, length)
        try:
            return bytes(self.data[start + 4 : start + 4 + length]).decode()
        except UnicodeDecodeError as error:
            raise ModelRejected(f"{self.what}: the text at byte {start} is not UTF-8: {error.reason}", fault="corrupt") from error

    def _follow(self, at: int) -> int:
        return at + int(self._unpack("I", at)[0])

    def _unpack(self, code: str, at: int) -> tuple[int, ...]:
        layout = f"<{code}"
        self._check(at, struct.calcsize(layout))
        return struct.unpack_from(layout, self.data, at)

    def _check(self, at: int, length: int) -> None:
        size = len(self.data)
        if at < 0 or at + length > size:
            # What leads a little beyond the end was there once; what leads far beyond, or before the front, never was.
            cut = 0 <= at < 2 * size
            raise ModelRejected(
                f"{self.what}: byte {at} + {length} is outside of its {size} bytes: truncated or damaged",
                fault="truncated" if cut else "corrupt",
            )
