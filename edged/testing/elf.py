"""An ELF file of a microcontroller's program, as small as one can be: for tests of what reads such files."""

from __future__ import annotations

import struct

_PROGBITS = 1
_ARM = 40
_EXECUTABLE = 2


def make_elf(code: bytes, address: int) -> bytes:
    """``code`` at ``address``, which is where it starts; behind an empty section, as linkers write one first."""
    code_at = 52
    sections_at = code_at + len(code)
    header = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", _EXECUTABLE, _ARM, 1, address, 0, sections_at, 0, code_at, 0, 0, 40, 2, 0)
    return header + code + bytes(40) + struct.pack("<10I", 0, _PROGBITS, 6, address, code_at, len(code), 0, 0, 4, 0)
