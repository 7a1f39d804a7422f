"""How the main process and the vision process say what ``ipc.py`` has.

Rules: a message is one datagram of a SOCK_SEQPACKET pair: the kind's name, a NUL, the fields as msgpack. What comes from the vision
process is checked like any input, since that process parses what cameras and models send.
"""

from __future__ import annotations

import socket
from typing import Any, cast, get_args

import msgspec

from edged.core.errors import ProtocolViolated
from edged.vision.ipc import Order, Report
from edged.vision.settings import decode_path, encode_path

MAX_MESSAGE_BYTES = 1 << 17
"""Above any message of a sane configuration (1000 live objects are 90 KiB), below the kernel's usual send buffer (208 KiB)."""

Decoders = dict[bytes, msgspec.msgpack.Decoder[Any]]


def _decoders(*types: type) -> Decoders:
    return {cls.__name__.encode(): msgspec.msgpack.Decoder(cls, dec_hook=decode_path) for cls in types}


_ORDERS = _decoders(*get_args(Order))
_REPORTS = _decoders(*get_args(Report))

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_path)


def encode(message: Report | Order) -> bytes:
    """The datagram for a message; raises ProtocolViolated if it is too large for one."""
    name = type(message).__name__
    datagram = name.encode() + b"\0" + _encoder.encode(message)
    if len(datagram) > MAX_MESSAGE_BYTES:
        raise ProtocolViolated(f"a {name} of {len(datagram)} bytes is larger than any should be ({MAX_MESSAGE_BYTES})")
    return datagram


def decode_order(datagram: bytes) -> Order:
    """What the main process said; raises ProtocolViolated for anything that it may not say."""
    return cast("Order", _decode(datagram, _ORDERS))


def decode_report(datagram: bytes) -> Report:
    """What the vision process said; raises ProtocolViolated for anything that it may not say."""
    return cast("Report", _decode(datagram, _REPORTS))


def _decode(datagram: bytes, decoders: Decoders) -> object:
    name, separator, body = datagram.partition(b"\0")
    decoder = decoders.get(name)
    if decoder is None or not separator:
        raise ProtocolViolated(f"unknown message {name[:40]!r} of {len(datagram)} bytes")
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolViolated(f"message {name.decode()} of {len(datagram)} bytes: {error}") from error


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends whose datagrams are neither lost nor torn."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
