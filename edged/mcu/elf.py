"""Where a firmware was linked to run, out of the ELF file that its .bin was made of; no I/O.

The linker script of a port is the one place that says so. Format: Tool Interface Standard, Executable and Linking Format 1.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC = b"\x7fELF\x01\x01\x01"  # of 32 bits, little-endian, version 1
_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_PROGBITS = 1


@dataclass(frozen=True, slots=True)
class Code:
    """The section that holds the entry point: ``data`` lies at ``address``, and is what the .bin begins with."""

    address: int
    data: bytes


def read_code(elf: bytes) -> Code:
    """Find it; raises ValueError for what is no such file."""
    if len(elf) < _HEADER.size or not elf.startswith(_MAGIC):
        raise ValueError("no ELF file of a 32-bit microcontroller")
    header = _HEADER.unpack_from(elf)
    entry, table_at, entry_bytes, count = header[4], header[6], header[11], header[12]
    if entry_bytes != _SECTION.size or table_at + count * entry_bytes > len(elf):
        raise ValueError("an ELF file that is cut off")
    for _, kind, _, address, offset, size, *_ in _SECTION.iter_unpack(elf[table_at : table_at + count * entry_bytes]):
        if kind == _PROGBITS and address <= entry < address + size:
            if offset + size > len(elf):
                raise ValueError("an ELF file that is cut off")
            return Code(address, elf[offset : offset + size])
    raise ValueError("an ELF file whose entry point is in none of its sections")
