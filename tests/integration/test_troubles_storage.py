"""Troubles of the configuration, the state directory, the disk and the store, produced and recognised."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from broker import lost, open_store
from troubles import examined, produces, shown_to_all

from edged.daemon.doctor.examination import examine
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.storage import WAITED_S, check_disk, check_state_directory, check_store
from edged.store.db import open_database


@produces("config-invalid")
def test_a_mistyped_key(tmp_path: Path) -> Finding:
    config = tmp_path / "edged.toml"
    config.write_text("[device]\nnmae = 'x'\n[store]\nmax_mb = 'many'\n")
    last = list(examine(config))[-1]
    assert "device.nmae" in last.what
    assert "store.max_mb" in last.what
    return last


@produces("state-unreachable")
def test_a_state_directory_with_an_impossible_name(tmp_path: Path) -> Finding:
    directory = tmp_path / ("x" * 300)
    assert check_disk(directory, 256).status == "skip"
    return check_state_directory(directory)


@produces("state-no-directory")
def test_a_file_in_the_place_of_the_state_directory(tmp_path: Path) -> Finding:
    (tmp_path / "file").touch()
    return check_state_directory(tmp_path / "file")


@produces("state-not-writable")
def test_a_state_directory_of_another_user(tmp_path: Path) -> Finding:
    return check_state_directory(Path("/proc/1"))


@produces("state-open-to-others")
def test_a_state_directory_for_everyone(tmp_path: Path) -> Finding:
    tmp_path.chmod(0o777)
    return check_state_directory(tmp_path)


@produces("disk-full")
def test_a_disk_that_is_full(mounting: list[str], tmp_path: Path) -> Finding:
    config = tmp_path / "edged.toml"
    config.write_text(
        """
        [device]
        state_directory = "disk/state"
        [models.m]
        bundle = "./m.tflite"
        [cameras.door]
        model = "m"
        synthetic = {}
        """
    )
    (tmp_path / "disk").mkdir()
    mount = f'mount -t tmpfs -o size=16m none {tmp_path}/disk && exec "$@"'
    return examined(config, [*mounting, "sh", "-c", mount, "sh"])["disk"]


@produces("disk-low")
def test_a_disk_with_less_room_than_the_store_may_take(tmp_path: Path) -> Finding:
    return check_disk(tmp_path, 1 << 40)


# The store


@pytest.fixture
def state() -> Iterator[Path]:
    with shown_to_all() as directory:
        yield directory


@pytest.fixture
async def store(state: Path) -> Path:
    """The file of a store with events in it, closed in good order."""
    async with open_store(state) as opened:
        for start in range(0, 2000, 500):
            await opened.append([lost(number) for number in range(start, start + 500)])
    return state / "events.db"


def test_a_sound_store_is_counted_and_left_as_it_was(store: Path) -> None:
    before = {file.name: file.read_bytes() for file in store.parent.iterdir()}
    found = check_store(store.parent, lambda: 0.0)
    assert (found.status, found.what) == ("ok", "2000 events, 2000 of them wait for the broker")
    assert {file.name: file.read_bytes() for file in store.parent.iterdir()} == before


async def test_a_store_that_is_in_use_is_read_as_it_is_now(state: Path) -> None:
    async with open_store(state) as opened:
        await opened.append([lost(1)])
        assert check_store(state, lambda: 0.0).what.startswith("1 events")
        await opened.append([lost(2)])
        assert check_store(state, lambda: 0.0).what.startswith("2 events")


@produces("store-damaged")
def test_a_card_that_garbled_a_page(store: Path) -> Finding:
    open_database(store).close()  # as after a power cut
    page, content = 4096, bytearray(store.read_bytes())
    assert len(content) > 20 * page
    for number in range(10, 20):
        content[number * page : number * page + 100] = b"\xff" * 100
    store.write_bytes(content)
    return check_store(store.parent)


def test_a_store_that_is_no_database_any_more_is_damaged_as_well(store: Path) -> None:
    store.write_bytes(b"\x17" * 8192)
    assert check_store(store.parent).code == "store-damaged"


@produces("store-was-damaged")
def test_a_store_that_was_moved_aside(store: Path) -> Finding:
    store.write_bytes(b"\x17" * 8192)
    open_database(store).close()
    return check_store(store.parent)


@produces("store-newer")
def test_a_store_of_a_later_version(store: Path) -> Finding:
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA user_version = 7")
    return check_store(store.parent)


@produces("store-foreign")
def test_a_database_of_another_program(state: Path) -> Finding:
    with closing(sqlite3.connect(state / "events.db")) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    return check_store(state)


@produces("store-busy")
def test_a_store_that_a_shell_keeps_for_itself(store: Path) -> Finding:
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        return check_store(store.parent)


@produces("store-unusable")
def test_a_directory_in_the_place_of_the_store(state: Path) -> Finding:
    (state / "events.db").mkdir()
    return check_store(state)


@produces("events-waiting")
async def test_events_that_nobody_fetches(state: Path) -> Finding:
    async with open_store(state) as opened:
        (event,) = await opened.append([lost(1)])
        assert check_store(state, lambda: event.unix_ms / 1e3 + WAITED_S - 1).status == "ok"
        return check_store(state, lambda: event.unix_ms / 1e3 + WAITED_S + 1)
