"""Signed images for microcontrollers, read as strictly as the loader reads them (firmware/boot/image.h); no I/O.

The format is MCUboot's: a header of 512 bytes, the payload, then entries of type, length and value, first those that hash and
signature cover. What MCUboot lets pass as unknown, unused or repeated is refused, so that no bit of an image is without meaning.
The signature itself is left to the board: only its form and the name of its key are looked at here.
https://docs.mcuboot.com/design.html#image-format
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Literal

from edged.core.errors import ImageFault, ImageRefused

HEADER_BYTES = 0x200
"""Vectors of a firmware and the model of a package stay aligned behind it for every Cortex-M."""

MAX_BOARD_CHARS = 15
MAX_NAME_CHARS = 31
MAX_SIGNATURE_BYTES = 72

Placement = Literal["anywhere", "loaded", "in flash"]
"""Where a firmware has to lie to run: ``loaded`` to RAM at its address, or ``in flash`` at it; a model may lie anywhere."""

_MAGIC = 0x96F3B83D
_HEADER = struct.Struct("<IIHHIIBBHII")  # magic, load address, sizes of header, protected entries and payload, flags, version, 0
_PLACEMENTS: dict[int, Placement] = {0: "anywhere", 0x20: "loaded", 0x100: "in flash"}  # by flags

_ENTRY = struct.Struct("<HH")  # type and length; of an area: its magic and its length with this
_AREA, _PROTECTED_AREA = 0x6907, 0x6908
_KEY_HASH, _SHA256, _SIGNATURE, _COUNTER, _BOARD, _NAME = 0x01, 0x10, 0x22, 0x50, 0xA0, 0xA1
_LENGTHS = {
    _KEY_HASH: (32, 32),
    _SHA256: (32, 32),
    _SIGNATURE: (0, MAX_SIGNATURE_BYTES),
    _COUNTER: (4, 4),
    _BOARD: (1, MAX_BOARD_CHARS),
    _NAME: (1, MAX_NAME_CHARS),
}
_MAX_AREA_BYTES = _ENTRY.size + sum(_ENTRY.size + longest for _, longest in _LENGTHS.values())


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself, if it is whole.

    ``hash`` is the SHA-256 by which boards know it, ``key_hash`` that of the DER of the public key that it says it is signed by,
    ``counter`` its security counter, ``model_name`` empty for a firmware.
    """

    kind: Literal["firmware", "model"]
    board: str
    version: str
    counter: int
    key_hash: bytes
    hash: bytes
    model_name: str
    placement: Placement
    address: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    version: str
    placement: Placement
    address: int
    entries_at: int
    signed_bytes: int


def parse(data: bytes) -> Image:
    """The image that is all of ``data``; raises ImageRefused."""
    header = _read_header(data)
    protected, end = _entries(data, header.entries_at, _PROTECTED_AREA, {_COUNTER, _BOARD, _NAME})
    if end != header.signed_bytes:
        raise _refused("its header and its signed entries say different lengths")
    others, end = _entries(data, end, _AREA, {_KEY_HASH, _SHA256, _SIGNATURE})
    if end != len(data):
        raise _refused(f"{len(data) - end:,} bytes follow it")
    missing = {_COUNTER, _BOARD, _KEY_HASH, _SHA256, _SIGNATURE} - {*protected, *others}
    if missing:
        raise _refused("it lacks entries " + ", ".join(f"{kind:#x}" for kind in sorted(missing)))
    board, name = _text(protected[_BOARD], "!"), _text(protected.get(_NAME, b""), " ")
    if name and header.placement != "anywhere":
        raise _refused("it is a model that says where it has to lie")
    if hashlib.sha256(memoryview(data)[: header.signed_bytes]).digest() != others[_SHA256]:
        raise _refused("its hash is another than it states", "damaged")
    _check_signature(others[_SIGNATURE])
    return Image(
        kind="model" if name else "firmware",
        board=board,
        version=header.version,
        counter=int.from_bytes(protected[_COUNTER], "little"),
        key_hash=others[_KEY_HASH],
        hash=others[_SHA256],
        model_name=name,
        placement=header.placement,
        address=header.address,
        payload=data[HEADER_BYTES : header.entries_at],
    )


def _read_header(data: bytes) -> _Header:
    if len(data) < _HEADER.size:
        raise _refused(f"it has {len(data)} bytes, less than a header")
    magic, address, header_bytes, protected_bytes, payload_bytes, flags, *version, pad = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _refused("it does not begin as one")
    if header_bytes != HEADER_BYTES:
        raise _refused(f"its header has {header_bytes} bytes, expected {HEADER_BYTES}")
    if pad or payload_bytes == 0 or not _ENTRY.size <= protected_bytes <= _MAX_AREA_BYTES:
        raise _refused("its header says what no image says")
    placement = _PLACEMENTS.get(flags)
    if placement is None or (placement == "anywhere" and address):
        raise _refused(f"its flags are {flags:#x}, its address is {address:#x}, and no loader of ours would run that")
    entries_at = HEADER_BYTES + payload_bytes
    build = version[3]
    return _Header(
        ".".join(map(str, version if build else version[:3])), placement, address, entries_at, entries_at + protected_bytes
    )


def _refused(why: str, fault: ImageFault = "malformed") -> ImageRefused:
    return ImageRefused(f"this is no signed image: {why}", hint="`edged mcu sign` makes one.", fault=fault)


def _entries(data: bytes, at: int, magic: int, known: set[int]) -> tuple[dict[int, bytes], int]:
    """The entries of the area at ``at``, and where it ends."""
    if len(data) - at < _ENTRY.size:
        raise _refused("it ends too early", "damaged")
    found_magic, area_bytes = _ENTRY.unpack_from(data, at)
    if found_magic != magic or not _ENTRY.size <= area_bytes <= _MAX_AREA_BYTES:
        raise _refused("no entries follow where they should")
    end = at + area_bytes
    if end > len(data):
        raise _refused("it ends too early", "damaged")
    found: dict[int, bytes] = {}
    at += _ENTRY.size
    while at < end:
        if end - at < _ENTRY.size:
            raise _refused("its last entry is cut off")
        kind, length = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if kind not in known or kind in found:
            raise _refused(f"its entry {kind:#x} is unknown here, or comes twice")
        shortest, longest = _LENGTHS[kind]
        if not shortest <= length <= longest or length > end - at:
            raise _refused(f"its entry {kind:#x} has {length} bytes")
        found[kind] = data[at : at + length]
        at += length
    return found, end


def _text(value: bytes, lowest: str) -> str:
    if not all(ord(lowest) <= byte <= ord("~") for byte in value):
        raise _refused("a name in it is not of printable ASCII characters")
    return value.decode("ascii")


def _check_signature(der: bytes) -> None:
    """Two positive integers of at most 32 bytes in the one DER encoding that they have."""
    if len(der) < 2 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise _refused("its signature is malformed")
    at = 2
    for _ in range(2):
        length = der[at + 1] if len(der) - at >= 3 and der[at] == 0x02 else 0
        value = der[at + 2 : at + 2 + length]
        padded = value[:1] == b"\0"
        if not value or len(value) != length or value[0] & 0x80 or (padded and (length == 1 or not value[1] & 0x80)):
            raise _refused("its signature is malformed")
        if length - padded > 32:
            raise _refused("its signature is malformed")
        at += 2 + length
    if at != len(der):
        raise _refused("its signature is malformed")
