"""Whether the broker takes us, asked in the same way as the publisher does."""

from __future__ import annotations

import os
from dataclasses import replace

from edged.core.errors import EdgedError
from edged.daemon.doctor.finding import Finding
from edged.mqtt.endpoint import Endpoint, read_endpoint
from edged.mqtt.session import ProtocolRefused, Session, Unanswered
from edged.mqtt.settings import MqttSettings
from edged.mqtt.timing import Timing
from edged.mqtt.topics import Topics
from edged.mqtt.version import VersionChoice

TIMING = Timing(connect_s=5.0)
"""A person waits for the answer."""


async def check_broker(settings: MqttSettings, fleet: str, device: str, timing: Timing = TIMING) -> Finding:
    """Log in to the broker that ``settings`` name, as the device would, and leave again."""
    if settings.password_credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        what = f"not tried: systemd hands the credential {settings.password_credential!r} to the unit alone"
        return Finding("broker", "skip", what, "The unit's own log says whether it could log in: `journalctl -u edged`.")
    try:
        # An empty will under a name of our own, and a client id of our own: the running daemon must not be thrown out, nor its
        # device be reported offline.
        endpoint = read_endpoint(
            settings, f"edged-{fleet}-{device}", f"{Topics(settings.topic_prefix, fleet, device).base}/doctor", b""
        )
        endpoint = replace(endpoint, client_id=f"{endpoint.client_id}-doctor")
        version = await _log_in(endpoint, VersionChoice(settings.protocol), timing)
    except EdgedError as error:
        return Finding("broker", "fail", error.message, error.hint)
    return Finding("broker", "ok", f"{endpoint.address} accepts us with MQTT {version}{' over TLS' if endpoint.tls else ''}")


async def _log_in(endpoint: Endpoint, choice: VersionChoice, timing: Timing) -> str:
    """The version of MQTT with which the broker accepted us; raises BrokerRefused or BrokerUnreachable."""
    while True:
        try:
            async with Session.connect(endpoint, choice.version, timing) as session:
                await session.disconnect()
            return choice.version
        except ProtocolRefused:
            if not choice.on_refused():
                raise
        except Unanswered:
            if not choice.on_silence():
                raise
