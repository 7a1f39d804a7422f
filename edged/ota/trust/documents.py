"""Signed documents as python-tuf parses them, and what must hold of each before anything is verified.

The parse is python-tuf's own, so that what is looked at here is what the signature is checked over there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from edged.core.errors import UpdateRefused
from edged.ota.bundle import MAX_BUNDLE_BYTES, MetadataBundle, decode_bundle
from edged.ota.target import CHUNK_BYTES, SignedTarget

T = TypeVar("T", bound=Signed)

BINDING = "x-edged"
"""The field of every signed document that says which fleet and channel it is for (TUF 1.0.34, 4.1: unknown fields are kept)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a document is for."""

    fleet: str
    channel: str

    def binding(self) -> dict[str, str]:
        """The value of ``BINDING``."""
        return {"fleet": self.fleet, "channel": self.channel}


@dataclass(frozen=True, slots=True)
class Documents:
    """A bundle whose documents are what they are said to be, and signed by nobody yet. ``roots`` by version."""

    raw: MetadataBundle
    roots: Mapping[int, bytes]
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets

    @property
    def last_root(self) -> int:
        """The version of the newest root."""
        return max(self.roots)


def parse(bundle: bytes, scope: Scope) -> Documents:
    """Take a bundle apart; raises UpdateRefused ("oversized", "malformed", "wrong_channel", "torn")."""
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise UpdateRefused("oversized", f"metadata of {len(bundle):,} bytes; at most {MAX_BUNDLE_BYTES:,} are read")
    try:
        raw = decode_bundle(bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpdateRefused("malformed", f"this is no metadata of edged: {error}") from error
    roots = {document(Root, data, scope).version: data for data in raw.root}
    if list(roots) != list(range(min(roots), min(roots) + len(raw.root))):
        raise UpdateRefused("torn", f"the chain of roots has a gap: versions {', '.join(map(str, roots))}")
    return Documents(
        raw=raw,
        roots=roots,
        timestamp=document(Timestamp, raw.timestamp, scope),
        snapshot=document(Snapshot, raw.snapshot, scope),
        targets=document(Targets, raw.targets, scope),
    )


def document(role: type[T], data: bytes, scope: Scope) -> T:
    """The signed part of one document; raises UpdateRefused ("malformed", "wrong_channel")."""
    try:
        signed: Signed = Metadata.from_bytes(data).signed
    except DeserializationError as error:
        raise UpdateRefused("malformed", f"the {role.type} is not to be read: {error.__cause__}") from error
    if not isinstance(signed, role) or type(signed.version) is not int:
        raise UpdateRefused("malformed", f"where the {role.type} should be is something else")
    if isinstance(signed, Targets) and signed.delegations is not None:
        raise UpdateRefused("malformed", "targets are delegated, which edged does not do")
    if isinstance(signed, Root) and signed.consistent_snapshot is not True:
        raise UpdateRefused("malformed", "the root is not of consistent snapshots")
    if signed.unrecognized_fields.get(BINDING) != scope.binding():
        raise UpdateRefused("wrong_channel", f"the {role.type} is not for fleet {scope.fleet!r}, channel {scope.channel!r}")
    return signed


def signed_targets(targets: Targets) -> tuple[SignedTarget, ...]:
    """The targets of a verified document; raises UpdateRefused ("malformed") if one of them makes no sense."""
    return tuple(_signed_target(path, file) for path, file in sorted(targets.targets.items()))


def _signed_target(path: str, file: TargetFile) -> SignedTarget:
    try:
        signed = msgspec.convert({"target": file.custom, "length": file.length, "sha256": file.hashes.get("sha256")}, SignedTarget)
    except msgspec.ValidationError as error:
        raise UpdateRefused("malformed", f"the target {path[:64]!r} makes no sense: {error}") from error
    if signed.path != path:
        raise UpdateRefused("malformed", f"the target {path[:64]!r} says that it is {signed.path}")
    if signed.target.chunks.count != -(-signed.length // CHUNK_BYTES):
        raise UpdateRefused("malformed", f"the target {path} has {signed.target.chunks.count} chunks for {signed.length} bytes")
    return signed
