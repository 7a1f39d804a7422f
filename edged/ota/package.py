"""A bundle as one blob: an uncompressed tar (POSIX.1-1988, ``ustar``) of the files of its directory, in one form only.

Rules: the same files give the same bytes, on every machine; what is not byte for byte what ``pack`` writes is refused, so that
nothing of what a tar may hold otherwise (links, devices, paths, owners, long names, sparse files) ever has to be understood;
what ``unpack`` leaves at a name is whole and on the disk, whenever the power goes.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from edged.core.durable import sync_directory
from edged.core.errors import UpdateCode, UpdateFailed, UpdateRefused
from edged.ota.target import CHUNK_BYTES, MAX_CHUNKS

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
"""Letters that mean the same to every file system and terminal; a header has room for 100."""

MAX_FILES = 64
MAX_BLOB_BYTES = MAX_CHUNKS * CHUNK_BYTES
BLOCK_BYTES = 512
COPY_BYTES = 1 << 18

END = bytes(2 * BLOCK_BYTES)
HINT = "Sign it again with `edged ota sign`."


def pack(files: Mapping[str, bytes]) -> bytes:
    """The blob of these files; raises UpdateRefused ("malformed", "oversized") where ``unpack`` would."""
    if not 1 <= len(files) <= MAX_FILES:
        raise UpdateRefused("oversized" if files else "malformed", f"a bundle of {len(files)} files; 1 to {MAX_FILES} can be sent")
    for name in files:
        if not NAME.fullmatch(name):
            raise UpdateRefused("malformed", f"{name!r} cannot be sent", hint="Use letters, digits and ._+- in names of files.")
    parts = []
    for name, data in sorted(files.items()):
        parts += [_header(name, len(data)), data, bytes(-len(data) % BLOCK_BYTES)]
    blob = b"".join([*parts, END])
    if len(blob) > MAX_BLOB_BYTES:
        raise UpdateRefused("oversized", f"a bundle of {len(blob):,} bytes; at most {MAX_BLOB_BYTES:,} can be sent")
    return blob


def pack_directory(directory: Path) -> bytes:
    """The blob of a directory's files, which must hold nothing else; raises UpdateRefused, OSError."""
    return pack(read_directory(directory))


def read_directory(directory: Path) -> dict[str, bytes]:
    """A directory's files by name, if they can be sent; raises UpdateRefused, OSError."""
    paths = list(directory.iterdir())
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise UpdateRefused("malformed", f"{path}: a bundle holds plain files only")
    if len(paths) > MAX_FILES or sum(path.stat().st_size for path in paths) > MAX_BLOB_BYTES:
        raise UpdateRefused("oversized", f"{directory}: more than can be sent ({MAX_FILES} files, {MAX_BLOB_BYTES:,} bytes)")
    return {path.name: path.read_bytes() for path in paths}


def unpack(blob: Path, into: Path) -> None:
    """Make the directory ``into`` of the blob's files, if it is not there yet; it appears when it is whole and on the disk.

    Raises UpdateRefused ("malformed", "oversized") for what ``pack`` did not write, UpdateFailed ("no_space", "interrupted") if
    the disk does not take it.
    """
    if into.is_dir():
        return
    prefix = f".{into.name}."
    try:
        for left in into.parent.glob(f"{prefix}*"):  # of a power cut
            shutil.rmtree(left)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=into.parent))
        try:
            _fill(blob, temporary)
            temporary.chmod(0o755)
            sync_directory(temporary)
            temporary.rename(into)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_directory(into.parent)
    except OSError as error:
        code: UpdateCode = "no_space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "interrupted"
        raise UpdateFailed(code, f"{into}: {error.strerror}") from error


def _fill(blob: Path, directory: Path) -> None:
    with blob.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_BLOB_BYTES:
            raise UpdateRefused("oversized", f"{blob}: a blob of more than {MAX_BLOB_BYTES:,} bytes", hint=HINT)
        for name, size in _members(file):
            with (directory / name).open("xb") as member:
                _copy(file, member, size)
                member.flush()
                os.fchmod(member.fileno(), 0o644)
                os.fsync(member.fileno())


def _members(file: BinaryIO) -> Iterator[tuple[str, int]]:
    """Name and size of each member; whoever takes one reads its data before the next."""
    last = ""
    for _ in range(MAX_FILES + 1):
        header = _exactly(file, BLOCK_BYTES)
        if header == bytes(BLOCK_BYTES):
            if not last or file.read() != bytes(BLOCK_BYTES):
                raise _malformed("does not end where its files do")
            return
        name = header[:100].rstrip(b"\0").decode("ascii", "replace")
        digits = header[124:135]
        if not NAME.fullmatch(name) or not re.fullmatch(rb"[0-7]{11}", digits) or header != _header(name, int(digits, 8)):
            raise _malformed(f"has a member that is no plain file ({name[:100]!r})")
        if name <= last:
            raise _malformed(f"has its members out of order, or twice ({name!r})")
        size, last = int(digits, 8), name
        yield name, size
        if any(_exactly(file, -size % BLOCK_BYTES)):
            raise _malformed("has something hidden between its files")
    raise UpdateRefused("oversized", f"a blob of more than {MAX_FILES} files", hint=HINT)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        part = source.read(min(size, COPY_BYTES))
        if not part:
            raise _malformed("ends too early")
        target.write(part)
        size -= len(part)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _malformed("ends too early")
    return data


def _malformed(what: str) -> UpdateRefused:
    return UpdateRefused("malformed", f"the blob {what}", hint=HINT)


def _header(name: str, size: int) -> bytes:
    """A ``ustar`` header of a regular file, mode 0644, owner and time 0."""
    before = name.encode("ascii").ljust(100, b"\0") + b"0000644\0" + 2 * b"0000000\0" + b"%011o\0" % size + b"00000000000\0"
    after = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + 2 * b"0000000\0" + bytes(167)
    return before + b"%06o\0 " % (sum(before) + 8 * 0x20 + sum(after)) + after
