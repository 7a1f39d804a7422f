"""The errors of edged.

One root; leaves are named by fault. A message says what is wrong and where; ``hint`` says what to do about it. A foreign
exception is translated once, at the edge where it arises.
"""

from __future__ import annotations

from typing import Literal

ModelFault = Literal[
    "unreadable",
    "wrong type",
    "oversized",
    "truncated",
    "corrupt",
    "unsupported op",
    "does not fit memory",
    "hanging",
    "crashing",
    "changed",
    "delegate",
    "undeclared",
    "not finite",
    "undecipherable",
    "signature differs",
    "golden differs",
    "over memory",
    "over latency",
    "unfit",
]
"""Why a model is refused, in the words that `edged model verify` prints. ``unfit``: whole, but not what edged or its manifest
expects; ``undeclared``: nothing says how its outputs read; ``changed``: not the files that were checked before;
``undecipherable``: encrypted, and not with the key that is here; ``not finite``: it answers with what is no number. It runs, and
not as whoever published it states: ``signature differs``, ``golden differs``, ``over memory``, ``over latency``."""

DelegateFault = Literal[
    "failing", "no variant", "absent", "no node", "no permission", "library missing", "library unusable", "library crashes"
]
"""Why an accelerator runs no model. ``no variant``: the bundle has nothing for it; ``no node``: it is there, and not to be opened
from here."""

CameraFault = Literal[
    "host unknown",
    "unreachable",
    "silent",
    "connection refused",
    "login refused",
    "forbidden",
    "path unknown",
    "no video",
    "untrusted",
    "faulty",
    "unusable",
]
"""Why a camera gives no pictures. ``faulty``: it is there, and fails; ``unusable``: what it gives does not fit its settings. Only
network cameras are told apart further."""

BrokerFault = Literal[
    "lost",
    "host unknown",
    "unreachable",
    "silent",
    "connection refused",
    "no answer",
    "refused",
    "login refused",
    "protocol refused",
    "untrusted",
    "certificate expired",
    "other name",
    "no tls",
]
"""Why there is no connection to a broker. ``no answer``: something listens there, and does not speak MQTT with us."""

SecretFault = Literal["missing", "open to others", "unusable"]
"""Why a secret is not used."""

UpdateCode = Literal[
    # trust
    "bad_signature", "expired", "rolled_back", "torn", "oversized", "malformed", "wrong_channel",
    # meant for others, or later
    "not_for_device", "not_in_rollout", "not_yet", "unknown_id",
    # transfer
    "no_space", "chunk_missing", "chunk_damaged", "offline",
    # probe
    "model_refused", "signature_differs", "golden_differs", "over_memory", "over_latency", "does_not_fit_beside",
    "mcu_away",
    # trial
    "crashed", "hung", "slow", "memory_grew", "output_not_finite", "sees_less", "sees_more", "config_refused",
    # afterwards
    "known_bad", "revoked", "interrupted", "by_operator", "not_gone_back",
]  # fmt: skip
"""Why an update is not in use, in the words of its status. ``torn``: the parts of its metadata do not belong together;
``interrupted``: the device could not do it now, and nothing says that the update is to blame; ``mcu_away``: the
microcontroller that it is for is not there; ``not_gone_back``: it is given up, and a microcontroller that had it did not leave
it."""

StoreFault = Literal["unusable", "damaged", "newer", "foreign", "busy"]
"""Why the event store cannot be used. ``newer``: of a later edged; ``foreign``: of another program; ``busy``: held by one."""

PortFault = Literal["absent", "busy", "no permission", "not serial", "vanished", "unusable"]
"""Why a serial port is not ours to use. ``vanished``: it was there, and somebody pulled it out."""

ImageFault = Literal[
    "unreadable",
    "malformed",
    "wrong kind",
    "wrong board",
    "wrong key",
    "downgrade",
    "too large",
    "arena too small",
    "unsupported op",
    "damaged",
]
"""Why an image must not go to a board, or did not arrive there: ``damaged``."""

