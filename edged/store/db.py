"""The database file: how it is opened, what is in it, and what happens when it cannot be used.

Rules kept here: write-ahead log and ``synchronous=FULL`` (a commit survives a power cut), ``user_version`` is the version of the
schema, a file that is broken is moved aside and said, never deleted unseen.
"""

from __future__ import annotations

import errno
import logging
import secrets
import sqlite3
from pathlib import Path

from edged.core.durable import sync_directory
from edged.core.errors import StoreFailed, StoreFault

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1

AUTOCHECKPOINT_PAGES = 500
"""The journal is copied into the database every 2 MiB: seldom enough for a SD card, little enough to fit the reserve."""

CACHE_KIB = 256
"""Rows enter at the end and leave at the front: few pages are looked at twice. SQLite's own 2 MB would only fill."""

BUSY_S = 5.0
"""A person with a SQLite shell may hold the database for a moment."""

# `ledger` has one row. produced = delivered + dropped + rows of outbox, in every committed state. `last_seq` never goes back, so
# that an id is not used twice after retention has emptied `event`. `clean` is 1 only between an orderly close and the next open.
# `event.seq` has no gaps: rows enter at the end and leave at the front.
SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, clean INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    produced INTEGER NOT NULL, delivered INTEGER NOT NULL, dropped INTEGER NOT NULL
) STRICT;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, clock TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (seq INTEGER PRIMARY KEY) STRICT;
CREATE TABLE serving (model_name TEXT PRIMARY KEY, digest TEXT NOT NULL, delegate TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE open_object (
    camera TEXT NOT NULL, object_id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (camera, object_id)
) STRICT, WITHOUT ROWID;
"""

FREE_SPACE = "free space on the disk"
MAKE_WRITABLE = "the file and its directory must be writable for the user that edged runs as, and the disk not be mounted read-only"
FAILING = "the medium may be failing; see the kernel's log"

HINTS = {
    sqlite3.SQLITE_FULL: FREE_SPACE,
    sqlite3.SQLITE_BUSY: "another process holds the database; stop it",
    sqlite3.SQLITE_CANTOPEN: "the directory must exist and belong to the user that edged runs as",
    sqlite3.SQLITE_READONLY: MAKE_WRITABLE,
    sqlite3.SQLITE_PERM: MAKE_WRITABLE,
    sqlite3.SQLITE_IOERR: FAILING,
    sqlite3.SQLITE_CORRUPT: "restart edged: it moves the broken file aside and begins a new one",
}

FAULTS: dict[int, StoreFault] = {
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}

SYSTEM_HINTS = {
    errno.ENOSPC: FREE_SPACE,
    errno.EROFS: MAKE_WRITABLE,
    errno.EACCES: MAKE_WRITABLE,
    errno.EPERM: MAKE_WRITABLE,
    errno.EIO: FAILING,
}


class BrokenFile(Exception):
    """The file is no database, or its content contradicts itself."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, without the extension; -1 for errors of the Python module itself."""
    code = getattr(error, "sqlite_errorcode", -1)
    return code if code < 0 else code & 0xFF


def store_failed(path: Path, error: sqlite3.Error | OSError) -> StoreFailed:
    """The same fault in edged's words."""
    if isinstance(error, OSError):
        return StoreFailed(f"event store {path}: {error.strerror}", hint=SYSTEM_HINTS.get(error.errno or 0, ""))
    code = primary_code(error)
    return StoreFailed(f"event store {path}: {error}", hint=HINTS.get(code, ""), fault=FAULTS.get(code, "unusable"))


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the store's database for the calling thread, in autocommit mode; raises StoreFailed.

    A broken file is renamed to ``<path>.broken`` (one such is kept) and a new one is begun, with a new epoch.
    """
    try:
        try:
            return _open(path)
        except BrokenFile as error:
            _move_aside(path, str(error))
            return _open(path)
    except (sqlite3.Error, OSError) as error:
        raise store_failed(path, error) from error


def mark_clean(db: sqlite3.Connection) -> None:
    """Note that the database is about to be closed in good order, so that the next open need not check every page."""
    db.execute("UPDATE ledger SET clean = 1")


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _prepare(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        if primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise BrokenFile(str(error)) from error
        raise
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    if is_new(db, path):
        _create(db)
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreFailed(f"event store {path}: SQLite cannot keep a write-ahead log here", hint="use a local file system")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    row = db.execute("SELECT clean FROM ledger").fetchone()
    if row is None:
        raise BrokenFile("the ledger is empty")
    if not row[0]:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise BrokenFile(verdict)
    db.execute("UPDATE ledger SET clean = 0")


def is_new(db: sqlite3.Connection, path: Path) -> bool:
    """Whether nothing is in the database yet; raises StoreFailed if what is there is not of this version of edged."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreFailed(
            f"event store {path} has schema {version}, this edged knows {SCHEMA_VERSION}",
            hint="install the newer edged again, or move the file away to begin a new store",
            fault="newer",
        )
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version == 0 and tables:
        raise StoreFailed(f"{path} is a database, but not an event store of edged", hint="choose another path", fault="foreign")
    return bool(version == 0)


def _create(db: sqlite3.Connection) -> None:
    db.executescript(SCHEMA)
    db.execute("INSERT INTO ledger VALUES (1, ?, 1, 0, 0, 0, 0)", (secrets.token_hex(4),))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def broken_aside(path: Path) -> Path:
    """Where a broken store is moved to."""
    return path.with_name(f"{path.name}.broken")


def _move_aside(path: Path, why: str) -> None:
    aside = broken_aside(path)
    replaced = " (an earlier one is replaced)" if aside.exists() else ""
    log.error("event store %s is broken: %s; moved to %s%s, its events are not published", path, why, aside, replaced)
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
        else:
            aside.with_name(aside.name + suffix).unlink(missing_ok=True)
    sync_directory(path.parent)
