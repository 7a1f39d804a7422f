"""Whether the broker takes us and what we publish, asked in the same way as the publisher does."""

from __future__ import annotations

import os
from dataclasses import replace

from edged.core.errors import BrokerRefused, BrokerUnreachable, SecretUnreadable
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import code_of, trouble
from edged.mqtt.endings import ProtocolRefused, RetainRefused, Unanswered
from edged.mqtt.endpoint import Endpoint, read_endpoint
from edged.mqtt.reason import describe, is_refusal
from edged.mqtt.session import Session
from edged.mqtt.settings import MqttSettings
from edged.mqtt.timing import Timing
from edged.mqtt.topics import Topics
from edged.mqtt.version import ProtocolVersion, VersionChoice

NAME = "broker"

TIMING = Timing(connect_s=5.0, acknowledge_s=5.0)
"""A person waits for the answer."""

WITHIN_S = 2 * (2 * TIMING.connect_s) + 3 * TIMING.acknowledge_s
"""Both versions, each dialled and accepted, and a message."""


async def check_broker(settings: MqttSettings, fleet: str, device: str, timing: Timing = TIMING) -> Finding:
    """Log in to the broker that ``settings`` name, as the device would, publish nothing to a topic of its own, and leave again."""
    if settings.password_credential is not None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        what = f"not tried: systemd hands the credential {settings.password_credential!r} to the unit alone"
        return Finding(NAME, "skip", what, "The unit's own log says whether it could log in: `journalctl -u edged`.")
    topic = f"{Topics(settings.topic_prefix, fleet, device).base}/doctor"
    try:
        # An empty will under a name of our own, and a client id of our own: the running daemon must not be thrown out, nor its
        # device be reported offline.
        endpoint = read_endpoint(settings, f"edged-{fleet}-{device}", topic, b"")
        endpoint = replace(endpoint, client_id=f"{endpoint.client_id}-doctor")
        version, reason = await _try(endpoint, topic, VersionChoice(settings.protocol), timing)
    except SecretUnreadable as error:
        return trouble(NAME, code_of("secret", error.fault), error.message, error.hint)
    except (BrokerRefused, BrokerUnreachable) as error:
        return trouble(NAME, code_of("broker", error.fault), error.message, error.hint)
    if is_refusal(reason):
        what = f"{endpoint.address} refuses what is published to {topic}: {describe(reason)}"
        return trouble(NAME, "broker-publish-refused", what)
    return Finding(NAME, "ok", f"{endpoint.address} accepts us with MQTT {version}{' over TLS' if endpoint.tls else ''}")


async def _try(endpoint: Endpoint, topic: str, choice: VersionChoice, timing: Timing) -> tuple[ProtocolVersion, int]:
    """The version of MQTT with which the broker accepted us, and its reason code for a message on ``topic``, always 0 with 3.1.1.

    Raises BrokerRefused or BrokerUnreachable.
    """
    while True:
        try:
            async with Session.connect(endpoint, choice.version, timing) as session:
                reason = await (await session.publish(topic, b""))
                await session.disconnect()
            return choice.version, reason
        except ProtocolRefused:
            if not choice.on_refused():
                raise
        except RetainRefused:
            if not endpoint.will_retained:
                raise
            endpoint = replace(endpoint, will_retained=False)
        except Unanswered:
            if not choice.on_silence():
                raise
