"""A bundle that a person brings to the device, not the broker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edged.core.errors import UpdateRefused
from edged.ota.slots import Installed, Slot
from edged.ota.target import Chunks, Kind, SignedTarget, Target


@dataclass(frozen=True, slots=True)
class Local:
    """A bundle for ``<kind>/<id>``, packed as the file ``blob``.

    ``unsigned`` tells whether it may be installed though the channel did not sign it.
    """

    path: str
    blob: Path
    sha256: str
    length: int
    version: str
    unsigned: bool


def chosen(local: Local, newest: SignedTarget | None, slot: Slot) -> SignedTarget:
    """What is to be installed: what the channel signed, if this is it; raises UpdateRefused for anything else that may not be.

    What nobody signed takes the sequence of what it replaces, so that it stays until something newer is signed.
    """
    if newest and newest.sha256 == local.sha256:
        return newest
    if not local.unsigned:
        hint = "`[ota] allow_unsigned = true` allows any bundle that a person of this device brings."
        raise UpdateRefused("bad_signature", f"{local.path}: this is not what the channel has signed", hint=hint)
    return as_signed(local.path, Installed(local.sha256, slot.sequence, local.version), local.length)


def as_signed(path: str, what: Installed | None, length: int = 0) -> SignedTarget:
    """What is known here, in the form of a target; nothing that is not there is known of a factory bundle."""
    kind, _, name = path.partition("/")
    what = what or Installed("", 0, "")
    known: Kind = kind  # type: ignore[assignment]
    target = Target(kind=known, id=name, sequence=what.sequence, version=what.version, chunks=Chunks(count=0, index_sha256=""))
    return SignedTarget(target=target, length=length, sha256=what.sha256)
