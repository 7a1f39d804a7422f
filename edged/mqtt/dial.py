"""Opening the connection: name lookup, TCP and TLS block, so they get a thread.

A thread of its own that nobody joins, not the loop's executor: a name server that does not answer would hold up the end of the
daemon. Whoever gave up waiting leaves a thread that ends by its own deadlines and hangs up.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading

from paho.mqtt.client import CleanStartOption, Client

from edged.core.errors import BrokerUnreachable
from edged.mqtt.endpoint import Endpoint


async def dial(client: Client, endpoint: Endpoint, clean_start: CleanStartOption, deadline_s: float) -> None:
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
            client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s, clean_start=clean_start)
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
    match error:
        case ssl.SSLCertVerificationError():
            what, hint = (
                f"its certificate is not trusted: {error.verify_message}",
                "check ca_file, and that host is a name in it",
            )
        case ssl.SSLError():
            what, hint = f"TLS: {error.reason or error}", "does this port speak TLS?"
        case socket.gaierror():
            what, hint = f"{error.strerror}", "check the host's name, or the device's name server"
        case ConnectionRefusedError():
            what, hint = "nothing listens there", "is the broker running?"
        case TimeoutError():
            what, hint = "no answer from the network", "a firewall, or the wrong address?"
        case ConnectionResetError() if endpoint.tls is not None:
            what, hint = "it hung up during the TLS handshake", "does this port speak TLS?"
        case _:
            what, hint = str(error), ""
    return BrokerUnreachable(f"{endpoint.address}: {what}", hint=hint)
