"""The metadata bundle: all that is signed of a channel, as it lies retained at ``tuf/<channel>``. msgpack, at most 64 KiB."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MAX_BUNDLE_BYTES = 64 * 1024
"""What hosted brokers take in one message, and a bound on what anyone can make a device parse."""

MAX_ROOTS = 32

Document = Annotated[bytes, msgspec.Meta(min_length=1)]


class MetadataBundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TUF documents in their wire form (JSON, signed). ``root`` is the chain of roots in the order of their versions."""

    v: Literal[1] = 1
    root: Annotated[tuple[Document, ...], msgspec.Meta(min_length=1, max_length=MAX_ROOTS)]
    timestamp: Document
    snapshot: Document
    targets: Document


encode_bundle = msgspec.msgpack.Encoder().encode
decode_bundle = msgspec.msgpack.Decoder(MetadataBundle).decode
"""Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError."""
