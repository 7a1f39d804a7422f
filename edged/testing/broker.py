"""Debian's mosquitto, run for a test: the real broker, with the configuration that the test asks for."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edged.core.errors import BrokerUnreachable

BINARY_DIRECTORIES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
READY_S = 60.0
"""How long a start may take on a busy machine; no measure of speed."""

POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """Certificates of the broker, PEM. With ``require_certificate`` clients must show one that ``ca_file`` signed."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    require_certificate: bool = False


class Mosquitto:
    """A broker on a free port of the loopback interface, for the time of a ``with``.

    ``directory`` holds its configuration, log and (with ``persistence``) its database. ``passwords`` maps users to passwords;
    without any everyone is let in. ``acl`` is the text of an access control file (mosquitto.conf(5), ``acl_file``); ``options`` are
    further lines of the configuration.
    """

    def __init__(
        self,
        directory: Path,
        *,
        passwords: dict[str, str] | None = None,
        tls: BrokerTls | None = None,
        persistence: bool = False,
        acl: str = "",
        options: str = "",
    ) -> None:
        self.host = "127.0.0.1"
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self._directory = directory
        self._log = directory / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._binary = _find("mosquitto")
        lines = [f"listener {self.port} {self.host}", f"user {_user()}", f"allow_anonymous {str(not passwords).lower()}"]
        if passwords:
            lines.append(f"password_file {self._write_passwords(passwords)}")
        if tls is not None:
            lines += [f"cafile {tls.ca_file}", f"certfile {tls.certificate_file}", f"keyfile {tls.key_file}"]
            lines.append(f"require_certificate {str(tls.require_certificate).lower()}")
        if acl:
            lines.append(f"acl_file {self._write('acl', acl)}")
        if persistence:
            lines += ["persistence true", f"persistence_location {directory}/"]
        self._configuration = self._write("mosquitto.conf", "\n".join([*lines, options, ""]))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._reserved.release()

    def start(self) -> None:
        """Start it, on the same port as before; returns when it takes connections. Raises BrokerUnreachable with its log."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([self._binary, "-c", self._configuration], stdout=log, stderr=log)
        deadline_s = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise BrokerUnreachable(f"mosquitto does not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        if self._process is not None:
            self.thaw()
            self._process.terminate()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang (SIGSTOP): connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def allow(self, acl: str) -> None:
        """Replace the access control file and have it read (SIGHUP)."""
        self._write("acl", acl)
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=READY_S).close()
        except ConnectionRefusedError:
            return False
        return True

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _write_passwords(self, passwords: dict[str, str]) -> Path:
        path = self._write("passwords", "".join(f"{user}:{password}\n" for user, password in passwords.items()))
        subprocess.run([_find("mosquitto_passwd"), "-U", path], check=True, capture_output=True)
        return path


class ReservedPort:
    """A TCP port of the loopback interface that nobody else is given, though whoever is told of it may listen there.

    A socket is bound to it that never listens: Linux then gives ``number`` to no other socket that asks for any port, be it to
    listen or to connect, while a server that names it (with SO_REUSEADDR, as servers do) gets it, again and again. So it stays ours
    also while its server is down. Kept until ``release``, or until it is forgotten.
    """

    def __init__(self) -> None:
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
            self.number = int(holder.getsockname()[1])
            self.release = weakref.finalize(self, os.close, holder.detach())


def _find(program: str) -> str:
    path = os.environ.get("PATH", "")
    found = shutil.which(program, path=f"{path}:{BINARY_DIRECTORIES}")
    if found is None:
        raise BrokerUnreachable(f"{program} is not installed", hint="apt install mosquitto")
    return found


def _user() -> str:
    """Whoever runs the test: started by root, mosquitto would become another user, who cannot read these files."""
    return pwd.getpwuid(os.getuid()).pw_name
