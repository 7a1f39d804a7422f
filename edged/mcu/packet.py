"""SMP messages as packets of the serial console: lines of base64 with a length and a checksum.

Format: Zephyr's "SMP over console": the message between its length (u16, big endian, of message and checksum) and its checksum
(CRC-16/XMODEM, big endian), in base64, cut into lines of at most 128 bytes; 06 09 begins the first, 04 14 each other, a
newline ends all.
"""

from __future__ import annotations

import base64
import binascii
import struct

LINE_BYTES = 128
"""The longest line that a server has to take, with its two marks and the newline."""

_TEXT_BYTES = (LINE_BYTES - 3) // 4 * 4
_FIRST, _OTHERS = b"\x06\x09", b"\x04\x14"


def encode(message: bytes) -> bytes:
    """All lines of the packet."""
    framed = struct.pack(">H", len(message) + 2) + message + struct.pack(">H", binascii.crc_hqx(message, 0))
    text = base64.b64encode(framed)
    lines = [text[at : at + _TEXT_BYTES] for at in range(0, len(text), _TEXT_BYTES)]
    return _FIRST + (b"\n" + _OTHERS).join(lines) + b"\n"


def wire_bytes(message_bytes: int) -> int:
    """How long the packet of a message of this length is."""
    text = (message_bytes + 4 + 2) // 3 * 4
    return text + 3 * -(-text // _TEXT_BYTES)
