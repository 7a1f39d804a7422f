"""Models that lie encrypted on the disk, and are in the clear in the memory of who runs them alone.

Rules: nothing is decrypted to a file, a mapping that others can open, or XNNPACK's cache of weights; a part is used only after it
was authenticated; a key is never logged, shown, put on a command line or into an environment. DESIGN.md says whom this keeps out.

Format: MAGIC, a version byte, 16 bytes of salt, the length of the plaintext (8 bytes, little-endian), then the plaintext in chunks
of 1 MiB, the last one shorter, each by AES-256-GCM (NIST SP 800-38D) with its tag of 16 bytes behind it. The key of the file is
made of ours and the salt by HKDF-SHA256 (RFC 5869), the nonce is the chunk's number, and the header is associated data of each:
none can be left out, repeated or moved, and no nonce is used twice under one key.
"""

from __future__ import annotations

import io
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edged.core.errors import ModelRejected, SecretUnreadable
from edged.core.secrets import read_checked, read_secret
from edged.infer.bundle import Bundle
from edged.infer.files import ENCRYPTED, MAX_MODEL_BYTES
from edged.infer.graph import IDENTIFIER
from edged.infer.probe.sandbox import hide
from edged.infer.settings import ModelSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
HEADER = struct.Struct("<8sB16sQ")
SALT_BYTES = 16
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
NONCE_BYTES = 12
KEY_BYTES = 32
PURPOSE = b"edged model encryption 1"

_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """256 bits. Not shown where it is printed."""

    secret: bytes = field(repr=False)


def parse_key(text: str, where: str) -> Key:
    """The key that 64 hexadecimal digits are; raises SecretUnreadable."""
    if not _HEX.fullmatch(text):
        raise SecretUnreadable(f"{where}: this is no key of a model", hint="a key is 64 hexadecimal digits: openssl rand -hex 32")
    return Key(bytes.fromhex(text))


def key_at(path: Path) -> Key:
    """The key at a path that was checked by who asked for it; raises SecretUnreadable."""
    return parse_key(read_checked(path), str(path))


def read_key(file: Path | None, credential: str | None) -> Key | None:
    """The key in a private file or a systemd credential, ``None`` if neither is named; raises SecretUnreadable.

    From here on nobody but root can look into this process, and no core of it is dumped.
    """
    if file is None and credential is None:
        return None
    hide()
    text = read_secret(file, credential)
    assert text is not None
    return parse_key(text, str(file or credential))


def key_of(settings: ModelSettings) -> Key | None:
    """The key that the settings of a model name; raises SecretUnreadable."""
    return read_key(None if settings.key_file is None else Path(settings.key_file), settings.key_credential)


def read_model(bundle: Bundle, variant: str, key: Key | None) -> bytes:
    """The model of a ``variant`` of the bundle in the clear, whether it is encrypted or not; raises ModelRejected."""
    with bundle.opened(variant) as file:
        if variant not in bundle.encrypted:
            return file.read(os.fstat(file.fileno()).st_size)
        return decrypt(file, key, str(bundle.paths[variant]))


def decrypt(file: BinaryIO, key: Key | None, where: str) -> bytes:
    """What is encrypted in ``file``; raises ModelRejected for any byte that is not as it was written."""
    if key is None:
        raise ModelRejected(
            f"{where}: encrypted, and no key is configured",
            hint="Set key_file or key_credential of the model.",
            fault="undecipherable",
        )
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        raise ModelRejected(f"{where}: ends within its header", fault="truncated")
    magic, version, salt, length = HEADER.unpack(head)
    if magic != ENCRYPTED or version != VERSION or not 0 < length <= MAX_MODEL_BYTES:
        raise ModelRejected(f"{where}: not encrypted by this version of edged", fault="wrong type")
    cipher, plain = _cipher(key, salt), io.BytesIO()  # which hands its memory on instead of copying it
    for number in range(-(-length // CHUNK_BYTES)):
        chunk = file.read(min(CHUNK_BYTES, length - plain.tell()) + TAG_BYTES)
        plain.write(_opened(cipher, number, chunk, head, where))
    if file.read(1):
        raise ModelRejected(f"{where}: goes on behind its end", fault="corrupt")
    data = plain.getvalue()
    if data[4:8] != IDENTIFIER:
        raise ModelRejected(f"{where}: what is encrypted is no .tflite file", fault="wrong type")
    return data


def encrypt(data: bytes, key: Key) -> bytes:
    """``data``, 1 byte to 512 MiB, as ``decrypt`` takes it."""
    salt = os.urandom(SALT_BYTES)
    head = HEADER.pack(ENCRYPTED, VERSION, salt, len(data))
    cipher = _cipher(key, salt)
    starts = range(0, len(data), CHUNK_BYTES)
    chunks = (cipher.encrypt(_nonce(n), data[at : at + CHUNK_BYTES], head) for n, at in enumerate(starts))
    return head + b"".join(chunks)


def _opened(cipher: AESGCM, number: int, chunk: bytes, head: bytes, where: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        if len(chunk) <= TAG_BYTES:
            raise ModelRejected(f"{where}: ends before its end", fault="truncated")
        return cipher.decrypt(_nonce(number), chunk, head)
    except InvalidTag:
        if number == 0:
            raise ModelRejected(
                f"{where}: cannot be decrypted: it was encrypted with another key, or is damaged",
                hint="Is the key that of this model?",
                fault="undecipherable",
            ) from None
        raise ModelRejected(f"{where}: damaged in its part {number + 1}", fault="corrupt") from None


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES, "big")


def _cipher(key: Key, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, PURPOSE).derive(key.secret))
