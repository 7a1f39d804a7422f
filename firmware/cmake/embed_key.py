#!/usr/bin/env python3
"""Writes the public key that a loader trusts as a C++ header.  embed_key.py KEY.pem HEADER

KEY.pem is the public key of a P-256 pair. With --develop it is the private key of a pair for development, made if it is absent.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import sys
from pathlib import Path

SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What the DER of every uncompressed P-256 public key begins with (RFC 5480), the 04 of the point included."""

TEMPLATE = """\
// Made by embed_key.py: the key whose signatures this build accepts.
#pragma once

#include "boot/verify.h"

namespace edged::boot {{

// Public key {name}; SHA-256 of its DER {hash}.
inline constexpr PublicKey kTrustedKey = {{
    {{{point}}},
    {{{digest}}}}};

}}  // namespace edged::boot
"""


def public_der(pem: str) -> bytes:
    """The DER of a PEM public key; raises ValueError if it is none of P-256."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    if not lines or lines[0] != "-----BEGIN PUBLIC KEY-----":
        raise ValueError("no PEM public key (`edged mcu keygen` writes one beside the private key)")
    der = base64.b64decode("".join(lines[1:-1]), validate=True)
    if len(der) != len(SPKI_P256) + 64 or not der.startswith(SPKI_P256):
        raise ValueError("no public key on the curve P-256 with an uncompressed point")
    return der


def header(der: bytes, name: str) -> str:
    """The text of the header."""
    digest = hashlib.sha256(der).digest()

    def array(data: bytes) -> str:
        return ", ".join(f"0x{byte:02x}" for byte in data)

    return TEMPLATE.format(name=name, hash=digest.hex(), point=array(der[-65:]), digest=array(digest))


def development_key(path: Path) -> str:
    """The public PEM of the private key at ``path``, which is made if it is absent."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        hint = "set EDGED_KEY to a public key, or EDGED_PYTHON to another interpreter"
        sys.exit(f"{sys.executable} has no module cryptography to make a development key with: {hint}")
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
    key = serialization.load_pem_private_key(path.read_bytes(), None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key", type=Path)
    parser.add_argument("header", type=Path)
    parser.add_argument("--develop", action="store_true")
    options = parser.parse_args()
    try:
        pem = development_key(options.key) if options.develop else options.key.read_text()
        text = header(public_der(pem), options.key.name)
    except (OSError, ValueError) as error:
        sys.exit(f"EDGED_KEY={options.key}: {error}")
    if not options.header.exists() or options.header.read_text() != text:  # otherwise everything would be compiled again
        options.header.parent.mkdir(parents=True, exist_ok=True)
        options.header.write_text(text)


if __name__ == "__main__":
    main()
