"""What the trust process is asked, and what it answers. Free of python-tuf: the main process speaks it.

One tagged msgpack map each way through a socket pair, ended by closing that direction. What the process answers is checked like any
input, since it parsed what anyone may have sent.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edged.core.errors import UpdateCode
from edged.ota.numbering import Numbering
from edged.ota.target import SignedTarget

MAX_MESSAGE_BYTES = 1 << 20
"""A request holds a bundle, two roots and a floor, which remembers every id that was ever seen."""

MAX_ROOT_BYTES = 32 * 1024

Version = Annotated[int, msgspec.Meta(ge=0)]


class Floor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was believed last of one channel, below which nothing is believed again. A floor of zeros believes anything signed.

    ``trusted_root`` is the newest root that was verified and ``root`` its version; verification starts there, and not from the root
    that the device was given, as long as ``given_sha256`` is that of the latter. ``keys`` are the key ids of each role, on which it
    depends whether a version binds (``numbering.binding``). ``expires_unix_s`` is when what was believed expires. ``sequences`` has
    the highest of each ``<kind>/<id>``.
    """

    root: Version = 0
    timestamp: Version = 0
    snapshot: Version = 0
    targets: Version = 0
    time_unix_s: Version = 0
    expires_unix_s: Version = 0
    sequences: dict[str, Version] = {}
    keys: dict[str, tuple[str, ...]] = {}
    trusted_root: bytes = b""
    given_sha256: str = ""


class Verify(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Verify ``bundle``, which came from anyone, starting from ``root``, the root.json that the device was given.

    ``directory`` is python-tuf's own; it may be absent, empty or damaged. ``clock_unix_s`` is the clock as it stands, which raises
    the time floor only if it is ``synchronised``.
    """

    fleet: str
    channel: str
    root: bytes
    bundle: bytes
    floor: Floor
    directory: str
    clock_unix_s: int
    synchronised: bool


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Everything in the bundle is signed, belongs together, is not older than the floor, and good until ``expires_unix_s``."""

    floor: Floor
    """To be kept durably before anything is done about ``targets``."""
    expires_unix_s: int
    numbering: Numbering
    targets: tuple[SignedTarget, ...]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why it is not believed."""

    code: UpdateCode
    message: str
    hint: str = ""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why it could not be judged."""

    code: UpdateCode
    message: str


Answer = Verified | Refused | Failed

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Verify).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode
