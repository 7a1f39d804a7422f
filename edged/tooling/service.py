"""edged as a systemd service: the unit for the place where this edged is installed.

Rules: the unit runs the interpreter and the code that wrote it, whoever's tool put them there; what its user could not read is
refused now, with the way out, instead of failing at the next boot; nothing that a person may have edited is overwritten.
"""

from __future__ import annotations

import site
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import edged
from edged.core.durable import replace_file
from edged.core.errors import EdgedError, OutputUnwritable

UNIT = Path("etc/systemd/system/edged.service")
GROUPS = Path("etc/sysusers.d/edged.conf")
CONFIG = Path("etc/edged/edged.toml")
CREDENTIALS = Path("etc/edged/credentials")
"""Where things go, below the root of the system."""

HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ``ProtectHome=`` hides from a service (systemd.exec(5))."""

UNSEEN = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - compared with, not written to
"""What ``PrivateTmp=`` replaces by directories of the service's own."""

SYSTEM_INSTALL = "sudo python3 -m venv /opt/edged && sudo /opt/edged/bin/pip install edged"
OTHERS_READ, OTHERS_ENTER = 0o004, 0o001


class InstallationUnreachable(EdgedError):
    """This edged lies where the user of a service cannot reach it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An installed edged: the interpreter to start it with, and the directories that its code and its libraries lie in."""

    python: Path
    places: tuple[Path, ...]

    @property
    def at_home(self) -> tuple[Path, ...]:
        """The places that lie in somebody's home."""
        return tuple(place for place in self.places if any(place.is_relative_to(home) for home in HOMES))


def this_installation() -> Installation:
    """The one that runs now; raises InstallationUnreachable if it is of a kind that needs its owner's environment."""
    package = Path(edged.__file__).parent
    if package.is_relative_to(site.getusersitepackages()):
        raise InstallationUnreachable(
            f"{package} was installed with pip --user, which works for that user alone",
            hint=f"install it for the system: {SYSTEM_INSTALL}",
        )
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), package.parent]
    return Installation(Path(sys.executable), outermost([*prefixes, *(prefix.resolve() for prefix in prefixes)]))


def outermost(places: Sequence[Path]) -> tuple[Path, ...]:
    """``places`` without those that lie in another of them."""
    return tuple(place for place in dict.fromkeys(places) if not any(other in place.parents for other in places))


def check_reachable(installation: Installation) -> None:
    """Raise InstallationUnreachable if another user could not read and enter what the service needs."""
    for place in installation.places:
        if any(place.is_relative_to(unseen) for unseen in UNSEEN):
            raise InstallationUnreachable(
                f"{place}: a service has a /tmp of its own", hint=f"install it elsewhere: {SYSTEM_INSTALL}"
            )
        if not _open_to_others(place, OTHERS_READ | OTHERS_ENTER):
            raise _closed(place)
        if place in installation.at_home:
            continue  # its parents are systemd's, see ``render``
        for parent in place.parents:
            if not _open_to_others(parent, OTHERS_ENTER):
                raise _closed(parent)


def render(unit: str, installation: Installation) -> str:
    """The unit with the command lines of ``installation``; homes stay hidden but for the places it lies in."""
    lines = []
    for line in unit.splitlines():
        key, _, value = line.partition("=")
        if key in {"ExecStart", "ExecReload"}:
            _, _, arguments = value.partition(" ")
            lines.append(f"{key}={_word(installation.python)} {arguments}")
        elif key == "ProtectHome" and installation.at_home:
            lines.append("ProtectHome=tmpfs")
            lines.extend(f"BindReadOnlyPaths={_word(place)}" for place in installation.at_home)
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def shipped(name: str) -> str:
    """A file that comes with edged: in the package where it was built, beside it in a source tree."""
    package = Path(edged.__file__).parent
    kept = {"edged.toml": "configs/service.toml"}.get(name, f"deploy/{name}")
    packaged = package / "files" / name
    return (packaged if packaged.is_file() else package.parent / kept).read_text()


def install(installation: Installation, root: Path = Path("/")) -> list[Path]:
    """Write what the service needs below ``root``; returns the files written, with a configuration only where there was none.

    Raises InstallationUnreachable or OutputUnwritable.
    """
    check_reachable(installation)
    files = {UNIT: render(shipped("edged.service"), installation), GROUPS: shipped("edged.sysusers")}
    if not (root / CONFIG).exists():
        files[CONFIG] = shipped("edged.toml")
    try:
        (root / CREDENTIALS).mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / CREDENTIALS).parent.chmod(0o755)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(root / path, text.encode())
    except OSError as error:
        raise _unwritable(error) from error
    return [root / path for path in files]


def uninstall(root: Path = Path("/")) -> list[Path]:
    """Remove unit and groups below ``root``; returns what was there. Configuration, credentials and state are the person's."""
    found = [root / path for path in (UNIT, GROUPS) if (root / path).exists()]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise _unwritable(error) from error
    return found


def _word(path: Path) -> str:
    """A path as one word of a unit file (systemd.syntax(7), systemd.service(5)): specifiers and spaces escaped."""
    text = str(path).replace("%", "%%")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if any(c in text for c in " \t'\"\\") else text


def _open_to_others(path: Path, bits: int) -> bool:
    try:
        return path.stat().st_mode & bits == bits
    except OSError:
        return False


def _closed(path: Path) -> InstallationUnreachable:
    return InstallationUnreachable(
        f"{path} is closed to other users, and the service is one", hint=f"open it (chmod o+rx {path}), or {SYSTEM_INSTALL}"
    )


def _unwritable(error: OSError) -> OutputUnwritable:
    hint = f"as root: sudo {sys.executable} -m edged service ..." if isinstance(error, PermissionError) else ""
    return OutputUnwritable(f"{error.filename}: {error.strerror}", hint=hint)
