"""Takes from the calling process, for ever, every system call that running a model does not need.

A filter and not namespaces, because it needs no privilege anywhere: user namespaces are closed by hardened units
(``RestrictNamespaces=``) and by some distributions. It lists what is allowed; anything else fails with ENOSYS, so that a C library
that tries something newer than this list falls back as on an old kernel. Format:
https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

from edged.infer.probe.syscalls import ALLOWED, AUDIT_ARCH, NUMBERS

PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
MODE_FILTER = 2

RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000

LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
AT_NUMBER, AT_ARCH, AT_ARGUMENTS = 0, 4, 16
X32_BIT = 0x40000000
"""x86-64 kernels may offer a second table of calls from this number on."""

CLONE_THREAD = 0x10000
MAP_SHARED_ANONYMOUS = 0x21
F_LAST = 3
"""F_DUPFD, F_GETFD, F_SETFD and F_GETFL are 0 to 3."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``call`` is allowed if ``argument & mask == value``, or with ``unless`` only otherwise; if not, it fails with ``error``.

    Arguments are 32-bit: all of those here are.
    """

    call: str
    argument: int
    mask: int
    value: int
    error: int
    unless: bool = False


def conditions(pid: int) -> tuple[Condition, ...]:
    """The calls that are allowed in one way only: reading files, starting threads, signals to ``pid`` itself, memory of its own."""
    writing = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
    return (
        Condition("openat", 2, writing, os.O_RDONLY, errno.EACCES),
        Condition("clone", 0, CLONE_THREAD, CLONE_THREAD, errno.EPERM),
        Condition("tgkill", 0, 0xFFFFFFFF, pid, errno.EPERM),
        Condition("prctl", 0, 0xFFFFFFFF, PR_SET_NAME, errno.EPERM),
        Condition("fcntl", 1, ~F_LAST & 0xFFFFFFFF, 0, errno.EINVAL),  # F_SETOWN can have the kernel send signals to others
        # RLIMIT_DATA does not count shared memory.
        Condition("mmap", 3, MAP_SHARED_ANONYMOUS, MAP_SHARED_ANONYMOUS, errno.EPERM, unless=True),
    )


def program(machine: str, pid: int) -> bytes | None:
    """The filter for ``machine`` (as ``os.uname`` names it), ``None`` for one whose calls are not known here."""
    if machine not in NUMBERS:
        return None
    numbers = NUMBERS[machine]
    code = [_op(LOAD, AT_ARCH), _op(EQUAL, AUDIT_ARCH[machine], 1, 0), _op(RETURN, RET_KILL_PROCESS), _op(LOAD, AT_NUMBER)]
    if machine == "x86_64":
        code += [_op(AT_LEAST, X32_BIT, 0, 1), _op(RETURN, RET_ERRNO | errno.ENOSYS)]
    for rule in conditions(pid):
        yes, no = (RET_ALLOW, RET_ERRNO | rule.error)[:: -1 if rule.unless else 1]
        code += [
            _op(EQUAL, numbers[rule.call], 0, 5),
            _op(LOAD, AT_ARGUMENTS + 8 * rule.argument),
            _op(AND, rule.mask),
            _op(EQUAL, rule.value, 0, 1),
            _op(RETURN, yes),
            _op(RETURN, no),
        ]
    allowed = sorted(numbers[call] for call in ALLOWED if call in numbers)
    code += [_op(EQUAL, number, len(allowed) - place, 0) for place, number in enumerate(allowed)]
    code += [_op(RETURN, RET_ERRNO | errno.ENOSYS), _op(RETURN, RET_ALLOW)]
    return b"".join(code)


def install() -> bool:
    """Put the filter on this process, which must have one thread; False if the kernel or the machine cannot."""
    code = program(os.uname().machine, os.getpid())
    if code is None or not prctl(PR_SET_NO_NEW_PRIVS, 1):
        return False
    instructions = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions)))  # struct sock_fprog
    return prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(header))


def prctl(option: int, *arguments: int) -> bool:
    """prctl(2); whether it did what was asked."""
    wide = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)][:4]
    return int(ctypes.CDLL(None).prctl(option, *wide)) == 0


def _op(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One ``struct sock_filter``; the jumps count instructions to skip."""
    return struct.pack("<HBBI", code, if_true, if_false, operand)
