"""What is put into a channel, as it is before it is signed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from edged.core.errors import PublisherFailed, UpdateRefused
from edged.ota.package import pack
from edged.ota.publisher.channel import Channel
from edged.ota.target import CHUNK_BYTES, Chunks, Constraints, Kind, Limits, Rollout, SignedTarget, Target, Tensor

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """Something to publish: the files of a bundle, and what is said of it."""

    kind: Kind
    id: str
    version: str
    files: Mapping[str, bytes]
    constraints: Constraints = field(default_factory=Constraints)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def path(self) -> str:
        """Its name among the targets."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """What is different from now on in who takes a target, and from when; ``None`` leaves it."""

    percent: int | None = None
    groups: tuple[str, ...] | None = None
    seed: str | None = None
    not_before: int | None = None

    def applied(self, rollout: Rollout) -> Rollout:
        """The rollout with it; raises PublisherFailed."""
        fields = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        return _checked({**msgspec.to_builtins(rollout), **fields}, Rollout)


def packed(article: Article, sequence: int, change: RolloutChange) -> tuple[SignedTarget, bytes]:
    """The target of an article, and its blob; raises PublisherFailed."""
    try:
        blob = pack(article.files)
    except UpdateRefused as error:
        raise PublisherFailed(error.message, hint=error.hint) from error
    digests = [hashlib.sha256(blob[at : at + CHUNK_BYTES]).digest() for at in range(0, len(blob), CHUNK_BYTES)]
    target = Target(
        kind=article.kind,
        id=article.id,
        sequence=sequence,
        version=article.version,
        chunks=Chunks(count=len(digests), index_sha256=hashlib.sha256(b"".join(digests)).hexdigest()),
        constraints=article.constraints,
        inputs=article.inputs,
        outputs=article.outputs,
        limits=article.limits,
        rollout=change.applied(Rollout(seed=seed(article.id, sequence))),
    )
    signed = SignedTarget(target=target, length=len(blob), sha256=hashlib.sha256(blob).hexdigest())
    return _checked(msgspec.to_builtins(signed), SignedTarget), blob


def seed(id: str, sequence: int) -> str:
    """Another draw for each thing that is published, so that not the same devices are always the first."""
    return f"{id}-{sequence}"


def changed(signed: SignedTarget, **fields: Any) -> SignedTarget:
    """The same blob, with other things said of it; raises PublisherFailed."""
    target = msgspec.structs.replace(signed.target, **fields)
    return _checked(msgspec.to_builtins(msgspec.structs.replace(signed, target=target)), SignedTarget)


def revoked(channel: Channel, path: str) -> tuple[str, ...]:
    """The blobs of a target that nobody is to run any more."""
    return channel.signed[path].target.revoked if path in channel.signed else ()


def newest(channel: Channel, path: str) -> SignedTarget:
    """What a channel has under this path; raises PublisherFailed."""
    if path not in channel.signed:
        known = ", ".join(channel.signed) or "nothing"
        raise PublisherFailed(f"channel {channel.scope.channel!r} has no {path} (it has {known})")
    return channel.signed[path]


def matching(candidates: Iterable[SignedTarget], path: str, which: str) -> SignedTarget:
    """The blob that ``which`` names, as it is said first: by sequence, version, or the start of its sha256 (six digits or more).

    Raises PublisherFailed if it is none, or not one alone.
    """
    found: dict[str, SignedTarget] = {}
    for signed in candidates:
        if which in {str(signed.target.sequence), signed.target.version} or (len(which) >= 6 and signed.sha256.startswith(which)):
            found.setdefault(signed.sha256, signed)
    if not found:
        raise PublisherFailed(f"{path} {which} was never published", hint="`edged ota list --history` shows what was.")
    if len(found) > 1:
        digests = ", ".join(sha256[:12] for sha256 in found)
        raise PublisherFailed(f"{path} {which} may be any of {digests}", hint="Name it by the start of its sha256.")
    return next(iter(found.values()))


def _checked(fields: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise PublisherFailed(f"this cannot be signed: {error}") from error
