"""Keys and signed images for microcontrollers: MCUboot's own imgtool signs, in a process of its own, on a workstation.

The private key is an unencrypted PEM file for its owner alone; its public half, which a loader is built with, lies beside it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from edged.core.durable import sync_directory
from edged.core.errors import OutputUnwritable, SecretUnreadable, ToolFailed
from edged.core.secrets import check_private
from edged.mcu.image import HEADER_BYTES, MAX_BOARD_CHARS, MAX_NAME_CHARS, Image, parse

PUBLIC_SUFFIX = ".pub.pem"
SIGNING_TIMEOUT_S = 60
"""imgtool reads the payload and hashes it once."""

_MAX_IMAGE_BYTES = 16 << 20  # imgtool wants to know a slot's size; whether an image fits a board is asked where the board is known
_MAX_ADDRESS = _MAX_COUNTER = 0xFFFFFFFF
_BOARD_ENTRY, _NAME_ENTRY = 0xA0, 0xA1


@dataclass(frozen=True, slots=True)
class FirmwareLabel:
    """What a firmware image says of itself. ``placement``: with its address, where the code was linked to run."""

    board: str
    version: str
    counter: int
    placement: Literal["anywhere", "loaded", "in flash"] = "anywhere"
    address: int = 0


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """What a model image says of itself."""

    board: str
    name: str
    version: str
    counter: int


def public_path(private: Path) -> Path:
    """Where the public half of a private key lies."""
    return private.with_name(private.name.removesuffix(".pem") + PUBLIC_SUFFIX)


def generate_key(private: Path) -> Path:
    """Write a new P-256 key pair, neither half over a file that is there, and return the path of its public half.

    Raises OutputUnwritable; then there is neither of them.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public, public_pem = public_path(private), key.public_key().public_bytes(serialization.Encoding.PEM, form)
    made: list[Path] = []
    try:
        for path, mode, data in ((public, 0o644, public_pem), (private, 0o600, pem)):
            _write_new(path, mode, data, made)
        sync_directory(private.parent)
    except OSError as error:
        for path in made:
            path.unlink()
        if isinstance(error, FileExistsError):
            hint = "Loaders may trust it, and a key that is lost cannot be made again: name another file."
            raise OutputUnwritable(f"{error.filename} is there already", hint=hint) from None
        raise OutputUnwritable(f"{error.filename or private}: {error.strerror}") from None
    return public


