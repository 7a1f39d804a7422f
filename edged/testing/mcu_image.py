"""Signed images for microcontrollers, written here from the format alone, so that tests do not judge our reader by itself.

Format: MCUboot (bootutil/image.h): a header, the payload, TLVs that hash and signature cover, TLVs that they do not. Signature:
ECDSA-P256 over SHA-256.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

HEADER_BYTES = 0x200
MAGIC = 0x96F3B83D

_HEADER = struct.Struct("<IIHHIIBBHII")
_TLV = struct.Struct("<HH")
_INFO, _PROTECTED_INFO = 0x6907, 0x6908
_COUNTER, _BOARD, _MODEL = 0x50, 0xA0, 0xA1
_KEY_HASH, _SHA256, _SIGNATURE = 0x01, 0x10, 0x22
_ES256 = ec.ECDSA(Prehashed(hashes.SHA256()))


class Key:
    """A key to sign with, made anew unless it is given."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        self.public = self.private.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.hash = hashlib.sha256(self.public.public_bytes(serialization.Encoding.DER, form)).digest()
        """As the TLV of an image has it."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image that is whole and rightly signed says of itself; ``model`` is the name of a model, None for a firmware."""

    version: str
    board: str
    counter: int
    model: str | None
    hash: bytes
    payload: bytes


def make_image(
    payload: bytes,
    key: Key,
    *,
    board: str,
    version: tuple[int, int, int] = (1, 0, 0),
    counter: int = 1,
    model: str | None = None,
    load_address: int = 0,
) -> bytes:
    """The file of an image: of a firmware, or of a model if that has a name."""
    tlvs = _tlv(_COUNTER, struct.pack("<I", counter)) + _tlv(_BOARD, board.encode())
    if model is not None:
        tlvs += _tlv(_MODEL, model.encode())
    protected = _TLV.pack(_PROTECTED_INFO, len(tlvs) + _TLV.size) + tlvs
    flags = 0x20 if load_address else 0
    header = _HEADER.pack(MAGIC, load_address, HEADER_BYTES, len(protected), len(payload), flags, *version, 0, 0)
    covered = header.ljust(HEADER_BYTES, b"\0") + payload + protected
    digest = hashlib.sha256(covered).digest()
    tlvs = _tlv(_SHA256, digest) + _tlv(_KEY_HASH, key.hash) + _tlv(_SIGNATURE, key.private.sign(digest, _ES256))
    return covered + _TLV.pack(_INFO, len(tlvs) + _TLV.size) + tlvs


def read_image(data: bytes, key: Key) -> Image | None:
    """What it says, or None if a loader with this key must not believe it."""
    try:
        magic, _, header_bytes, protected_bytes, payload_bytes, _, major, minor, revision, _, _ = _HEADER.unpack_from(data)
        covered = header_bytes + payload_bytes + protected_bytes
        protected = _tlvs(data[header_bytes + payload_bytes : covered], _PROTECTED_INFO)
        others = _tlvs(data[covered:], _INFO)
        digest = hashlib.sha256(data[:covered]).digest()
        if magic != MAGIC or others[_SHA256] != digest or others[_KEY_HASH] != key.hash:
            return None
        key.public.verify(others[_SIGNATURE], digest, _ES256)
        return Image(
            version=f"{major}.{minor}.{revision}",
            board=protected[_BOARD].decode(),
            counter=int.from_bytes(protected[_COUNTER], "little"),
            model=protected[_MODEL].decode() if _MODEL in protected else None,
            hash=digest,
            payload=data[header_bytes : header_bytes + payload_bytes],
        )
    except (struct.error, KeyError, ValueError, InvalidSignature):
        return None


def _tlv(kind: int, value: bytes) -> bytes:
    return _TLV.pack(kind, len(value)) + value


def _tlvs(data: bytes, expected: int) -> dict[int, bytes]:
    kind, total = _TLV.unpack_from(data)
    if kind != expected or total != len(data):
        raise ValueError("no such area")
    found, at = {}, _TLV.size
    while at < total:
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size + length
        if kind in found or at > total:
            raise ValueError("an entry that comes twice or is cut off")
        found[kind] = data[at - length : at]
    return found
