"""Secrets that the configuration refers to: read when they are needed, refused where others could read them too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edged.core.errors import SecretUnreadable

MAX_SECRET_BYTES = 65_535
"""What MQTT can carry as a password (5.0, section 1.5.6); a wrong path must not fill the memory either."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(file: Path | None, credential: str | None) -> str | None:
    """What ``file`` or the systemd ``credential`` holds, ``None`` if neither is set; raises SecretUnreadable."""
    path = secret_path(file, credential)
    return None if path is None else read_checked(path)


def secret_path(file: Path | None, credential: str | None) -> Path | None:
    """Where the secret lies, for a process that cannot ask systemd itself; raises SecretUnreadable."""
    if file is not None:
        check_private(file)
        return file
    return None if credential is None else _credential(credential)


def check_private(path: Path) -> None:
    """Raise SecretUnreadable if the file is missing or anyone but its owner may read or change it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        hint = "create it, readable by the user that edged runs as"
        raise SecretUnreadable(f"{path}: {error.strerror}", hint=hint, fault="missing") from error
    if mode & OTHERS:
        said = f"{path} is open to others (mode {stat.S_IMODE(mode):04o})"
        raise SecretUnreadable(said, hint=f"run: chmod 600 {path}", fault="open to others")


def _credential(name: str) -> Path:
    """Where systemd put a credential (systemd.exec(5), ``LoadCredential=``). It guards the directory itself, by mode or ACL."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SecretUnreadable(
            f"credential {name!r} is wanted, but systemd gave none",
            hint=f"add LoadCredential={name}:FILE to the unit, or name a file",
            fault="missing",
        )
    if name in {".", ".."} or "/" in name or "\0" in name:
        raise SecretUnreadable(f"{name!r} is not the name of a credential", hint="a credential's name is a plain file name")
    return Path(directory) / name


def read_checked(path: Path) -> str:
    """The text of the file at a ``secret_path`` without the line end that editors add; raises SecretUnreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise SecretUnreadable(f"{path}: {error.strerror}", hint="it must be readable by the user that edged runs as") from error
    if len(content) > MAX_SECRET_BYTES:
        raise SecretUnreadable(f"{path} is larger than {MAX_SECRET_BYTES} bytes", hint="is it the right file?")
    try:
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise SecretUnreadable(f"{path} is not UTF-8 text", hint="is it the right file?") from error
    if not secret:
        raise SecretUnreadable(f"{path} is empty", hint="put the secret into it")
    return secret
