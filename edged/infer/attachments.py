"""The files that ride on a .tflite, as a ZIP appended to it.

The flatbuffer is read from the front and the ZIP from the back, so that one file is both
(https://ai.google.dev/edge/litert/models/metadata#pack_metadata_and_associated_files_into_the_model).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from edged.core.errors import ModelRejected
from edged.infer.text import quoted

WINDOW_BYTES = 4 << 20
"""How much of the end is searched. A ZIP directory that fills it has about 90,000 entries, which bounds time and memory; the label
files of real models take below 0.1 MB."""

MAX_MEMBERS = 64
MAX_MEMBER_BYTES = 1 << 20

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FOREIGN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, LookupError, OverflowError)
"""What zipfile raises on damaged archives, as found by flipping bits in them."""


def member_names(data: bytes, what: str) -> tuple[str, ...]:
    """The names of the attached files, none if there is no ZIP; raises ModelRejected for one that is damaged or absurd."""
    window = _window(data)
    try:
        if not zipfile.is_zipfile(window):
            return ()
        with zipfile.ZipFile(window) as archive:
            return tuple(info.filename for info in _members(archive, what))
    except _FOREIGN as error:
        raise _damaged(what, error) from error


def read_member(data: bytes, name: str, what: str) -> bytes:
    """The attached file ``name``, at most 1 MiB; raises ModelRejected if it is not there, too large or damaged."""
    window = _window(data)
    try:
        if zipfile.is_zipfile(window):
            with zipfile.ZipFile(window) as archive:
                for info in _members(archive, what):
                    if info.filename == name:
                        return _read(archive, info, what)
    except _FOREIGN as error:
        raise _damaged(what, error) from error
    raise ModelRejected(
        f"{what}: its metadata names the file {name!r}, which is not attached",
        hint="Tools that quantise drop attached files: give the labels as a file of their own.",
    )


def _window(data: bytes) -> io.BytesIO:
    # Offsets in the archive may count from the front of the whole file; zipfile works out the difference by itself.
    return io.BytesIO(data[-WINDOW_BYTES:])


def _members(archive: zipfile.ZipFile, what: str) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ModelRejected(f"{what}: {len(members)} attached files; at most {MAX_MEMBERS} make sense", fault="oversized")
    for info in members:
        if not is_plain_name(info.filename):
            raise ModelRejected(f"{what}: the attached file {quoted(info.filename)!r} has no plain name")
    return members


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> bytes:
    if info.compress_type not in _METHODS:
        raise ModelRejected(f"{what}: the attached file {info.filename!r} is compressed in a way that TFLite metadata does not use")
    with archive.open(info) as member:
        content = member.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise ModelRejected(
            f"{what}: the attached file {info.filename!r} is larger than {MAX_MEMBER_BYTES} bytes", fault="oversized"
        )
    return content


def is_plain_name(name: str) -> bool:
    """Whether ``name`` can only name a file in the directory at hand."""
    return 0 < len(name) <= 255 and name.isprintable() and name not in {".", ".."} and not set(name) & set("/\\")


def _damaged(what: str, error: Exception) -> ModelRejected:
    return ModelRejected(
        f"{what}: the files attached to it are damaged: {quoted(str(error)) or type(error).__name__}", fault="corrupt"
    )
