"""Finding a host within a bound. FFmpeg would take as long as the system's resolver likes, and not say that this is what failed."""

from __future__ import annotations

import ipaddress
import socket
import threading

from edged.core.errors import CameraLost

HINT = "check the name, or write the camera's address; `getent hosts NAME` asks as edged does"


class Lookup:
    """One question to the system's resolver, which cannot be interrupted: its thread may outlive the asker's patience."""

    def __init__(self, host: str) -> None:
        self.done = threading.Event()
        self.error = ""
        self._host = host
        self._thread = threading.Thread(target=self._run, name=f"lookup-{host}", daemon=True)

    def start(self) -> None:
        """Ask."""
        self._thread.start()

    def _run(self) -> None:
        try:
            socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the latter for labels that are too long for a name
            self.error = getattr(error, "strerror", None) or str(error)
        with _lock:
            _running.pop(self._host, None)
        self.done.set()


_lock = threading.Lock()
_running: dict[str, Lookup] = {}  # one a host, however often it is asked for while the resolver hangs


def require_address(host: str, within_s: float) -> None:
    """Return once the system knows an address of ``host``; raises CameraLost if it knows none, or says nothing for ``within_s``."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return
    with _lock:
        lookup = _running.get(host)
        if lookup is None:
            lookup = _running[host] = Lookup(host)
            lookup.start()
    if not lookup.done.wait(within_s):
        raise CameraLost(f"no name server tells the address of {host} within {within_s:g} s", hint=HINT, fault="host unknown")
    if lookup.error:
        raise CameraLost(f"{host} cannot be found: {lookup.error}", hint=HINT, fault="host unknown")