FrameFault = Literal["truncated", "malformed", "corrupt", "too large", "unknown version"]
"""Why nothing came of bytes on a serial line. ``truncated``: something else began in the middle; ``corrupt``: its checksum does not
match; ``unknown version``: of a later firmware."""


class EdgedError(Exception):
    """Root of every error that edged raises on purpose.

    ``hint`` is one sentence for the person who has to mend it, or empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigInvalid(EdgedError):
    """A configuration cannot be used; ``problems`` holds one line for each fault found."""

    def __init__(self, message: str, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class ModelRejected(EdgedError):
    """A model, manifest or metadata does not fit what edged (or its manifest) expects; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: ModelFault = "unfit") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class DelegateFailed(EdgedError):
    """An accelerator library or device cannot be used; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: DelegateFault = "failing") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class CustomOpsUnusable(EdgedError):
    """A library of custom operators cannot be loaded, or does not have the function that registers them."""


class RuntimeUnavailable(EdgedError):
    """The interpreter that was chosen is not installed, or does not fit this environment."""


class CameraLost(EdgedError):
    """A source cannot be opened, stalled, or stopped delivering frames; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: CameraFault = "faulty") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class SourceUnusable(EdgedError):
    """A source that no retry can mend: a file that is missing, or that is no picture or video."""


class StoreFailed(EdgedError):
    """The event store cannot be opened, read or written; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: StoreFault = "unusable") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class BrokerRefused(EdgedError):
    """The broker answered, and said no (credentials, protocol, authorisation); ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: BrokerFault = "refused") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class BrokerUnreachable(EdgedError):
    """No broker answered at the configured address; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: BrokerFault = "lost") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class SecretUnreadable(EdgedError):
    """A credential that the configuration refers to is missing, empty or readable by others; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: SecretFault = "unusable") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class PackageUnavailable(EdgedError):
    """A catalogue entry cannot be fetched or is not what the catalogue says it is."""


class UpdateRefused(EdgedError):
    """An update must not be installed, and trying again changes nothing; ``code`` is that of its status."""

    def __init__(self, code: UpdateCode, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class UpdateFailed(EdgedError):
    """An update could not be installed for a reason that may pass; ``code`` is that of its status."""

    def __init__(self, code: UpdateCode, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class PublisherFailed(EdgedError):
    """What is asked of a publisher's directory cannot be done; nothing in it was changed."""


class ProtocolViolated(EdgedError):
    """A message between edged's own processes could not be understood."""


class StateInUse(EdgedError):
    """Another daemon keeps its state in this directory."""


class DaemonAbsent(EdgedError):
    """No daemon runs on the state directory where one was looked for."""


class DaemonUnreachable(EdgedError):
    """A daemon runs there, but does not take our request or does not answer it."""


class VisionFailed(EdgedError):
    """The vision process reported a fault that starting it again would not mend."""


class ProcessNotStarted(EdgedError):
    """The system would not start a process, or ended it before it could work."""


class AddressUnusable(EdgedError):
    """No port can be opened at a configured address."""


class OutputUnwritable(EdgedError):
    """A file or directory that results are to be written to cannot be written."""


class PortLost(EdgedError):
    """A serial port cannot be opened, or is gone; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: PortFault = "unusable") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class BoardSilent(EdgedError):
    """A microcontroller did not answer in time, however often it was asked."""


class BoardRefused(EdgedError):
    """A microcontroller answered, and said no, or what nobody understands.

    ``group`` and ``code`` are those of its answer; group None: a code that all groups of the protocol share.
    """

    def __init__(self, message: str, *, hint: str = "", code: int = 0, group: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.group = group


class ImageRefused(EdgedError):
    """An image does not fit the board that it was meant for; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: ImageFault) -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class ToolFailed(EdgedError):
    """A program that edged needs for this is missing, or ended with an error of its own."""


class FrameInvalid(EdgedError):
    """A report frame of a microcontroller is no frame that we know; ``fault`` sorts the reasons."""

    def __init__(self, message: str, *, hint: str = "", fault: FrameFault = "malformed") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault
