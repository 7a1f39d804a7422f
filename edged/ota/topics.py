"""Topics of updates. They belong to the fleet; only ``ota/status`` is a device's own, and is among those of ``mqtt``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpdateTopics:
    """Below ``<prefix>/<fleet>/``, where ``prefix`` ends in the version of the protocol (``edged/v1``)."""

    prefix: str
    fleet: str

    def metadata(self, channel: str) -> str:
        """Retained: everything that is signed of a channel, in one message, so that no torn set can be seen."""
        return f"{self.prefix}/{self.fleet}/tuf/{channel}"

    def index(self, sha256: str) -> str:
        """Retained: the digests of the chunks of a blob, 32 bytes each, one after the other."""
        return f"{self.prefix}/{self.fleet}/blob/{sha256}/index"

    def chunk(self, sha256: str, number: int) -> str:
        """Retained: a chunk of a blob, raw."""
        return f"{self.prefix}/{self.fleet}/blob/{sha256}/{number}"

    def get(self, sha256: str) -> str:
        """Requests for chunks, where a broker has no usable retained messages (MQTT 5.0, section 4.10)."""
        return f"{self.prefix}/{self.fleet}/blob/{sha256}/get"
