"""What a signed target says besides length and sha256: the ``custom`` object of TUF's targets role (specification, section 4.5).

Rules: what is decoded here was signed, and is checked all the same: a signature says who wrote it, not that it makes sense.
Nothing in it is ever a path; numbers are whole, since canonical JSON, which is what is signed, has no fractions. Free of
python-tuf: the main process reads it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

NAME = r"^[a-z0-9][a-z0-9_-]{0,31}\Z"
"""As names of the configuration: a topic level, a file name and a word on a command line."""

CHUNK_BYTES = 32 * 1024
"""Small enough for the packet limits of hosted brokers (AWS IoT 128 KB), large enough for 200 messages a model of 6 MB."""

MAX_CHUNKS = 2048
"""64 MiB; the index of such a blob is 64 KiB, one message too."""

DIGEST_BYTES = 32

Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Words = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...], msgspec.Meta(max_length=1000)]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]

Kind = Literal["model", "config", "mcu-firmware", "mcu-model"]


class Constraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On which devices a target may be installed. An empty list allows all."""

    devices: Words = ()
    """Names of devices."""
    machines: Words = ()
    """As ``platform.machine()`` names them: ``aarch64``, ``x86_64``."""
    runtimes: Words = ()
    """As ``[models.NAME] runtime`` names them."""
    accelerators: Words = ()
    """As ``[models.NAME] delegate`` names what serves: for a model that is only worth it there."""
    edged: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+){0,2}\Z")] = "0"
    """The least version of edged."""


class Tensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input or output of a model; a dimension of -1 is known at run time only."""

    shape: Annotated[tuple[int, ...], msgspec.Meta(max_length=8)]
    dtype: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model may take; ``None`` leaves it to the device."""

    memory_mb: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Most memory of its probe, beyond that of the process."""
    p95_ms: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Of ``invoke`` on live frames, during the trial."""


class Rollout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who takes it, and from when on. A device takes part if one of its groups is named or its draw is below ``percent``."""

    seed: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Makes another draw for another rollout: not the same devices are always the first."""
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    groups: Words = ()
    not_before: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Unix time in seconds; a device whose clock is not synchronised waits until it is, if this is not 0."""


class Chunks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the blob is cut. The digests of the chunks are a message of their own, the index, whose sha256 is signed here."""

    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHUNKS)]
    index_sha256: Sha256


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest of one thing in one channel; its path in TUF is ``<kind>/<id>``."""

    kind: Kind
    id: Name
    sequence: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    """Grows with each thing that is signed under this id; a device never goes below what it has seen."""
    version: Line
    """For people."""
    chunks: Chunks
    constraints: Constraints = Constraints()
    inputs: Annotated[tuple[Tensor, ...], msgspec.Meta(max_length=64)] = ()
    outputs: Annotated[tuple[Tensor, ...], msgspec.Meta(max_length=64)] = ()
    limits: Limits = Limits()
    rollout: Rollout = Rollout()
    revoked: Annotated[tuple[Sha256, ...], msgspec.Meta(max_length=256)] = ()
    """Blobs of this id that nobody is to run any more: a device that does goes back."""


class SignedTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target with what TUF itself knows of it."""

    target: Target
    length: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHUNKS * CHUNK_BYTES)]
    sha256: Sha256

    @property
    def path(self) -> str:
        """Its name in TUF's targets role."""
        return f"{self.target.kind}/{self.target.id}"


decode_target = msgspec.json.Decoder(Target).decode
"""A ``custom`` object; raises msgspec.MsgspecError."""
