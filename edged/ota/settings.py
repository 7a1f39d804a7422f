"""Which updates a device takes, and how it tries them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from edged.core.settings import settings
from edged.ota.judgement import MAX_WINDOW_S
from edged.ota.target import NAME


@settings
class ShadowSettings:
    """A new model first looks at live frames beside the one that serves; nothing follows from what it sees but the comparison."""

    share: Annotated[float, Gt(0), Le(1)] = 0.1
    """Of the frames. Where frames come faster than they are inferred, a large share slows the model that serves."""

    frames: Annotated[int, Ge(1), Le(1_000_000)] = 300
    """It ends after so many frames that both saw,"""

    seconds: Annotated[float, Ge(1), Le(86_400)] = 120.0
    """or after so long."""

    min_agreement: Annotated[float, Ge(0), Le(1)] = 0.5
    """Of all objects that either saw, the part that both have to see; 0 compares without consequences."""


@settings
class OtaSettings:
    """Updates of what follows an id (``follow`` of a model): signed, over the broker; or brought by a person."""

    root: Path | None = None
    """The root.json of the publisher (``edged ota init`` makes it): whom this device believes. Unset takes no updates over the
    broker."""

    channel: str = "stable"
    """The channel of the publisher that is followed."""

    follow_config: str | None = None
    """The id under which the publisher signs settings for this device (cameras, thresholds, tracking), which are laid over this
    file."""

    groups: tuple[Annotated[str, MinLen(1), MaxLen(64)], ...] = ()
    """Groups that this device is in: a rollout may name some to be the first."""

    health_window_s: Annotated[float, Ge(5), Le(MAX_WINDOW_S)] = 30.0
    """How long a new model serves on trial, beginning with its first frame, before it is confirmed."""

    shadow: ShadowSettings | None = None
    """Unset, a model goes on trial at once."""

    drop_folder: Path | None = None
    """A directory that is looked at for bundles, each a directory that is called as the id that it is for; it may come and go."""

    allow_unsigned: bool = False
    """Whether bundles that nobody signed are installed, if they come from the drop folder or by ``edged model install``."""


def ota_problems(ota: OtaSettings, *, broker: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the settings besides the types, each with its key below the table; ``broker`` tells if there is one."""
    if not re.fullmatch(NAME, ota.channel):
        yield ("channel",), f'got "{ota.channel}", expected up to 32 of a-z, 0-9, "_" and "-"'
    if ota.follow_config is not None and not re.fullmatch(NAME, ota.follow_config):
        yield ("follow_config",), f'got "{ota.follow_config}", expected up to 32 of a-z, 0-9, "_" and "-"'
    if ota.follow_config is not None and ota.root is None:
        yield ("follow_config",), "only what is signed is laid over this file, expected root as well"
    if ota.root is not None and not broker:
        yield ("root",), "updates come over the broker, expected a table [mqtt] as well"
    if ota.root is None and not ota.allow_unsigned:
        yield (), "nothing can be installed, expected root, or allow_unsigned = true"
