"""Occurrences as the store keeps them: the name of the kind, and the fields as a msgpack map.

A map rather than an array, so that a row says what it holds and a field may be added with a default.
"""

from __future__ import annotations

import msgspec

from edged.core.errors import StoreFailed
from edged.core.event import KINDS, Occurrence, kind_of

_ENCODER = msgspec.msgpack.Encoder()
_DECODERS = {kind: msgspec.msgpack.Decoder(cls) for kind, cls in KINDS.items()}


def encode(occurrence: Occurrence) -> tuple[str, bytes]:
    """The kind's name and the body; raises StoreFailed for a value that its field cannot hold."""
    kind = kind_of(occurrence)
    try:
        body = _ENCODER.encode(occurrence)
        _DECODERS[kind].decode(body)  # a row that cannot be read back must not get in
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise StoreFailed(f"{kind} cannot be stored: {error}", hint="this is a fault of edged, please report it") from error
    return kind, body


def decode(kind: str, body: bytes, row: str) -> Occurrence:
    """The occurrence of a row; raises StoreFailed that names ``row`` for an unknown kind or a body that does not fit it."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise StoreFailed(f"{row} is of the unknown kind {kind!r}", hint="it was written by another version of edged")
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreFailed(f"{row} ({kind}) cannot be read: {error}", hint="the medium may be failing") from error
