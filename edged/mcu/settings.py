"""What can be said about a microcontroller at a serial port."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from edged.core.followed import FOLLOWED
from edged.core.settings import settings

BAUD = 115_200
"""What firmware and loaders speak unless they were built otherwise."""

MAX_LABELS = 1024

Label = Annotated[str, MinLen(1), MaxLen(64)]


@settings
class McuSettings:
    """One microcontroller, under a name that topics and events carry."""

    port: Annotated[str, MinLen(1), MaxLen(255)]
    """Its serial port. Use its name in /dev/serial/by-id: /dev/ttyACM0 is another board after the next start."""

    baud: Annotated[int, Ge(1200), Le(4_000_000)] = BAUD
    """Bits a second; on USB ports of the board's own it does not matter."""

    board: Annotated[str, MinLen(1), MaxLen(64)] | None = None
    """The board that it has to be, such as "emcraft-sf2"; another one at this port is left alone. Unset takes any."""

    decoder: Literal["classification"] = "classification"
    """How results read: "classification" takes the highest number of the first output, and what it stands for."""

    labels: Annotated[tuple[Label, ...], MaxLen(MAX_LABELS)] = ()
    """What the numbers of the output stand for, in their order. Unset, a class is called by its number."""

    labels_file: Path | None = None
    """The same from a file, a label on each line. It is read with the configuration, and again with each reload."""

    publish: Literal["every", "change"] = "every"
    """Which results become events: every one, or one whose label differs from the last; those that were asked for always do."""

    min_score: Annotated[float, Ge(0), Le(1)] = 0.0
    """Results whose highest number is less become no events."""

    sample_ms: Annotated[int, Ge(0), Le(3_600_000)] | None = None
    """How often the board is to read its sensor, 0 for never; unset leaves that to its firmware."""

    required: bool = False
    """Whether edged is ready only once this board was heard."""

    commands: bool = False
    """Whether it can be told what to do over MQTT. Off, the device listens to nobody; on, give the topic to few (see the
    documentation on access control)."""

    follow_firmware: str | None = None
    """The id under which a publisher signs firmware for this board. Needs ``[ota]``. What is confirmed under it is put onto the
    board whenever that runs something else."""

    follow_model: str | None = None
    """The same for its model."""

    @property
    def line(self) -> tuple[str, int, str | None]:
        """What its port is opened for; everything else can be another while it is open."""
        return self.port, self.baud, self.board

    @property
    def is_stable(self) -> bool:
        """Whether the port's name stays with the board."""
        return not re.search(r"/tty(ACM|USB)\d+$", self.port)


def mcu_problems(mcu: McuSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a microcontroller's settings besides the types, each with the key below its table."""
    if not Path(mcu.port).is_absolute():
        yield ("port",), f'got "{mcu.port}", expected a path such as "/dev/serial/by-id/usb-..."'
    if mcu.labels and mcu.labels_file is not None:
        yield ("labels_file",), "set beside labels; keep one"
    for key in ("follow_firmware", "follow_model"):
        value = getattr(mcu, key)
        if value is not None and not FOLLOWED.fullmatch(value):
            yield (key,), f'got "{value}", expected up to 32 of a-z, 0-9, "_" and "-"'


def read_labels(mcu: McuSettings) -> tuple[str, ...]:
    """What the numbers of the output stand for; raises ValueError that says what is wrong with the file."""
    if mcu.labels_file is None:
        return mcu.labels
    try:
        lines = mcu.labels_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{mcu.labels_file}: {getattr(error, 'strerror', None) or error}") from error
    labels = tuple(line.strip() for line in lines if line.strip())
    if not 1 <= len(labels) <= MAX_LABELS or any(len(label) > 64 for label in labels):
        raise ValueError(f"{mcu.labels_file}: expected 1 to {MAX_LABELS} lines of at most 64 characters")
    return labels


def describe_mcu(mcu: McuSettings) -> str:
    """In one line, for people."""
    follows = [f"{what} {value}" for what, value in (("firmware", mcu.follow_firmware), ("model", mcu.follow_model)) if value]
    parts = [f"{mcu.port} at {mcu.baud} baud", {"every": "every result", "change": "results that differ"}[mcu.publish]]
    parts += [f"follows {' and '.join(follows)}"] if follows else []
    parts += ["takes commands"] if mcu.commands else []
    parts += [] if mcu.is_stable else ["warning: that name may be another board's tomorrow, use one in /dev/serial/by-id"]
    return ", ".join(parts)
