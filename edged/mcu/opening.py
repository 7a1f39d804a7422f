"""Opens a serial port for one owner, or says why that cannot be.

``take_port`` and ``close_port`` never wait; who has a port, and what gives the right to it, is looked up by ``explained``, which
reads all of /proc and may ask the network for a group's name: nothing for an event loop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import termios
from pathlib import Path

import serial

from edged.core.errors import PortLost
from edged.core.holders import holders


def open_port(path: Path, baud: int) -> serial.Serial:
    """The port, raw, 8N1, never blocking, ours alone; raises PortLost that says all that can be found out."""
    try:
        return take_port(path, baud)
    except PortLost as error:
        raise explained(path, error) from error


def take_port(path: Path, baud: int) -> serial.Serial:
    """The same, for who cannot wait: PortLost has no hint yet where that has to be looked up."""
    try:
        if not stat.S_ISCHR(path.stat().st_mode):
            raise PortLost(f"{path} is no serial port", hint="`edged mcu list` shows those that there are.", fault="not serial")
        port = serial.Serial(str(path), baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, termios.error) as error:  # also what pyserial raises, and what it lets through
        raise _reason(path, baud, error) from error
    except ValueError as error:  # pyserial's word for a rate that the port cannot do
        raise PortLost(f"{path} does not run at {baud} baud: {error}", hint="Choose another rate with --baud.") from error
    try:
        # The lock of pyserial keeps out who asks for one; this keeps out `cat` and everybody else who is not root.
        fcntl.ioctl(port.fd, termios.TIOCEXCL)
        port.reset_input_buffer()
    except (OSError, termios.error) as error:
        port.close()
        raise _gone(path, error) from error
    return port


def close_port(port: serial.Serial) -> None:
    """Leave it to others; what a board that hangs did not take is dropped, since the kernel would wait half a minute for it."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(port.fd, termios.TCOFLUSH)
    with contextlib.suppress(OSError):  # what keeps others out would last as long as anybody has it open
        fcntl.ioctl(port.fd, termios.TIOCNXCL)
    port.close()


def explained(path: Path, error: PortLost) -> PortLost:
    """The error of ``take_port``, with who has the port or what gives the right to it."""
    match error.fault:
        case "no permission":
            hint = permission_hint(path)
        case "busy":
            who = holders(path)
            hint = f"{', '.join(who) or 'Another program'} {'have' if len(who) > 1 else 'has'} it open; end that first."
        case _:
            return error
    return PortLost(error.message, hint=hint, fault=error.fault)


def _reason(path: Path, baud: int, error: OSError | termios.error) -> PortLost:
    cause = error.__context__ if isinstance(error.__context__, termios.error) else error  # of which pyserial keeps the text alone
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else None
    why = os.strerror(number) if number else str(error)
    match number:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            hint = "Is the board plugged in? `edged mcu list` shows the ports that there are."
            return PortLost(f"there is no port {path}", hint=hint, fault="absent")
        case errno.EACCES | errno.EPERM:
            return PortLost(f"{path}: you may not open it", fault="no permission")
        case errno.EBUSY | errno.EAGAIN:
            return PortLost(f"{path} is in use", fault="busy")
        case errno.EIO:
            return _gone(path, cause)
    if "Could not configure port" in str(error):
        return PortLost(f"{path} is no serial port", hint="`edged mcu list` shows those that there are.", fault="not serial")
    return PortLost(f"{path} cannot be opened at {baud} baud: {why}")


def _gone(path: Path, error: Exception) -> PortLost:
    return PortLost(f"{path} is gone: {error.args[-1]}", hint="Is its cable still in?", fault="vanished")


def permission_hint(path: Path) -> str:
    """What gives a person the right to open it."""
    try:
        group = path.group()
    except (OSError, KeyError):
        group = "dialout"
    if group == "root":
        return "Only root may open it."
    return f"`sudo adduser $USER {group}` lets you, from your next login on."
