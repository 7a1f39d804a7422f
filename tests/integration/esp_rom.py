"""The loader in the ROM of an ESP32, on a PTY: as much of Espressif's serial protocol as it takes to be written and verified.

Format: SLIP frames; a request is 00, command, length (u16), checksum (u32), data; an answer 01, command, length, value (u32), data,
four bytes of status. https://docs.espressif.com/projects/esptool/en/latest/esp32/advanced-topics/serial-protocol.html
"""

from __future__ import annotations

import hashlib
import os
import select
import struct
import threading
import tty

REGISTERS = {
    0x4000_1000: 0x00F0_1D83,  # which chip this is
    0x3FF4_2080: 0x0016_40EF,  # what its flash answers when it is asked who it is: 4 MB
}
CHECKSUM_SEED = 0xEF
FLASH_BYTES = 4 << 20


class EspRom:
    """``with EspRom() as chip: ... chip.path``; ``flash`` is what it holds."""

    def __init__(self, *, damage: bool = False) -> None:
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self._damage = damage
        self._stop = False
        self._at = 0
        self._block = 0

    def __enter__(self) -> EspRom:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        rest = b""
        while not self._stop:
            if select.select([self._master], [], [], 0.05)[0]:
                *frames, rest = (rest + os.read(self._master, 1 << 16)).split(b"\xc0")
                for frame in frames:
                    if len(frame) >= 8:
                        self._handle(frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb"))

    def _handle(self, frame: bytes) -> None:
        _, command, size, checksum = struct.unpack_from("<BBHI", frame)
        data = frame[8:]
        if len(data) != size:
            return
        value, answer, status = 0, b"", bytes(4)
        match command:
            case 0x08:  # sync
                for _ in range(7):
                    self._say(command, 0, bytes(4))
            case 0x0A:  # read a register
                value = REGISTERS.get(struct.unpack("<I", data)[0], 0)
            case 0x02:  # begin to write
                size, _, self._block, self._at = struct.unpack_from("<4I", data)
                self.flash[self._at : self._at + size] = b"\xff" * size
            case 0x03:  # write a block
                status = self._write(data, checksum)
            case 0x13:  # digest what is there
                at, size = struct.unpack_from("<2I", data)
                answer = hashlib.md5(self.flash[at : at + size], usedforsecurity=False).hexdigest().encode()
            case 0x09 | 0x0B | 0x0D | 0x04:  # write a register, parameters of the flash, attach it, end
                pass
            case _:
                status = b"\x01\x05\0\0"  # an invalid message
        self._say(command, value, answer + status)

    def _write(self, data: bytes, checksum: int) -> bytes:
        size, number, _, _ = struct.unpack_from("<4I", data)
        block = data[16 : 16 + size]
        found = CHECKSUM_SEED
        for byte in block:
            found ^= byte
        if found != checksum:
            return b"\x01\x07\0\0"
        at = self._at + number * self._block
        self.flash[at : at + size] = block
        if self._damage:
            self.flash[at] ^= 1
        return bytes(4)

    def _say(self, command: int, value: int, data: bytes) -> None:
        frame = struct.pack("<BBHI", 1, command, len(data), value) + data
        os.write(self._master, b"\xc0" + frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")
