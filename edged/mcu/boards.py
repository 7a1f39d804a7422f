"""What the numbers of a USB device say about the microcontroller behind it.

Sources: the USB ID repository (linux-usb.org), and the documentation of the makers. A chip that only turns USB into a serial line
says nothing about what hangs on it; then the guess is what is sold with it most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tool = Literal["smp", "mcuboot", "esptool", "stm32flash", "uf2"]
"""What flashes a chip: the management protocol as our firmware speaks it, as others with MCUboot do, or a tool of its kind."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What it is in words, and what would flash it; ``sure`` is false where other chips come with the same numbers."""

    what: str
    tool: Tool
    sure: bool = True


_BRIDGE = "USB to serial bridge"

GUESSES: dict[tuple[int, int], Guess] = {
    (0x2E8A, 0x0003): Guess("RP2040 in its boot loader", "uf2"),
    (0x2E8A, 0x000F): Guess("RP2350 in its boot loader", "uf2"),
    (0x2E8A, 0x0005): Guess("RP2040 with MicroPython", "uf2"),
    (0x2E8A, 0x000A): Guess("RP2040 with a program of the Pico SDK", "uf2"),
    (0x2E8A, 0x0009): Guess("RP2350 with a program of the Pico SDK", "uf2"),
    (0x2E8A, 0x000C): Guess("Raspberry Pi Debug Probe, with any board behind it", "smp", sure=False),
    (0x303A, 0x1001): Guess("ESP32 with USB of its own (C3, C6, H2, S3)", "esptool"),
    (0x10C4, 0xEA60): Guess(f"CP210x {_BRIDGE}, as on many ESP32 boards", "esptool", sure=False),
    (0x1A86, 0x7523): Guess(f"CH340 {_BRIDGE}, as on many ESP32 boards", "esptool", sure=False),
    (0x1A86, 0x55D4): Guess(f"CH9102 {_BRIDGE}, as on many ESP32 boards", "esptool", sure=False),
    (0x0403, 0x6001): Guess(f"FT232R {_BRIDGE}", "smp", sure=False),
    (0x0403, 0x6010): Guess(f"FT2232 {_BRIDGE} and debug adapter", "smp", sure=False),
    (0x0403, 0x6014): Guess(f"FT232H {_BRIDGE}", "smp", sure=False),
    (0x0403, 0x6015): Guess(f"FT230X {_BRIDGE}", "smp", sure=False),
    (0x067B, 0x2303): Guess(f"PL2303 {_BRIDGE}", "smp", sure=False),
    (0x0483, 0x374B): Guess("ST-LINK/V2-1 of an STM32 Nucleo or Discovery", "stm32flash", sure=False),
    (0x0483, 0x374E): Guess("STLINK-V3 of an STM32 board", "stm32flash", sure=False),
    (0x0483, 0x374F): Guess("STLINK-V3 of an STM32 board", "stm32flash", sure=False),
    (0x0483, 0x5740): Guess("STM32 with a program that has a USB port", "smp", sure=False),
    (0x0D28, 0x0204): Guess("DAPLink of an Arm board", "smp", sure=False),
    (0x1366, 0x0105): Guess("J-Link on board, as on Nordic's kits", "smp", sure=False),
    (0x1366, 0x1015): Guess("J-Link on board, as on Nordic's kits", "smp", sure=False),
    (0x2FE3, 0x0100): Guess("board with Zephyr", "mcuboot", sure=False),
    (0x2FE3, 0x0001): Guess("board with Zephyr", "mcuboot", sure=False),
}


def guess(vendor: int, product: int) -> Guess | None:
    """What these numbers mean; None if that is not known here."""
    return GUESSES.get((vendor, product))
