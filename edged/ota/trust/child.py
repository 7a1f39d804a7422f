"""The trust process: answers one request and ends, so that the memory of python-tuf goes with it."""

from __future__ import annotations

import resource
import socket

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.trust.records import MAX_MESSAGE_BYTES, Answer, Failed, Refused, Verify, decode_request, encode

MEMORY_BYTES = 192 << 20
"""Private memory. The process takes some 30 MB, 64 KiB of JSON as python objects at most 10 more; the rest is for other builds."""

CPU_S = 30
"""Imports take a few seconds on the slowest Pi, the signatures of 32 roots less than one."""

FILE_BYTES = 1 << 20


def main(fd: int) -> None:
    """Take the limits, then the request, and answer it."""
    bounds = {
        resource.RLIMIT_DATA: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for what, bound in bounds.items():
        hard = resource.getrlimit(what)[1]
        lowered = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(what, (lowered, lowered))
    with socket.socket(fileno=fd) as channel:
        with channel.makefile("rb") as file:
            request = decode_request(file.read(MAX_MESSAGE_BYTES))
        channel.sendall(encode(_answer(request)))


def _answer(request: Verify) -> Answer:
    from edged.ota.trust.verification import verify  # below the limits

    try:
        return verify(request)
    except UpdateRefused as error:
        return Refused(error.code, _printable(error.message), _printable(error.hint))
    except UpdateFailed as error:
        return Failed(error.code, _printable(error.message))


def _printable(text: str) -> str:
    """Messages quote what anyone may have sent."""
    return "".join(character if character.isprintable() else "?" for character in text[:500])
