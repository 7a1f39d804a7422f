"""Key files of a publisher: Ed25519, PKCS #8 in PEM, encrypted with a passphrase; ``<role>-<start of key id>.pem``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Key, Root

from edged.core.durable import replace_file
from edged.core.errors import PublisherFailed

MIN_PASSPHRASE = 8

Passphrase = Callable[[str], str]
"""Gives the passphrase of a key, of which it is told the name."""


def generate(directory: Path, role: str, passphrase: str) -> Key:
    """Make a key, durably and for its owner alone, and give its public half; raises PublisherFailed."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise PublisherFailed(f"a passphrase of {len(passphrase)} characters", hint=f"Take at least {MIN_PASSPHRASE}.")
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    key = CryptoSigner(private).public_key
    path = directory / file_name(role, key.keyid)
    try:
        replace_file(path, pem, mode=0o600)
    except OSError as error:
        raise PublisherFailed(f"{path}: {error.strerror}") from error
    return key


def file_name(role: str, keyid: str) -> str:
    """What the file of a key is called."""
    return f"{role}-{keyid[:12]}.pem"


class Keyring:
    """The keys in some directories, opened as they are needed; a passphrase that opened one is tried on the next."""

    def __init__(self, directories: Sequence[Path], passphrase: Passphrase) -> None:
        self._directories = directories
        self._passphrase = passphrase
        self._known: list[str] = []
        self._signers: dict[str, CryptoSigner] = {}

    def learn(self, passphrase: str) -> None:
        """Try this one too."""
        if passphrase not in self._known:
            self._known.append(passphrase)

    def public(self, role: str, keyid: str) -> Key:
        """The public half of a key, by opening it: who can only write files cannot bring in one; raises PublisherFailed."""
        path = self._find(role, keyid)
        if path is None:
            raise PublisherFailed(f"{file_name(role, keyid)} is not here", hint="Name its directory with --keys.")
        return self._open(keyid, path).public_key

    def signers(self, root: Root, role: str) -> list[CryptoSigner]:
        """As many of a role's keys as it takes; raises PublisherFailed if they are not there."""
        threshold = root.roles[role].threshold
        there = [(keyid, path) for keyid in root.roles[role].keyids if (path := self._find(role, keyid))]
        if len(there) < threshold:
            wanted = ", ".join(file_name(role, keyid) for keyid in root.roles[role].keyids)
            raise PublisherFailed(
                f"{len(there)} keys of the {role} role are here, {threshold} are needed (of {wanted})",
                hint="Name the directories that hold them with --keys, such as where a stick is mounted.",
            )
        return [self._open(keyid, path) for keyid, path in there[:threshold]]

    def _find(self, role: str, keyid: str) -> Path | None:
        paths = (directory / file_name(role, keyid) for directory in self._directories)
        return next((path for path in paths if path.is_file()), None)

    def _open(self, keyid: str, path: Path) -> CryptoSigner:
        if keyid in self._signers:
            return self._signers[keyid]
        try:
            pem = path.read_bytes()
        except OSError as error:
            raise PublisherFailed(f"{path}: {error.strerror}") from error
        for passphrase in self._passphrases(path.name):
            try:
                private = load_pem_private_key(pem, passphrase.encode())
            except (ValueError, TypeError, UnsupportedAlgorithm):
                continue
            if not isinstance(private, Ed25519PrivateKey) or CryptoSigner(private).public_key.keyid != keyid:
                raise PublisherFailed(f"{path} holds another key than its name says")
            self.learn(passphrase)
            self._signers[keyid] = CryptoSigner(private)
            return self._signers[keyid]
        raise PublisherFailed(f"{path} cannot be opened: the passphrase is wrong, or the file is damaged")

    def _passphrases(self, name: str) -> Iterator[str]:
        yield from self._known
        yield self._passphrase(name)
