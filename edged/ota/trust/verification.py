"""Whether a bundle is to be believed: what python-tuf says, and what it leaves open.

| rule | why python-tuf does not do |
|---|---|
| every document names our fleet and channel | one set of keys signs for all channels |
| versions and sequences only grow, also after python-tuf's directory was lost | it does not fsync |
| the newest root ever seen is where trust starts | as above: keys that were rotated out could sign another chain |
| expiry is judged by the later of the clock and the latest time that was certain | a Pi has no clock that outlives its power |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Root, Signed, Snapshot, Targets, Timestamp

from edged.core.errors import UpdateRefused
from edged.ota.numbering import Numbering, binding
from edged.ota.target import SignedTarget
from edged.ota.trust.client import URL, BundleFetcher, refreshed, refusal
from edged.ota.trust.documents import Documents, Scope, document, parse, signed_targets
from edged.ota.trust.records import MAX_ROOT_BYTES, Floor, Verified, Verify

ROLES = (Root.type, Timestamp.type, Snapshot.type, Targets.type)

MAX_IDS = 4096
"""Whose sequences are remembered of one channel, some 200 KiB: whoever has stolen the online keys could sign new ones until nothing
fits a message any more, and replacing the keys would not help."""


def verify(request: Verify) -> Verified:
    """Judge a bundle; raises UpdateRefused, or UpdateFailed if the directory cannot be written."""
    scope = Scope(request.fleet, request.channel)
    floor = request.floor
    start, start_version = _start(request, scope)
    documents = parse(request.bundle, scope)
    directory = Path(request.directory)
    try:
        trusted = _trusted(directory, start, documents, scope)
    except UpdateRefused as error:
        if start_version + 1 < min(documents.roots):  # which is why, most likely
            raise _gap(start_version, documents) from error
        raise
    root = trusted[Root.type]
    assert isinstance(root, Root)
    if root.version < documents.last_root:
        raise _gap(start_version, documents)
    keys = {role: tuple(root.roles[role].keyids) for role in ROLES}
    bound = {role for role in ROLES if binding(keys[role], floor.keys.get(role, ()))}
    _grown(trusted, floor, bound)
    targets = trusted[Targets.type]
    assert isinstance(targets, Targets)
    signed = signed_targets(targets)
    sequences = _sequences(signed, floor.sequences if Targets.type in bound else {})
    now_unix_s = max(request.clock_unix_s, floor.time_unix_s)
    expires_unix_s = _expiry(trusted, now_unix_s)
    return Verified(
        floor=Floor(
            root=root.version,
            timestamp=trusted[Timestamp.type].version,
            snapshot=trusted[Snapshot.type].version,
            targets=targets.version,
            time_unix_s=now_unix_s if request.synchronised else floor.time_unix_s,
            expires_unix_s=expires_unix_s,
            sequences=sequences,
            keys=keys,
            trusted_root=(directory / "root.json").read_bytes(),
            given_sha256=_sha256(request.root),
        ),
        expires_unix_s=expires_unix_s,
        numbering=Numbering(f"{scope.fleet}/{scope.channel}", keys[Targets.type]),
        targets=signed,
    )


def _gap(known: int, documents: Documents) -> UpdateRefused:
    said = f"roots {min(documents.roots)} to {documents.last_root} do not follow on {known}, the newest that this device knows"
    return UpdateRefused("torn", said, hint="Give it the newest root.json.")


def _start(request: Verify, scope: Scope) -> tuple[bytes, int]:
    """The root that is believed, and its version: the newest that was verified, unless the device was given another one since."""
    if len(request.root) > MAX_ROOT_BYTES:
        raise UpdateRefused("oversized", f"the root that this device was given has {len(request.root):,} bytes")
    given = document(Root, request.root, scope).version
    if request.floor.trusted_root and request.floor.given_sha256 == _sha256(request.root):
        return request.floor.trusted_root, document(Root, request.floor.trusted_root, scope).version
    return request.root, given


def _trusted(directory: Path, start: bytes, documents: Documents, scope: Scope) -> Mapping[str, Signed]:
    """What python-tuf believes in the end, by role. It keeps that, and only that, in these files of its directory."""
    others = {Timestamp.type: documents.raw.timestamp, Snapshot.type: documents.raw.snapshot, Targets.type: documents.raw.targets}
    fetcher = BundleFetcher(documents.roots, others)
    versions = {Snapshot.type: documents.snapshot.version, Targets.type: documents.targets.version}
    try:
        refreshed(directory, URL, fetcher, start)
    except (RepositoryError, DownloadError) as error:
        raise refusal(error, fetcher, versions) from error
    roles: tuple[type[Signed], ...] = (Root, Timestamp, Snapshot, Targets)
    return {role.type: document(role, (directory / f"{role.type}.json").read_bytes(), scope) for role in roles}


def _grown(trusted: Mapping[str, Signed], floor: Floor, bound: set[str]) -> None:
    """Raise UpdateRefused if a version is below the floor, where that binds."""
    for role in (Timestamp.type, Snapshot.type, Targets.type):
        least: int = getattr(floor, role)
        if role in bound and trusted[role].version < least:
            raise UpdateRefused("rolled_back", f"{role}: version {trusted[role].version}, where {least} was seen before")


def _sequences(targets: tuple[SignedTarget, ...], seen: Mapping[str, int]) -> dict[str, int]:
    for signed in targets:
        if signed.target.sequence < (least := seen.get(signed.path, 0)):
            raise UpdateRefused("rolled_back", f"{signed.path}: sequence {signed.target.sequence}, where {least} was seen before")
    kept = {**seen, **{signed.path: signed.target.sequence for signed in targets}}
    if len(kept) > MAX_IDS:
        raise UpdateRefused("oversized", f"{len(kept):,} ids were signed in this channel; at most {MAX_IDS:,} are remembered")
    return kept


def _expiry(trusted: Mapping[str, Signed], now_unix_s: int) -> int:
    """When the first of them expires, in seconds of Unix time; raises UpdateRefused if that was before now."""
    expires = {role: int(signed.expires.timestamp()) for role, signed in trusted.items()}
    role = min(expires, key=expires.__getitem__)
    if expires[role] <= now_unix_s:
        raise UpdateRefused("expired", f"{role}: expired {trusted[role].expires:%Y-%m-%d %H:%M} UTC")
    return expires[role]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
