"""The beginning of a publisher's directory, and of each channel in it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Key, Root

from edged.core.durable import replace_file, sync_directory
from edged.core.errors import PublisherFailed
from edged.ota.publisher.channel import KEYS, founded
from edged.ota.publisher.directory import Directory
from edged.ota.publisher.keeping import NOTE, NOTE_NAME
from edged.ota.publisher.keys import Keyring, Passphrase, generate
from edged.ota.target import NAME
from edged.ota.trust.documents import Scope

Clock = Callable[[], datetime]


def create(path: Path, fleet: str, channel: str, new_passphrase: Passphrase, clock: Clock) -> Path:
    """Make a publisher's directory with keys and one channel at ``path``, where nothing is yet; gives the root for devices.

    ``new_passphrase`` is asked for each root key, and once for the others. Raises PublisherFailed, and leaves nothing then.
    """
    check_names(fleet, channel)
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise PublisherFailed(f"{path} is there already", hint="Name a directory that is not there yet, or is empty.")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            _fill(draft, Scope(fleet, channel), new_passphrase, clock)
            draft.chmod(0o755)
            sync_directory(draft)
            draft.rename(path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        sync_directory(path.parent)
    except OSError as error:
        raise PublisherFailed(f"{error.filename or path}: {error.strerror}") from error
    return path / "channels" / f"{channel}.root.json"


def found(directory: Directory, scope: Scope, keys: dict[str, list[Key]], ring: Keyring, clock: Clock) -> Path:
    """Begin a channel; gives the root for devices."""
    channel = founded(scope, keys, ring, clock())
    path = directory.give_root(scope.channel, channel.roots[0])
    directory.publish(scope.channel, channel.bundle, channel.targets.version)
    return path


def check_names(*names: str) -> None:
    """Raise PublisherFailed for names that cannot be part of a topic and of a file's name."""
    for name in names:
        if not re.match(NAME, name):
            raise PublisherFailed(f"{name!r} cannot be a name", hint="Use up to 32 of a-z, 0-9, - and _.")


def _fill(draft: Path, scope: Scope, new_passphrase: Passphrase, clock: Clock) -> None:
    Directory.create(draft, scope.fleet)
    directory = Directory(draft)
    ring = Keyring([directory.keys], new_passphrase)
    online = ""
    keys: dict[str, list[Key]] = {}
    for role, count in KEYS.items():
        if role == Root.type:
            passphrases = [new_passphrase(f"root key {number} of {count}") for number in range(1, count + 1)]
        else:
            passphrases = [online := online or new_passphrase("the timestamp, snapshot and targets keys")]
        keys[role] = [generate(directory.keys, role, passphrase) for passphrase in passphrases]
        for passphrase in passphrases:
            ring.learn(passphrase)
    replace_file(draft / NOTE_NAME, NOTE.encode())
    found(directory, scope, keys, ring, clock)
