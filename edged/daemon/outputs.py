"""Where a configuration lets events go besides the store, made as a whole before anything of an older one is given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edged.config.schema import Settings, SinkSettings
from edged.core.event import Event
from edged.daemon.clock import read_clock
from edged.daemon.recorder import Sink
from edged.daemon.sinks import JsonlSink
from edged.mqtt.delivery import Outbox
from edged.mqtt.publisher import Publisher
from edged.vision import ipc


class View(Protocol):
    """Something that shows what happens: a log, a live table."""

    def on_report(self, report: ipc.Report) -> None:
        """The vision process said something."""

    def on_event(self, event: Event) -> None:
        """An event was committed."""


MakeViews = Callable[[SinkSettings], Sequence[View]]
"""The views that ``[sinks]`` asks for."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What was made of ``settings``. ``close`` when others take their place."""

    settings: Settings
    publisher: Publisher | None
    file: JsonlSink | None
    views: Sequence[View]

    @classmethod
    def make(cls, settings: Settings, outbox: Outbox, make_views: MakeViews, before: Outputs | None = None) -> Outputs:
        """Raises OutputUnwritable, or ConfigInvalid for names that make no topic.

        The publisher of ``before`` is kept if another would be the same; the file never is, since it may have been rotated away.
        """
        publisher = before.publisher if before else None
        if not before or settings.mqtt != before.settings.mqtt:
            device = settings.device
            publisher = Publisher(settings.mqtt, device.fleet, device.name, outbox, read_clock) if settings.mqtt else None
        file = JsonlSink(settings.sinks.jsonl) if settings.sinks.jsonl else None
        return cls(settings, publisher, file, make_views(settings.sinks))

    @property
    def sinks(self) -> list[Sink]:
        """Everyone who wants committed events."""
        return [*([self.file] if self.file else []), *self.views]

    def close(self) -> None:
        """Let go of the file."""
        if self.file:
            self.file.close()
