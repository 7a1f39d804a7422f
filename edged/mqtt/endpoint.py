"""Everything a connection needs, with the secrets read: made anew for each connection, so that a changed secret is used."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from edged.core.errors import SecretUnreadable
from edged.core.secrets import check_private, read_secret
from edged.mqtt.settings import MqttSettings, TlsSettings


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker and how to log in there. ``will_topic`` gets ``will`` (retained) if we vanish; without one there is no will."""

    host: str
    port: int
    keepalive_s: int
    client_id: str
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    will_topic: str | None
    will: bytes
    will_retained: bool = True

    @property
    def address(self) -> str:
        """``host:port``, for messages."""
        return f"{self.host}:{self.port}"


def read_endpoint(settings: MqttSettings, client_id: str, will_topic: str | None, will: bytes) -> Endpoint:
    """Read the files that ``settings`` refers to; raises SecretUnreadable. Blocks for as long as the disk does."""
    return Endpoint(
        host=settings.host,
        port=settings.broker_port,
        keepalive_s=settings.keepalive_s,
        client_id=settings.client_id or client_id,
        username=settings.username,
        password=read_secret(settings.password_file, settings.password_credential),
        tls=None if settings.tls is None else tls_context(settings.tls),
        will_topic=will_topic,
        will=will,
    )


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """A client's context that verifies the broker; raises SecretUnreadable for files that cannot be used."""
    if tls.key_file is not None:
        check_private(tls.key_file)
    used = tls.ca_file
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        context.sslsocket_class = TidySocket
        if tls.certificate_file is not None:
            used = tls.certificate_file
            context.load_cert_chain(tls.certificate_file, tls.key_file, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        hint = "ca_file, certificate_file and key_file are PEM; the key is not encrypted"
        raise SecretUnreadable(f"TLS: {used}: {error.strerror or error}", hint=hint) from error
    return context


class TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close and raise OSError."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _no_password() -> str:
    """For an encrypted key, which would be asked for on the terminal otherwise."""
    return ""
