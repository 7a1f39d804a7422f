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
    "unfit",
]
"""Why a model is refused, in the words that `edged model verify` prints. ``unfit``: whole, but not what edged or its manifest
expects; ``changed``: not the files that were checked before."""


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
    """An accelerator library or device cannot be used."""


class CustomOpsUnusable(EdgedError):
    """A library of custom operators cannot be loaded, or does not have the function that registers them."""


class RuntimeUnavailable(EdgedError):
    """The interpreter that was chosen is not installed, or does not fit this environment."""


class CameraLost(EdgedError):
    """A source cannot be opened, stalled, or stopped delivering frames."""


class SourceUnusable(EdgedError):
    """A source that no retry can mend: a file that is missing, or that is no picture or video."""


class StoreFailed(EdgedError):
    """The event store cannot be opened, read or written."""


class BrokerRefused(EdgedError):
    """The broker answered, and said no (credentials, protocol, authorisation)."""


class BrokerUnreachable(EdgedError):
    """No broker answered at the configured address."""


class SecretUnreadable(EdgedError):
    """A credential that the configuration refers to is missing, empty or readable by others."""


class PackageUnavailable(EdgedError):
    """A catalogue entry cannot be fetched or is not what the catalogue says it is."""


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
