"""Opening the connection: name lookup, TCP and TLS block, so they get a thread.

A thread of its own that nobody joins, not the loop's executor: a name server that does not answer would hold up the end of the
daemon. Whoever gave up waiting leaves a thread that ends by its own deadlines and hangs up.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading

from paho.mqtt.client import CleanStartOption, Client
from paho.mqtt.properties import Properties

from edged.core.errors import BrokerFault, BrokerUnreachable
from edged.mqtt.endpoint import Endpoint

UNTRUSTED_HINT = "check ca_file: it names the authority that signed the broker's certificate"
NAME_HINT = "host has to be a name or address that the broker's certificate is made out to"
TIME_HINT = "renew the broker's certificate; if it is not old, check the clock of this machine"
CERTIFICATE: dict[int, tuple[BrokerFault, str]] = {
    9: ("certificate expired", TIME_HINT),
    10: ("certificate expired", TIME_HINT),
    62: ("other name", NAME_HINT),
    64: ("other name", NAME_HINT),
}
"""X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""


async def dial(
    client: Client, endpoint: Endpoint, clean_start: CleanStartOption, properties: Properties | None, deadline_s: float
) -> None:
    """Open the socket of ``client`` and send CONNECT; raises BrokerUnreachable."""
    loop = asyncio.get_running_loop()
    dialled: asyncio.Future[None] = loop.create_future()

    def settle(error: OSError | ValueError | None) -> None:
        if dialled.done():
            _hang_up(client)
        elif error is None:
            dialled.set_result(None)
        else:
            dialled.set_exception(error)

    def run() -> None:
        error = None
        try:
            client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s, clean_start=clean_start, properties=properties)
        except (OSError, ValueError) as failure:
            error = failure
        try:
            loop.call_soon_threadsafe(settle, error)
        except RuntimeError:  # the loop is closed
            _hang_up(client)

    threading.Thread(target=run, name="mqtt-dial", daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            await dialled
    except (OSError, ValueError) as error:  # TimeoutError is one, our own as well as the kernel's
        raise _unreachable(endpoint, error) from error


def _hang_up(client: Client) -> None:
    if (sock := client.socket()) is not None:
        sock.close()


def _unreachable(endpoint: Endpoint, error: OSError | ValueError) -> BrokerUnreachable:
    fault: BrokerFault = "lost"
    match error:
        case ssl.SSLCertVerificationError():
            fault, hint = CERTIFICATE.get(error.verify_code, ("untrusted", UNTRUSTED_HINT))
            what = f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            fault, what, hint = "no tls", f"TLS: {error.reason or error}", "does this port speak TLS?"
        case socket.gaierror():
            fault, what, hint = "host unknown", f"{error.strerror}", "check the host's name, or the device's name server"
        case UnicodeError():  # of a label that is empty or too long for a name
            fault, what, hint = "host unknown", str(error), "check the host's name"
        case ConnectionRefusedError():
            fault, what, hint = "connection refused", "nothing listens there", "is the broker running?"
        case TimeoutError():
            fault, what, hint = "silent", "no answer from the network", "a firewall, or the wrong address?"
        case ConnectionResetError() if endpoint.tls is not None:
            fault, what, hint = "no tls", "it hung up during the TLS handshake", "does this port speak TLS?"
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH | errno.ENETDOWN):
            fault, what, hint = "unreachable", f"{error.strerror}", "is the network of this machine up? `ip route` tells"
        case _:
            what, hint = str(error), ""
    return BrokerUnreachable(f"{endpoint.address}: {what}", hint=hint, fault=fault)
