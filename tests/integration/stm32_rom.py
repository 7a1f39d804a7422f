"""The loader in the ROM of an STM32, on a PTY: as much of ST's AN3155 as it takes to be flashed, and complete in that.

Commands: get, get version, get id, read, go, write, erase, extended erase; each with its complement, answered by 79 or 1F; every
block with its checksum. Parity and reset are of wires, and not here.
"""

from __future__ import annotations

import os
import select
import threading
import tty

ACK, NACK = b"\x79", b"\x1f"
FLASH = 0x0800_0000
CHIP = 0x0410
"""STM32F10xxx of medium density: 128 KB of flash, pages of 1 KB, and 20 KB of RAM."""

FLASH_BYTES = 128 * 1024
COMMANDS = bytes([0x00, 0x01, 0x02, 0x11, 0x21, 0x31, 0x43, 0x63, 0x73, 0x82, 0x92])


class Stm32Rom:
    """``with Stm32Rom() as chip: ... chip.path``; ``flash`` is what it holds, ``started`` where it was told to go."""

    def __init__(self, *, damage: bool = False) -> None:
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self.started: int | None = None
        self.written = 0
        self._damage = damage
        self._stop = False

    def __enter__(self) -> Stm32Rom:
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

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count and not self._stop:
            if select.select([self._master], [], [], 0.05)[0]:
                data += os.read(self._master, count - len(data))
        if self._stop:
            raise EOFError
        return data

    def _say(self, data: bytes) -> None:
        os.write(self._master, data)

    def _serve(self) -> None:
        handlers = {0x00: self._get, 0x01: self._version, 0x02: self._id, 0x11: self._read, 0x21: self._go, 0x31: self._write}
        handlers[0x43] = self._erase
        try:
            while self._take(1) != b"\x7f":
                pass
            self._say(ACK)
            while True:
                command = self._take(1)[0]
                if command == 0x7F:
                    self._say(NACK)  # awake already
                    continue
                handler = handlers.get(command)
                if self._take(1)[0] != command ^ 0xFF or handler is None:
                    self._say(NACK)
                    continue
                self._say(ACK)
                handler()
        except EOFError:
            pass

    def _get(self) -> None:
        self._say(bytes([len(COMMANDS), 0x22]) + COMMANDS + ACK)

    def _version(self) -> None:
        self._say(b"\x22\0\0" + ACK)

    def _id(self) -> None:
        self._say(b"\x01" + CHIP.to_bytes(2, "big") + ACK)

    def _address(self) -> int | None:
        data = self._take(5)
        right = data[0] ^ data[1] ^ data[2] ^ data[3] == data[4]
        self._say(ACK if right else NACK)
        return int.from_bytes(data[:4], "big") if right else None

    def _place(self, address: int, size: int) -> slice | None:
        at = address - FLASH
        return slice(at, at + size) if 0 <= at <= FLASH_BYTES - size else None

    def _read(self) -> None:
        address = self._address()
        if address is None:
            return
        count, complement = self._take(2)
        place = self._place(address, count + 1)
        if count ^ 0xFF != complement:
            self._say(NACK)
            return
        self._say(ACK + (bytes(self.flash[place]) if place else bytes(count + 1)))

    def _write(self) -> None:
        address = self._address()
        if address is None:
            return
        count = self._take(1)[0] + 1
        data = self._take(count + 1)
        checksum = count - 1
        for byte in data:
            checksum ^= byte
        place = self._place(address, count)
        blank = place is not None and all(byte == 0xFF for byte in self.flash[place])
        if checksum or place is None or not blank:
            self._say(NACK)
            return
        self.flash[place] = data[:-1]
        if self._damage:
            self.flash[place.start] ^= 1
        self.written += count
        self._say(ACK)

    def _erase(self) -> None:
        count = self._take(1)[0]
        pages = self._take(1) if count == 0xFF else self._take(count + 2)[:-1]
        if count == 0xFF:
            self.flash[:] = b"\xff" * FLASH_BYTES
        else:
            for page in pages:
                self.flash[page * 1024 : (page + 1) * 1024] = b"\xff" * 1024
        self._say(ACK)

    def _go(self) -> None:
        address = self._address()
        if address is not None:
            self.started = address
