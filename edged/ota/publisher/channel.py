"""What is signed of one channel, and how the next version of it is made. No files: bytes in, bytes out.

Rules: what is signed on is verified first, with keys that a passphrase opened (``anchored``, ``rooted``), so that who can only
write to a publisher's directory gets nothing of his own signed; what is made is put through the verification of a device, one that
is new and one that has the version before, before anyone sees it.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from edged.core.errors import PublisherFailed, UpdateFailed, UpdateRefused
from edged.ota.bundle import MAX_ROOTS, MetadataBundle, decode_bundle, encode_bundle
from edged.ota.publisher.keys import Keyring
from edged.ota.target import SignedTarget
from edged.ota.trust.documents import BINDING, Scope, document, parse, signed_targets
from edged.ota.trust.records import Floor, Verify
from edged.ota.trust.verification import verify

ONLINE = (Timestamp.type, Snapshot.type, Targets.type)
THRESHOLDS = {Root.type: 2, **dict.fromkeys(ONLINE, 1)}
KEYS = {Root.type: 3, **dict.fromkeys(ONLINE, 1)}

LIVES = {
    Root.type: timedelta(days=730),
    Targets.type: timedelta(days=365),
    Snapshot.type: timedelta(days=120),
    Timestamp.type: timedelta(days=60),
}
"""How long a signature is good. The timestamp's is how old a state of things a broker can pass off as the newest, and how long the
publisher may be away; a device that was offline for longer takes what is there when it is back."""


ANCHOR = "x-edged-root"
"""The field of a snapshot that names the root it was signed under, so that nobody can put another one before the same keys."""

BEFORE = "x-edged-before"
"""The field of a root that names the one before it: signatures say who may follow a root, and nothing of what it followed."""

MAX_CHAIN_BYTES = 24 * 1024
"""Of the bundle's 64 KiB, for roots of some 2.5 KB. What does not fit is left out, the oldest first: a device that has not seen a
channel for eight changes of keys has to be given the newest root by hand."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is published: ``bundle`` is its payload, the others what is in it, verified."""

    scope: Scope
    bundle: bytes
    roots: tuple[bytes, ...]
    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets

    @property
    def signed(self) -> dict[str, SignedTarget]:
        """Its targets by path."""
        return {it.path: it for it in signed_targets(self.targets)}

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The newest root and those before it, as far back as each names the one before."""
        chain = [self.roots[-1]]
        for before in reversed(self.roots[:-1]):
            if document(Root, chain[0], self.scope).unrecognized_fields.get(BEFORE) != _sha256(before):
                break
            chain.insert(0, before)
        return tuple(chain)


def opened(bundle: bytes, scope: Scope) -> Channel:
    """A channel of its bundle, if the keys of its newest root signed it; whose root that is, nobody knows yet.

    Raises PublisherFailed.
    """
    try:
        documents = parse(bundle, scope)
        raw = documents.raw
        root = document(Root, raw.root[-1], scope)
        for role, data in ((Root.type, raw.root[-1]), *((role, getattr(raw, role)) for role in ONLINE)):
            metadata = Metadata[Any].from_bytes(data)
            root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        signed_targets(documents.targets)
    except (UpdateRefused, RepositoryError) as error:
        hint = "Take the directory from a backup."
        raise PublisherFailed(f"what lies here of channel {scope.channel!r} is not what was signed: {error}", hint=hint) from error
    return Channel(scope, bundle, raw.root, root, documents.timestamp, documents.snapshot, documents.targets)


def anchored(channel: Channel, ring: Keyring) -> Channel:
    """The channel, if the snapshot key that the passphrase opened signed it under this root; raises PublisherFailed.

    It is the check before whatever signs a snapshot, which is every step. The root in the file says nothing of itself: it may be
    anyone's, and name our keys beside others.
    """
    signers = ring.signers(channel.root, Snapshot.type)
    named = channel.snapshot.unrecognized_fields.get(ANCHOR) == _sha256(channel.roots[-1])
    if not named or not all(_signed_by(signer, decode_bundle(channel.bundle).snapshot) for signer in signers):
        raise _foreign(channel)
    return channel


def rooted(channel: Channel, ring: Keyring) -> Channel:
    """The channel, if one of the root keys that the passphrases opened signed its root; raises PublisherFailed.

    It is the check before what signs a root: the snapshot key may be lost then, or stolen. One is enough, and always there: any
    two of three keys have one in common with the two that signed.
    """
    if not any(_signed_by(signer, channel.roots[-1]) for signer in ring.signers(channel.root, Root.type)):
        raise _foreign(channel)
    return channel


def founded(scope: Scope, keys: dict[str, list[Key]], ring: Keyring, now: datetime) -> Channel:
    """A channel of nothing yet; ``keys`` are those of each role."""
    fields = {BINDING: scope.binding()}
    root = Root(expires=_until(Root.type, now), unrecognized_fields=copy.deepcopy(fields))
    for role, of_role in keys.items():
        root.roles[role].threshold = THRESHOLDS[role]
        for key in of_role:
            root.add_key(key, role)
    channel = Channel(
        scope,
        bundle=b"",
        roots=(_sign(root, ring.signers(root, Root.type)),),
        root=root,
        timestamp=Timestamp(unrecognized_fields=copy.deepcopy(fields)),
        snapshot=Snapshot(unrecognized_fields=copy.deepcopy(fields)),
        targets=Targets(unrecognized_fields=copy.deepcopy(fields)),
    )
    channel = _released(channel, ring, now, step=0)
    return _proven(channel, channel, now)


def released(channel: Channel, ring: Keyring, now: datetime, changes: dict[str, SignedTarget]) -> Channel:
    """The next version of everything but the root, with these targets changed; raises PublisherFailed."""
    targets = copy.deepcopy(channel.targets)
    for path, it in changes.items():
        custom = msgspec.to_builtins(it.target)
        targets.targets[path] = TargetFile(it.length, {"sha256": it.sha256}, path, {"custom": custom})
    return _proven(_released(replace(channel, targets=targets), ring, now), channel, now)


def refreshed(channel: Channel, ring: Keyring, now: datetime) -> Channel:
    """The same, good for longer. Targets are signed again only in the second half of their life: many know them."""
    whole = channel.targets.expires - now < LIVES[Targets.type] / 2
    return _proven(_released(channel, ring, now, targets=whole), channel, now)


def rekeyed(channel: Channel, ring: Keyring, now: datetime, keys: dict[str, list[Key]]) -> Channel:
    """The next root, in which these roles have these keys, and everything signed by them; raises PublisherFailed."""
    root = copy.deepcopy(rooted(channel, ring).root)
    root.unrecognized_fields[BEFORE] = _sha256(channel.roots[-1])
    for role, of_role in keys.items():
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        for key in of_role:
            root.add_key(key, role)
    root.version += 1
    root.expires = _until(Root.type, now)
    signers = {signer.public_key.keyid: signer for it in (channel.root, root) for signer in ring.signers(it, Root.type)}
    roots = _fitting((*channel.roots, _sign(root, list(signers.values()))))
    return _proven(_released(replace(channel, roots=roots, root=root), ring, now), channel, now)


def _fitting(roots: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The newest of them, at least the last two: who believes the one before can go on."""
    while len(roots) > 2 and (len(roots) > MAX_ROOTS or sum(map(len, roots)) > MAX_CHAIN_BYTES):
        roots = roots[1:]
    return roots