def _write_new(path: Path, mode: int, data: bytes, made: list[Path]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        made.append(path)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def key_hash(path: Path) -> bytes:
    """The SHA-256 of the DER of a public key, by which images and boards name it; of a private key's public half.

    Raises SecretUnreadable.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        pem = path.read_bytes()
        if b"PRIVATE KEY" in pem:
            private = serialization.load_pem_private_key(pem, None)
            public = private.public_key() if isinstance(private, ec.EllipticCurvePrivateKey) else None
        else:
            loaded = serialization.load_pem_public_key(pem)
            public = loaded if isinstance(loaded, ec.EllipticCurvePublicKey) else None
    except OSError as error:
        raise SecretUnreadable(f"{path}: {error.strerror}", fault="missing") from None
    except (ValueError, TypeError):
        raise SecretUnreadable(
            f"{path} is no unencrypted PEM key", hint="`edged mcu keygen` makes one.", fault="unusable"
        ) from None
    if public is None or not isinstance(public.curve, ec.SECP256R1):
        raise SecretUnreadable(f"{path} is no key on the curve P-256", hint="`edged mcu keygen` makes one.", fault="unusable")
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()


def sign_firmware(code: bytes, label: FirmwareLabel, key: Path) -> bytes:
    """The image of a firmware; raises ToolFailed, SecretUnreadable, ValueError for a label that no image can bear."""
    options = []
    if not 0 <= label.address <= _MAX_ADDRESS or (label.placement == "anywhere") != (label.address == 0):
        raise ValueError(f"firmware that runs {label.placement} cannot have the address {label.address:#x}")
    if label.placement != "anywhere":
        options = ["--load-addr" if label.placement == "loaded" else "--rom-fixed", hex(label.address)]
    entries = {_BOARD_ENTRY: _word(label.board)}
    return _sign(code, key, version=label.version, counter=label.counter, entries=entries, options=options)


def sign_model(package: bytes, label: ModelLabel, key: Path) -> bytes:
    """The image of a model's package (``edged.mcu.package``); raises as ``sign_firmware``."""
    if not label.name or len(label.name) > MAX_NAME_CHARS or not label.name.isascii() or not label.name.isprintable():
        limit = f"1 to {MAX_NAME_CHARS} printable ASCII characters"
        raise ValueError(f"a model's name on a board has {limit}, {label.name!r} has not; --name gives it another")
    entries = {_BOARD_ENTRY: _word(label.board), _NAME_ENTRY: label.name}
    return _sign(package, key, version=label.version, counter=label.counter, entries=entries, options=[])


def _word(board: str) -> str:
    if not board or len(board) > MAX_BOARD_CHARS or not board.isascii() or not board.isprintable() or " " in board:
        raise ValueError(f"a board's id has 1 to {MAX_BOARD_CHARS} ASCII characters without spaces, {board!r} has not")
    return board


def _sign(payload: bytes, key: Path, *, version: str, counter: int, entries: dict[int, str], options: list[str]) -> bytes:
    if not payload:
        raise ValueError("there is nothing to sign")
    if find_spec("imgtool") is None:
        raise ToolFailed("imgtool is not installed", hint="`pip install 'edged[mcu]'` installs it.")
    if not 0 <= counter <= _MAX_COUNTER:
        raise ValueError(f"a counter is from 0 to {_MAX_COUNTER:,}, and {counter:,} is not")
    expected_key = _signing_key(key)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "payload.bin").write_bytes(payload)
        command = [sys.executable, "-m", "imgtool.main", "sign", "--key", str(key.resolve()), "--header-size", hex(HEADER_BYTES)]
        command += ["--pad-header", "--slot-size", str(_MAX_IMAGE_BYTES), "--align", "1", "--max-sectors", "1024"]
        command += ["--version", _version(version), "--security-counter", str(counter), *options]
        for kind, text in entries.items():
            (work / f"{kind:x}").write_text(text, encoding="ascii")
            command += ["--custom-tlv-file", hex(kind), f"{kind:x}"]
        command += ["payload.bin", "signed.bin"]
        try:
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=SIGNING_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise ToolFailed(f"imgtool did not end within {SIGNING_TIMEOUT_S} s") from None
        if done.returncode:
            raise ToolFailed(f"imgtool: {' '.join((done.stderr or done.stdout).strip().splitlines()[-1:]) or 'no reason given'}")
        signed = (work / "signed.bin").read_bytes()
    _check(parse(signed), payload, version, counter, expected_key)
    return signed


def _signing_key(path: Path) -> bytes:
    """The hash of a key that can sign, and that is its owner's alone; raises SecretUnreadable."""
    found = key_hash(path)
    if b"PRIVATE KEY" not in path.read_bytes():
        raise SecretUnreadable(
            f"{path} is a public key, and only a private one signs", hint="Name the file that `keygen` was given."
        )
    check_private(path)
    return found


def _version(version: str) -> str:
    """In imgtool's words, which write the build number behind a plus sign."""
    parts = version.split(".")
    limits = (0xFF, 0xFF, 0xFFFF, 0xFFFFFFFF)
    fits = all(part.isascii() and part.isdigit() and int(part) <= limit for part, limit in zip(parts, limits, strict=False))
    if len(parts) not in (3, 4) or not fits:
        raise ValueError(f"a version is like 1.2.3 or 1.2.3.4, at most 255.255.65535.4294967295; {version!r} is not")
    return ".".join(parts[:3]) + "".join(f"+{build}" for build in parts[3:])


def _check(image: Image, payload: bytes, version: str, counter: int, expected_key: bytes) -> None:
    """What imgtool made is read as a loader reads it before anyone gets it."""
    expected = version.removesuffix(".0") if version.count(".") == 3 else version
    if (image.payload, image.version, image.counter, image.key_hash) != (payload, expected, counter, expected_key):
        raise ToolFailed("imgtool signed something else than it was given", hint="Is this a release that edged was tested with?")
