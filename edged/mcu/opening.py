"""Opens a serial port for one owner, or says why that cannot be."""

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
    """The port, raw, 8N1, never blocking, ours alone; raises PortLost."""
    try:
        if not stat.S_ISCHR(path.stat().st_mode):
            raise PortLost(f"{path} is no serial port", hint="`edged mcu list` shows those that there are.", fault="not serial")
        port = serial.Serial(str(path), baud, timeout=0, write_timeout=0, exclusive=True)
    except OSError as error:  # also what pyserial raises
        raise _reason(path, baud, error) from error
    except ValueError as error:  # pyserial's word for a rate that the port cannot do
        raise PortLost(f"{path} does not run at {baud} baud: {error}", hint="Choose another rate with --baud.") from error
    try:
        # The lock of pyserial keeps out who asks for one; this keeps out `cat` and everybody else who is not root.
        fcntl.ioctl(port.fd, termios.TIOCEXCL)
        port.reset_input_buffer()
    except (OSError, termios.error) as error:
        port.close()
        raise PortLost(f"{path} is gone: {error.args[-1]}", hint="Is its cable still in?", fault="vanished") from error
    return port


def close_port(port: serial.Serial) -> None:
    """Leave it to others."""
    with contextlib.suppress(OSError):  # what keeps others out would last as long as anybody has it open
        fcntl.ioctl(port.fd, termios.TIOCNXCL)
    port.close()


def _reason(path: Path, baud: int, error: OSError) -> PortLost:
    why = os.strerror(error.errno) if error.errno else str(error)
    match error.errno:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            hint = "Is the board plugged in? `edged mcu list` shows the ports that there are."
            return PortLost(f"there is no port {path}", hint=hint, fault="absent")
        case errno.EACCES | errno.EPERM:
            return PortLost(f"{path}: you may not open it", hint=permission_hint(path), fault="no permission")
        case errno.EBUSY | errno.EAGAIN:
            hint = f"{', '.join(holders(path)) or 'Another program'} has it open; end that first."
            return PortLost(f"{path} is in use", hint=hint, fault="busy")
    if "Could not configure port" in str(error):
        return PortLost(f"{path} is no serial port", hint="`edged mcu list` shows those that there are.", fault="not serial")
    return PortLost(f"{path} cannot be opened at {baud} baud: {why}")


def permission_hint(path: Path) -> str:
    """What gives a person the right to open it."""
    try:
        group = path.group()
    except (OSError, KeyError):
        group = "dialout"
    if group == "root":
        return "Only root may open it."
    return f"`sudo adduser $USER {group}` lets you, from your next login on."
