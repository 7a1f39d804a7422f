"""A publisher's keys: made, guarded, changed and lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from following import Device
from publishing import EVERYONE, SECRET, Time, everything, model, published

from edged.core.errors import PublisherFailed
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.publisher.directory import Directory
from edged.ota.publisher.founding import create
from edged.ota.publisher.publisher import Publisher


def test_keys_are_for_their_owner_and_need_the_passphrase(home: Path) -> None:
    paths = sorted((home / "keys").iterdir())
    assert [path.name.split("-")[0] for path in paths] == ["root", "root", "root", "snapshot", "targets", "timestamp"]
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(TypeError):
            load_pem_private_key(path.read_bytes(), None)
        load_pem_private_key(path.read_bytes(), SECRET.encode())
    assert "MOVE each" in (home / "KEYS.txt").read_text()


def test_each_root_key_has_a_passphrase_of_its_own(tmp_path: Path, clock: Time) -> None:
    asked: list[str] = []
    create(tmp_path / "new", "farm", "stable", lambda name: asked.append(name) or f"{name} secret", clock)  # type: ignore[func-returns-value]
    assert asked == [*(f"root key {n} of 3" for n in (1, 2, 3)), "the timestamp, snapshot and targets keys"]


@pytest.mark.parametrize("roles", [["timestamp"], ["timestamp", "snapshot", "targets"], ["root"], ["root", "targets"]])
def test_changed_keys_are_followed_by_devices(roles: list[str], publisher: Publisher, device: Device, home: Path) -> None:
    publisher.add_channel("beta")
    publisher.sign("stable", model(), EVERYONE)
    device.takes(published(publisher))
    before = {path.name for path in (home / "keys").glob("*.pem")}
    publisher.rotate(roles, lambda name: SECRET)
    after = {path.name for path in (home / "keys").glob("*.pem")}
    retired = {path.name for path in (home / "keys" / "retired").iterdir()}
    assert retired == before - after
    assert {name.split("-")[0] for name in retired} == set(roles)
    publisher.sign("stable", model("2", b"other"), EVERYONE)
    assert device.takes(published(publisher)).targets[0].target.version == "2"
    assert publisher.channel("beta").root.version == 2


def test_keys_can_be_changed_for_ever(publisher: Publisher, device: Device, home: Path) -> None:
    device.takes(published(publisher))
    asleep = Device(device.directory.with_name("asleep"), device.root, fleet="farm")
    for _ in range(12):
        publisher.rotate(["timestamp"], lambda name: SECRET)
        device.takes(published(publisher))
    assert device.floor.root == 13
    assert len(published(publisher)) < MAX_BUNDLE_BYTES / 2
    assert asleep.refuses(published(publisher)) == "torn"
    asleep.root = (home / "channels" / "stable.root.json").read_bytes()
    assert asleep.takes(published(publisher)).floor.root == 13


def test_an_interrupted_change_of_keys_is_finished(home: Path, clock: Time, device: Device) -> None:
    class Power(Exception):
        pass

    publisher = Publisher(home, lambda name: SECRET, clock)
    publisher.add_channel("beta")

    def cut(directory: Directory) -> None:
        """Goes out once the first channel has its new keys."""
        whole = directory.publish

        def publish(channel: str, bundle: bytes, version: int) -> None:
            if channel == "stable":
                raise Power
            whole(channel, bundle, version)

        directory.publish = publish  # type: ignore[method-assign]

    cut(publisher.directory)
    with pytest.raises(Power):
        publisher.rotate(["timestamp"], lambda name: SECRET)
    publisher = Publisher(home, lambda name: SECRET, clock)
    assert [it.root.version for it in publisher.channels()] == [2, 1]
    for attempt in (lambda: publisher.sign("stable", model(), EVERYONE), lambda: publisher.rotate(["root"], lambda name: SECRET)):
        with pytest.raises(PublisherFailed, match="interrupted"):
            attempt()
    publisher.rotate([], lambda name: SECRET)
    assert [it.root.version for it in publisher.channels()] == [2, 2]
    assert device.takes(published(publisher))
    publisher.sign("stable", model(), EVERYONE)
    with pytest.raises(PublisherFailed, match="no change of keys"):
        publisher.rotate([], lambda name: SECRET)


def test_root_keys_may_lie_elsewhere(home: Path, tmp_path: Path, clock: Time) -> None:
    sticks = [tmp_path / "stick1", tmp_path / "stick2", tmp_path / "stick3"]
    for stick, path in zip(sticks, sorted((home / "keys").glob("root-*")), strict=True):
        stick.mkdir()
        path.rename(stick / path.name)
    Publisher(home, lambda name: SECRET, clock).sign("stable", model(), EVERYONE)
    before = everything(home)
    with pytest.raises(PublisherFailed, match="1 keys of the root role are here, 2 are needed"):
        Publisher(home, lambda name: SECRET, clock, sticks[:1]).rotate(["timestamp"], lambda name: SECRET)
    assert everything(home) == before
    Publisher(home, lambda name: SECRET, clock, sticks[1:]).rotate(["root"], lambda name: SECRET)
    assert Publisher(home, lambda name: SECRET, clock).channel("stable").root.version == 2


def test_a_wrong_passphrase_changes_nothing(home: Path, clock: Time) -> None:
    before = everything(home)
    with pytest.raises(PublisherFailed, match="passphrase is wrong"):
        Publisher(home, lambda name: "wrong horse", clock).refresh("stable")
    assert everything(home) == before


def test_what_was_before_a_change_of_keys_can_be_gone_back_to(publisher: Publisher, device: Device) -> None:
    publisher.sign("stable", model("1", b"good"), EVERYONE)
    publisher.rotate(["targets"], lambda name: SECRET)
    publisher.rotate(["snapshot"], lambda name: SECRET)
    publisher.sign("stable", model("2", b"bad"), EVERYONE)
    publisher.rollback("stable", "model/ssd", "1", EVERYONE)
    assert device.takes(published(publisher)).targets[0].target.version == "1"


def test_a_lost_snapshot_key_is_replaced(publisher: Publisher, home: Path) -> None:
    next(home.glob("keys/snapshot-*.pem")).unlink()
    publisher.rotate(["snapshot"], lambda name: SECRET)
    publisher.sign("stable", model(), EVERYONE)
