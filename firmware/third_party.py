#!/usr/bin/env python3
"""Prints the directory of the sources of BearSSL, which the loader checks signatures with; fetches them the first time.

They are Debian's, fetched by apt as anyone's source packages are, and kept in the user's cache; what apt knows of this machine
is not touched, and no root is needed. BEARSSL_DIR names a copy that is there already. Whatever comes is used only if it has the
hash below. Needs Python alone, so that CMake can call it wherever it runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ARCHIVE = "bearssl_0.6+dfsg.1.orig.tar.xz"
SHA256 = "102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004"
WITHOUT_NETWORK = f"BEARSSL_DIR may name an unpacked {ARCHIVE} of Debian's source package bearssl instead"


class Unavailable(Exception):
    """The sources cannot be had; the message says why and what to do."""


def source_list(sources: dict[str, str]) -> dict[str, str]:
    """What apt has to read to find source packages, from what it reads on this machine: names of files and their text.

    >>> source_list({"a.list": "deb [arch=amd64] http://deb.debian.org/debian bookworm main"})
    {'a.list': 'deb-src http://deb.debian.org/debian bookworm main\\n'}
    >>> source_list({"a.sources": "Types: deb\\nURIs: http://deb.debian.org/debian\\nSuites: bookworm\\nComponents: main"})
    {'a.sources': 'Types: deb-src\\nURIs: http://deb.debian.org/debian\\nSuites: bookworm\\nComponents: main'}
    """
    found = {}
    for name, text in sources.items():
        if name.endswith(".sources"):
            without_architectures = re.sub(r"(?mi)^Architectures:.*\n?", "", text)
            found[name] = re.sub(r"(?mi)^Types:.*$", "Types: deb-src", without_architectures)
        elif lines := re.findall(r"(?m)^\s*deb(?:-src)?[ \t]+(.*)$", text):
            # Among options such as [arch=amd64 signed-by=...] the key has to stay; of an architecture a source has none.
            entries = (re.sub(r"^\[\s*\]\s*", "", re.sub(r"\barch=[^\s\]]+\s*", "", line)) for line in lines)
            found[name] = "".join(f"deb-src {entry}\n" for entry in dict.fromkeys(entries))
    return found


def installed_sources() -> dict[str, str]:
    """What apt reads on this machine."""
    directory = Path("/etc/apt")
    files = [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]
    return {path.name: path.read_text() for path in files if path.suffix in (".list", ".sources") and path.is_file()}


def download(into: Path) -> Path:
    """The archive, fetched by apt into ``into``."""
    if not (apt := shutil.which("apt-get")):
        raise Unavailable(f"there is no apt-get here to fetch it with; {WITHOUT_NETWORK}")
    parts = into / "sources"
    for directory in (parts, into / "lists" / "partial", into / "cache" / "archives" / "partial"):
        directory.mkdir(parents=True)
    for name, text in source_list(installed_sources()).items():
        (parts / name).write_text(text)
    options = {
        "Dir::Etc::sourcelist": "-",
        "Dir::Etc::sourceparts": parts,
        "Dir::State::lists": into / "lists",
        "Dir::Cache": into / "cache",
    }
    command = [apt, *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    if os.geteuid() == 0:
        command += ["-o", "APT::Sandbox::User=root"]  # the directory is ours alone, so apt's own user could not write there
    command += ["-o", "Acquire::Retries=0"]
    said = ""
    for action in (["update"], ["source", "--download-only", "bearssl"]):  # a list of others may fail where Debian's did not
        done = subprocess.run([*command, *action], cwd=into, capture_output=True, text=True, check=False)
        said = said or " ".join(done.stderr.strip().splitlines()[:1])
    if done.returncode:
        raise Unavailable(f"apt-get cannot fetch the source package bearssl: {said}; {WITHOUT_NETWORK}")
    if not (into / ARCHIVE).is_file():
        raise Unavailable(f"apt-get fetched another version than {ARCHIVE}; {WITHOUT_NETWORK}")
    return into / ARCHIVE


def unpack(archive: Path, into: Path) -> None:
    """The directory of the archive, as ``into``, there whole or not at all; raises Unavailable if it is another archive."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise Unavailable(f"{archive.name} has the SHA-256 {found}, not {SHA256}")
    unpacked = archive.parent / "unpacked"
    with tarfile.open(archive) as opened:
        opened.extractall(unpacked)  # noqa: S202 - its hash says what is in it
    (directory,) = unpacked.iterdir()
    try:
        directory.rename(into)
    except OSError:
        if not into.is_dir():  # otherwise another build was first
            raise


def bearssl() -> Path:
    """The directory that holds inc/ and src/ of BearSSL."""
    if given := os.environ.get("BEARSSL_DIR"):
        if not (Path(given) / "inc" / "bearssl.h").is_file():
            raise Unavailable(f"BEARSSL_DIR={given} holds no inc/bearssl.h")
        return Path(given).resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edged" / "third-party"
    kept = cache / f"bearssl-{SHA256[:16]}"
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            unpack(download(Path(work)), kept)
    return kept


if __name__ == "__main__":
    try:
        print(bearssl())
    except (Unavailable, OSError) as error:
        sys.exit(f"BearSSL: {error}")
