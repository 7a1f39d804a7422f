"""A publisher of updates in memory, with real keys: it can also sign what an honest one never would.

After python-tuf's own repository_simulator: the signed objects are there to be changed, ``publish`` signs them as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from edged.ota.bundle import MetadataBundle, encode_bundle
from edged.ota.target import CHUNK_BYTES, Chunks, Kind, Target

ROLES = (Root.type, Timestamp.type, Snapshot.type, Targets.type)
ROOT_KEYS, ROOT_THRESHOLD = 3, 2


class Repository:
    """One channel. ``root``, ``timestamp``, ``snapshot``, ``targets`` are what is signed next, ``signers`` who signs each role."""

    def __init__(self, fleet: str = "test", channel: str = "stable") -> None:
        binding = {"x-edged": {"fleet": fleet, "channel": channel}}
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        self.fleet = fleet
        self.channel = channel
        self.root = Root(expires=expires, unrecognized_fields=copy.deepcopy(binding))
        self.timestamp = Timestamp(expires=expires, unrecognized_fields=copy.deepcopy(binding))
        self.snapshot = Snapshot(expires=expires, unrecognized_fields=copy.deepcopy(binding))
        self.targets = Targets(expires=expires, unrecognized_fields=copy.deepcopy(binding))
        self.signers = {
            role: [CryptoSigner.generate_ed25519() for _ in range(ROOT_KEYS if role == Root.type else 1)] for role in ROLES
        }
        for role, signers in self.signers.items():
            for signer in signers:
                self.root.add_key(signer.public_key, role)
        self.root.roles[Root.type].threshold = ROOT_THRESHOLD
        self.roots: list[bytes] = []
        self.documents: dict[str, bytes] = {}
        self.publish_root()
        self.publish()

    def add(self, blob: bytes, *, kind: Kind = "model", id: str = "ssd", sequence: int = 1, **fields: Any) -> Target:
        """Name ``blob`` as the newest of its id; to be published yet."""
        digests = [sha256(blob[at : at + CHUNK_BYTES]).digest() for at in range(0, len(blob), CHUNK_BYTES)]
        chunks = Chunks(count=len(digests), index_sha256=sha256(b"".join(digests)).hexdigest())
        target = Target(kind=kind, id=id, sequence=sequence, version=str(sequence), chunks=chunks, **fields)
        self.name(f"{kind}/{id}", blob, msgspec.to_builtins(target))
        return target

    def name(self, path: str, blob: bytes, custom: dict[str, Any]) -> None:
        """Put any target whatsoever."""
        hashes = {"sha256": sha256(blob).hexdigest()}
        self.targets.targets[path] = TargetFile(len(blob), hashes, path, {"custom": custom})

    def publish(self) -> bytes:
        """Sign the next version of everything but the root, which gives the bundle."""
        self.targets.version += bool(self.documents)
        self.documents[Targets.type] = self.sign(self.targets)
        self.snapshot.version += len(self.documents) > 1
        self.snapshot.meta["targets.json"] = _meta(self.targets, self.documents[Targets.type])
        self.documents[Snapshot.type] = self.sign(self.snapshot)
        return self.publish_timestamp()

    def publish_timestamp(self) -> bytes:
        """Sign the next version of the timestamp alone."""
        self.timestamp.version += Timestamp.type in self.documents
        self.timestamp.snapshot_meta = _meta(self.snapshot, self.documents[Snapshot.type])
        self.documents[Timestamp.type] = self.sign(self.timestamp)
        return self.bundle()

    def publish_root(self, signers: list[CryptoSigner] | None = None) -> None:
        """Sign the next version of the root with all of its keys, or with ``signers``."""
        self.root.version = len(self.roots) + 1
        self.roots.append(self.sign(self.root, signers))

    def rotate(self, role: str) -> list[CryptoSigner]:
        """Give a role new keys, in the next version of the root, which the old root keys sign too; gives the old ones."""
        old = self.signers[role]
        self.signers[role] = [CryptoSigner.generate_ed25519() for _ in old]
        for signer in old:
            self.root.revoke_key(signer.public_key.keyid, role)
        for signer in self.signers[role]:
            self.root.add_key(signer.public_key, role)
        self.publish_root([*old, *self.signers[role]] if role == Root.type else None)
        return old

    def sign(self, signed: Signed, signers: list[CryptoSigner] | None = None) -> bytes:
        """The document in its wire form."""
        metadata = Metadata[Any](signed)
        for signer in self.signers[signed.type] if signers is None else signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer(compact=True))

    def bundle(self, **replaced: Any) -> bytes:
        """What is published, some of it ``replaced``."""
        return encode_bundle(MetadataBundle(**{"root": tuple(self.roots), **self.documents, **replaced}))

    @contextmanager
    def bound_to(self, fleet: str, channel: str, *roles: str) -> Iterator[None]:
        """Sign these roles for another fleet or channel, for the time of a ``with``."""
        signed: list[Signed] = [getattr(self, role) for role in roles]
        kept = [dict(it.unrecognized_fields) for it in signed]
        for it in signed:
            it.unrecognized_fields["x-edged"] = {"fleet": fleet, "channel": channel}
        try:
            yield
        finally:
            for it, fields in zip(signed, kept, strict=True):
                it.unrecognized_fields.clear()
                it.unrecognized_fields.update(fields)


def _meta(signed: Signed, document: bytes) -> MetaFile:
    return MetaFile(signed.version, len(document), {"sha256": sha256(document).hexdigest()})
