"""Topics of updates. They belong to the fleet; only ``ota/status`` is a device's own, and is among those of ``mqtt``."""

from __future__ import annotations

import re
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

    def ask(self, channel: str) -> str:
        """Requests for what is signed of a channel, on such a broker."""
        return f"{self.metadata(channel)}/get"

    def channel(self, topic: str) -> str | None:
        """The channel that such a request is about; ``None`` if it is not the topic of one."""
        level = topic.removeprefix(f"{self.prefix}/{self.fleet}/tuf/").partition("/")[0]
        return level if topic == self.ask(level) else None

    def reply(self, device: str) -> str:
        """Where the answers to a device's requests go."""
        return f"{self.prefix}/{self.fleet}/{device}/ota/reply"

    def is_reply(self, topic: str) -> bool:
        """Whether a publisher may answer there: a topic that holds nothing else, for which nobody's rights are borrowed."""
        device, found, rest = topic.removeprefix(f"{self.prefix}/{self.fleet}/").partition("/ota/reply")
        return (
            topic.startswith(f"{self.prefix}/{self.fleet}/")
            and bool(device and found)
            and not rest
            and not set(device) & set("/+#")
        )

    @property
    def indexes(self) -> str:
        """A filter: the indexes of all blobs."""
        return self.index("+")

    def blob(self, topic: str) -> str | None:
        """The sha256 of the blob that an index or a request is about; ``None`` if it is not the topic of one."""
        level = topic.removeprefix(f"{self.prefix}/{self.fleet}/blob/").partition("/")[0]
        known = re.fullmatch("[0-9a-f]{64}", level) and topic in {self.index(level), self.get(level)}
        return level if known else None

    @property
    def statuses(self) -> str:
        """A filter: how updates stand on all devices."""
        return f"{self.prefix}/{self.fleet}/+/ota/status"

    def device(self, topic: str) -> str:
        """Whose status that is."""
        return topic.removeprefix(f"{self.prefix}/{self.fleet}/").partition("/")[0]
