"""python-tuf's client as edged uses it: its own limits, and a directory that may be damaged at any time.

Rules: only python-tuf's public interface; its directory is a cache, since python-tuf does not fsync: whatever is found there, the
outcome is the same as with an empty one or stricter. What must outlast a power cut is the floor (``records.Floor``).
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Root, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from edged.core.errors import UpdateCode, UpdateFailed, UpdateRefused
from edged.ota.bundle import MAX_BUNDLE_BYTES, MAX_ROOTS

URL = "bundle:/"
LIMITS = UpdaterConfig(
    max_root_rotations=MAX_ROOTS,
    max_delegations=1,
    root_max_length=MAX_BUNDLE_BYTES,
    timestamp_max_length=MAX_BUNDLE_BYTES,
    snapshot_max_length=MAX_BUNDLE_BYTES,
    targets_max_length=MAX_BUNDLE_BYTES,
)

_NAME = re.compile(r"bundle:/(?:(?P<version>\d+)\.)?(?P<role>root|timestamp|snapshot|targets)\.json")


class BundleFetcher(FetcherInterface):
    """Answers python-tuf from a bundle. What it was asked for last is ``asked``: the role, and the version if one was named.

    A snapshot or targets of another version is given all the same, so that it is python-tuf that sees that they do not fit.
    """

    def __init__(self, roots: Mapping[int, bytes], others: Mapping[str, bytes]) -> None:
        self.asked: tuple[str, int | None] = (Root.type, None)
        self._roots = roots
        self._others = others

    def _fetch(self, url: str) -> Iterator[bytes]:
        return iter([self._find(url)])

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """As python-tuf's, without its temporary file."""
        data = self._find(url)
        if len(data) > max_length:
            raise exceptions.DownloadLengthMismatchError(f"{len(data)} bytes, where at most {max_length} are signed")
        return data

    def _find(self, url: str) -> bytes:
        match = _NAME.fullmatch(url)
        if match is None:
            raise exceptions.DownloadHTTPError(f"a bundle has no {url}", 404)
        version = int(match["version"]) if match["version"] else None
        self.asked = (match["role"], version)
        found = self._roots.get(version or 0) if match["role"] == Root.type else self._others[match["role"]]
        if found is None:
            raise exceptions.DownloadHTTPError(f"the bundle has no root {version}", 404)
        return found


def refreshed(directory: Path, url: str, fetcher: FetcherInterface, root: bytes, limits: UpdaterConfig = LIMITS) -> Updater:
    """A client that believes ``root`` and has everything else from ``fetcher``, verified and kept in ``directory``.

    A directory that is not as python-tuf left it is cleared. Raises what python-tuf raises: RepositoryError, DownloadError;
    UpdateFailed ("no_space", "interrupted") if the directory cannot be written.
    """
    try:
        return _refresh(directory, url, fetcher, root, limits)
    except OSError as first:
        if first.errno in _FULL:
            raise _unwritable(directory, first) from first
    try:
        clear(directory)
        return _refresh(directory, url, fetcher, root, limits)
    except OSError as error:
        raise _unwritable(directory, error) from error


def clear(directory: Path) -> None:
    """Forget everything; raises OSError."""
    if directory.is_dir() and not directory.is_symlink():
        shutil.rmtree(directory)
    else:
        directory.unlink(missing_ok=True)


def refusal(
    error: exceptions.RepositoryError | exceptions.DownloadError, fetcher: BundleFetcher, versions: Mapping[str, int]
) -> UpdateRefused:
    """What python-tuf found, in the words of an update's status. ``versions`` are those that the documents state."""
    role, asked = fetcher.asked
    code: UpdateCode = "torn"
    match error:
        case exceptions.UnsignedMetadataError():
            code = "bad_signature"
        case exceptions.ExpiredMetadataError():
            code = "expired"
        case DeserializationError() | SerializationError():
            code = "malformed"
        case exceptions.BadVersionNumberError() if role == Timestamp.type or asked == versions[role]:
            code = "rolled_back"
    return UpdateRefused(code, f"{role}: {error}")


_FULL = {errno.ENOSPC, errno.EDQUOT}


def _refresh(directory: Path, url: str, fetcher: FetcherInterface, root: bytes, limits: UpdaterConfig) -> Updater:
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob("tmp*"):  # python-tuf's temporary files, of a power cut
        left.unlink()
    updater = Updater(str(directory), url, fetcher=fetcher, config=limits, bootstrap=root)
    updater.refresh()
    return updater


def _unwritable(directory: Path, error: OSError) -> UpdateFailed:
    return UpdateFailed("no_space" if error.errno in _FULL else "interrupted", f"{directory}: {error.strerror}")