def _released(channel: Channel, ring: Keyring, now: datetime, *, targets: bool = True, step: int = 1) -> Channel:
    """The next version of the timestamp and the snapshot, and of the targets unless they stay as they are."""

    def signed_next(signed: Signed) -> bytes:
        signed.version += step
        signed.expires = _until(signed.type, now)
        return _sign(signed, ring.signers(channel.root, signed.type))

    after = replace(
        channel,
        timestamp=copy.deepcopy(channel.timestamp),
        snapshot=copy.deepcopy(channel.snapshot),
        targets=copy.deepcopy(channel.targets),
    )
    raw_targets = signed_next(after.targets) if targets else decode_bundle(channel.bundle).targets
    after.snapshot.meta["targets.json"] = _meta(after.targets, raw_targets)
    after.snapshot.unrecognized_fields[ANCHOR] = _sha256(after.roots[-1])
    raw_snapshot = signed_next(after.snapshot)
    after.timestamp.snapshot_meta = _meta(after.snapshot, raw_snapshot)
    raw_timestamp = signed_next(after.timestamp)
    raw = MetadataBundle(root=after.roots, timestamp=raw_timestamp, snapshot=raw_snapshot, targets=raw_targets)
    return replace(after, bundle=encode_bundle(raw))


def _proven(channel: Channel, before: Channel, now: datetime) -> Channel:
    """The channel, if devices will believe it."""
    with tempfile.TemporaryDirectory() as directory:
        floors = [Floor()]
        try:
            floors.append(_as_device(Path(directory, "old"), before, before, Floor(), now))
        except UpdateRefused as error:
            if error.code != "expired":
                raise PublisherFailed(f"devices do not believe what is published now: {error}") from error
        try:
            for number, floor in enumerate(floors):
                _as_device(Path(directory, str(number)), channel, before, floor, now)
        except (UpdateRefused, UpdateFailed) as error:
            raise PublisherFailed(f"devices would refuse this: {error}") from error
    return channel


def _as_device(directory: Path, channel: Channel, before: Channel, floor: Floor, now: datetime) -> Floor:
    request = Verify(
        fleet=channel.scope.fleet,
        channel=channel.scope.channel,
        root=next(root for root in before.roots if root in channel.roots),
        bundle=channel.bundle,
        floor=floor,
        directory=str(directory),
        clock_unix_s=int(now.timestamp()),
        synchronised=True,
    )
    return verify(request).floor


def _sign(signed: Signed, signers: Sequence[CryptoSigner]) -> bytes:
    metadata = Metadata[Any](signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes(JSONSerializer(compact=True))


def _signed_by(signer: CryptoSigner, data: bytes) -> bool:
    metadata = Metadata[Any].from_bytes(data)
    key = signer.public_key
    try:
        key.verify_signature(metadata.signatures[key.keyid], metadata.signed_bytes)
    except (KeyError, UnverifiedSignatureError):
        return False
    return True


def _foreign(channel: Channel) -> PublisherFailed:
    message = f"the keys here did not sign what lies here of channel {channel.scope.channel!r}"
    return PublisherFailed(message, hint="Take the directory from a backup.")


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()


def _meta(signed: Signed, data: bytes) -> MetaFile:
    return MetaFile(signed.version, len(data), {"sha256": _sha256(data)})


def _until(role: str, now: datetime) -> datetime:
    return now.astimezone(UTC).replace(microsecond=0) + LIVES[role]
