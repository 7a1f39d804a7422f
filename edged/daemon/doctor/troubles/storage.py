"""Troubles of the configuration and of the directory in which events survive."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

STORAGE = (
    Trouble(
        "config-invalid", "config", "fail",
        "edged ends at once and lists problems with file, line and key.",
        "The configuration is missing, no TOML, or says what edged does not know.",
        "Mend each line that is listed; `edged config schema` describes every key.",
    ),
    Trouble(
        "state-unreachable", "state", "fail",
        "`cannot be made: ...` at the start.",
        "The path of the state directory leads nowhere.",
        "Set state_directory in [device] to a directory.",
    ),
    Trouble(
        "state-no-directory", "state", "fail",
        "`cannot be made: File exists`, or `Not a directory`.",
        "Where the state directory is to be lies a file.",
        "Set state_directory in [device] to a directory, or move the file away.",
    ),
    Trouble(
        "state-not-writable", "state", "fail",
        "`cannot be made: Permission denied`, or `event store ...: attempt to write a readonly database`.",
        "The user that edged runs as may not write there, or the disk is mounted read-only.",
        "chown the directory to that user; a disk that became read-only by itself is failing.",
    ),
    Trouble(
        "state-open-to-others", "state", "warn",
        "Nothing.",
        "Every user of this machine can change or delete the events.",
        "Take the permission from others: `chmod o-w` and the directory.",
    ),
    Trouble(
        "disk-full", "disk", "fail",
        "`the disk is full`: events are dropped, and counted.",
        "The store has no room for its reserve and its journal, and the system begins to fail as well.",
        "Free some: 64 MiB is the least to run with. `sudo du -xh / | sort -h | tail` shows what takes it.",
    ),
    Trouble(
        "disk-low", "disk", "warn",
        "Nothing yet.",
        "The disk will be full before the store has reached its bound.",
        "Free some, or lower max_mb in [store].",
    ),
    Trouble(
        "store-damaged", "store", "fail",
        "`event store ... is broken: ...; moved to events.db.broken`.",
        "The medium lost or garbled what was written. What waited for the broker is lost.",
        "Restart edged: it moves the broken file aside and begins a new one. Replace the card if it happens again.",
    ),
    Trouble(
        "store-was-damaged", "store", "warn",
        "`event store ... is broken` some time ago, and events that nobody received.",
        "An earlier store was damaged, and lies beside the present one as events.db.broken.",
        "Look at the card: `dmesg`, and the power supply. Then delete that file, or keep it to look into.",
    ),
    Trouble(
        "store-newer", "store", "fail",
        "`event store ... has schema 7, this edged knows 1`.",
        "A newer edged wrote it.",
        "Install the newer edged again, or move the file away to begin a new store.",
    ),
    Trouble(
        "store-foreign", "store", "fail",
        "`... is a database, but not an event store of edged`.",
        "The state directory is that of another program.",
        "Set state_directory in [device] to one of its own.",
    ),
    Trouble(
        "store-busy", "store", "fail",
        "`event store ...: database is locked`.",
        "Another program holds the file for itself, a database browser for example.",
        "Close it: `sudo fuser -v` and the file names it.",
    ),
    Trouble(
        "store-unusable", "store", "fail",
        "`event store ...:` and an error of the system.",
        "The file cannot be read: it is another user's, or the medium is failing.",
        "Ask as root, or as the user that edged runs as; `dmesg` shows a failing medium.",
    ),
    Trouble(
        "events-waiting", "store", "warn",
        "Home Assistant or Node-RED show nothing new; `broker away, ... queued` in `systemctl status edged`.",
        "Events wait for the broker, and have for a while. None is lost yet.",
        "Mend what the check of the broker says; if it says ok, is edged running?",
    ),
)  # fmt: skip
