"""Which broker to speak to, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from edged.core.settings import settings


@settings
class TlsSettings:
    """TLS to the broker. The broker's certificate and name are always verified."""

    ca_file: Path | None = None
    """Certificates (PEM) of the authorities to trust; unset trusts those of the system."""

    certificate_file: Path | None = None
    """Our own certificate chain (PEM), for brokers that ask for one. Needs ``key_file``."""

    key_file: Path | None = None
    """The private key (PEM, not encrypted) of ``certificate_file``; readable by its owner only."""


@settings
class MqttSettings:
    """The MQTT broker that events, states and live tracks are published to."""

    host: Annotated[str, MinLen(1), MaxLen(255)]
    """Name or address of the broker."""

    port: Annotated[int, Ge(1), Le(65535)] | None = None
    """TCP port; unset is 1883, or 8883 with TLS."""

    tls: TlsSettings | None = None
    """TLS; unset speaks in the clear, passwords included."""

    username: Annotated[str, MinLen(1), MaxLen(1024)] | None = None
    """User name to log in with."""

    password_file: Path | None = None
    """File that holds the password and nothing else; readable by its owner only."""

    password_credential: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """Name of the systemd credential (``LoadCredential=``) that holds the password."""

    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """Version of MQTT; "auto" tries 5 first and falls back to 3.1.1 where the broker refuses 5 or does not answer it."""

    keepalive_s: Annotated[int, Ge(5), Le(65535)] = 30
    """Seconds of silence after which the connection is probed; the broker says "offline" for us after 1.5 times that."""

    client_id: Annotated[str, MinLen(1), MaxLen(255)] | None = None
    """MQTT client identifier; unset is "edged-FLEET-DEVICE". Two clients with the same one throw each other out."""

    topic_prefix: Annotated[str, MinLen(1), MaxLen(255)] = "edged/v1"
    """What every topic begins with."""

    live: bool = False
    """Publish what each camera sees now, with QoS 0, as often as the camera's ``live_max_hz`` lets it."""

    health_interval_s: Annotated[int, Ge(5), Le(3600)] = 30
    """Seconds between reports on the device's health; what becomes better or worse is reported at once."""

    @property
    def broker_port(self) -> int:
        """The port to connect to."""
        if self.port is not None:
            return self.port
        return 1883 if self.tls is None else 8883

    @property
    def address(self) -> str:
        """``host:port``, for messages."""
        return f"{self.host}:{self.broker_port}"


def mqtt_problems(settings: MqttSettings) -> tuple[str, ...]:
    """What is wrong with the combination of fields, one sentence each; empty if it can be used."""
    problems = []
    if settings.password_file is not None and settings.password_credential is not None:
        problems.append("password_file and password_credential are both set; keep one")
    has_password = settings.password_file is not None or settings.password_credential is not None
    if has_password and settings.username is None:
        problems.append("a password is set but no username")
    tls = settings.tls
    if tls is not None and (tls.certificate_file is None) != (tls.key_file is None):
        problems.append("tls.certificate_file and tls.key_file need each other; one of them is missing")
    return tuple(problems)
