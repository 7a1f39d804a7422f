"""Both clocks of this machine, and whether the wall clock can be trusted.

A Pi has no clock that survives a power cut: until NTP answers, its wall time may be years off. The kernel knows, because
every time daemon tells it through adjtimex(2); asking systemd-timesyncd or chrony by name would miss the others.
"""

from __future__ import annotations

import ctypes
import time

from edged.core.clock import ClockReading
from edged.core.event import ClockQuality

STA_UNSYNC = 0x0040
"""Bit of ``timex.status``: no one disciplines the clock (<linux/timex.h>)."""

TIME_ERROR = 5
"""The return value of adjtimex(2) for a clock that is not synchronised."""


class Timex(ctypes.Structure):
    """``struct timex`` of <linux/timex.h>; C's own alignment gives the same layout on 32- and 64-bit Arm and x86."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        # PPS statistics, the TAI offset and the kernel's padding: unread, but the kernel writes over all of it.
        ("rest", ctypes.c_long * 32),
    )


_ADJTIMEX = ctypes.CDLL(None, use_errno=True).adjtimex
"""Made once: each CDLL makes a class of its own, which is freed late. A daemon that looks with every event would grow by them."""


def discipline() -> tuple[int, int]:
    """The kernel's clock state and ``timex.status``, read without changing anything; raises OSError where the call is denied."""
    timex = Timex()  # modes 0: read only
    state = int(_ADJTIMEX(ctypes.byref(timex)))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, "adjtimex")
    return state, int(timex.status)


def quality_of(state: int, status: int) -> ClockQuality:
    """What ``discipline`` found, in the words of an event: synchronised only if neither the state nor the status says otherwise."""
    return "unsynchronised" if state == TIME_ERROR or status & STA_UNSYNC else "synchronised"


def read_clock() -> ClockReading:
    """Read CLOCK_MONOTONIC and CLOCK_REALTIME together; a clock that the kernel will not speak about counts as unsynchronised."""
    try:
        quality = quality_of(*discipline())
    except OSError:
        quality = "unsynchronised"
    # The monotonic clock is read on both sides: a scheduling gap between the reads is halved instead of becoming an error.
    before = time.monotonic_ns()
    unix = time.time_ns()
    after = time.monotonic_ns()
    return ClockReading(monotonic_ns=(before + after) // 2, unix_ns=unix, quality=quality)
