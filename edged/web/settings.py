"""Where the daemon can be asked how it is."""

from __future__ import annotations

import re
from typing import Annotated

from annotated_types import MaxLen, MinLen

from edged.core.settings import settings

LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\[\]:\s]+)):(?P<port>\d{1,5})")


@settings
class MetricsSettings:
    """An HTTP server for Prometheus. It knows no users and no TLS, and can only be read."""

    listen: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """Address and port, such as "127.0.0.1:9469"; unset opens no port. "0.0.0.0:9469" lets everyone in the network read."""


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port; raises ValueError that says what is wrong."""
    found = LISTEN.fullmatch(listen)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError(f'got "{listen}", expected an address and a port, such as "127.0.0.1:9469"')
    return found["v6"] or found["host"], int(found["port"])
