"""What a publisher signs, lets out step by step, goes back from and revokes, as devices see it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from following import Device
from publishing import EVERYONE, SECRET, Time, everything, model, published

from edged.core.errors import PublisherFailed
from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.package import unpack
from edged.ota.publisher.channel import LIVES
from edged.ota.publisher.directory import Directory
from edged.ota.publisher.founding import create
from edged.ota.publisher.publisher import Publisher
from edged.ota.publisher.release import Article, RolloutChange
from edged.ota.target import Limits, Rollout, Tensor


def test_a_new_directory_is_believed_by_devices(publisher: Publisher, device: Device) -> None:
    assert device.takes(published(publisher)).targets == ()


@pytest.mark.parametrize(("fleet", "channel", "passphrase"), [("a/b", "c", SECRET), ("a", "+", SECRET), ("a", "b", "short")])
def test_what_cannot_be_begun_leaves_nothing(fleet: str, channel: str, passphrase: str, tmp_path: Path, clock: Time) -> None:
    with pytest.raises(PublisherFailed):
        create(tmp_path / "new", fleet, channel, lambda name: passphrase, clock)
    assert not any(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(home: Path, clock: Time) -> None:
    before = everything(home)
    with pytest.raises(PublisherFailed, match="there already"):
        create(home, "farm", "stable", lambda name: SECRET, clock)
    assert everything(home) == before


def test_what_is_signed_reaches_devices(publisher: Publisher, device: Device, tmp_path: Path) -> None:
    article = model(
        inputs=(Tensor(shape=(1, 300, 300, 3), dtype="uint8"),),
        outputs=(Tensor(shape=(1, -1, 4), dtype="float32"),),
        limits=Limits(memory_mb=100, p95_ms=40),
    )
    signed = publisher.sign("stable", article, RolloutChange(percent=10, groups=("canary",), not_before=5))
    (got,) = device.takes(published(publisher)).targets
    assert got == signed
    assert (got.target.sequence, got.target.version, got.target.inputs, got.target.limits) == (
        1,
        "1",
        article.inputs,
        article.limits,
    )
    assert got.target.rollout == Rollout(percent=10, groups=("canary",), not_before=5, seed="ssd-1")
    unpack(publisher.directory.blob_path(got.sha256), tmp_path / "bundle")
    assert {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()} == article.files


def test_sequences_grow_over_all_channels(publisher: Publisher, device: Device) -> None:
    publisher.add_channel("beta")
    sequences = [publisher.sign("beta", model(), EVERYONE).target.sequence]
    sequences.append(publisher.promote("model/ssd", "beta", "stable", RolloutChange(percent=5)).target.sequence)
    sequences.append(publisher.sign("beta", model("2", b"other"), EVERYONE).target.sequence)
    sequences.append(publisher.rollback("stable", "model/ssd", "1", EVERYONE).target.sequence)
    assert sequences == [1, 2, 3, 4]
    (got,) = device.takes(published(publisher)).targets
    assert (got.target.sequence, got.target.version) == (4, "1")
    assert device.refuses(published(publisher, "beta")) == "wrong_channel"


def test_promotion_says_its_own_rollout(publisher: Publisher) -> None:
    publisher.add_channel("beta")
    first = publisher.sign("beta", model(), RolloutChange(groups=("testers",), percent=0))
    promoted = publisher.promote("model/ssd", "beta", "stable", RolloutChange(percent=10))
    assert promoted.sha256 == first.sha256
    assert promoted.target.rollout == Rollout(percent=10, seed="ssd-2")


def test_a_rollout_grows_under_the_same_sequence(publisher: Publisher, device: Device) -> None:
    first = publisher.sign("stable", model(), RolloutChange(percent=10, groups=("canary",)))
    device.takes(published(publisher))
    wider = publisher.rollout("stable", "model/ssd", RolloutChange(percent=50))
    assert wider.target.sequence == first.target.sequence
    assert wider.target.rollout == Rollout(percent=50, groups=("canary",), seed=first.target.rollout.seed), "the first stay in"
    assert device.takes(published(publisher)).targets == (wider,)


def test_going_back_names_the_old_blob_under_a_higher_sequence(publisher: Publisher, device: Device) -> None:
    old = publisher.sign("stable", model("a", b"good", limits=Limits(p95_ms=7)), EVERYONE)
    publisher.sign("stable", model("b", b"bad"), EVERYONE)
    device.takes(published(publisher))
    for which in ("a", old.sha256[:8], "1"):
        again = publisher.rollback("stable", "model/ssd", which, EVERYONE)
        assert (again.sha256, again.target.limits) == (old.sha256, old.target.limits)
        assert device.takes(published(publisher)).targets == (again,)
    assert again.target.sequence == 5


def test_a_torn_page_of_history_is_passed_over(publisher: Publisher, home: Path) -> None:
    for version in ("1", "2", "3"):
        signed = publisher.sign("stable", model(version, data=version.encode()), EVERYONE)
    torn = sorted((home / "history" / "stable").iterdir(), key=lambda path: int(path.stem))[-2]
    torn.write_bytes(torn.read_bytes()[:100])
    publisher.rollback("stable", "model/ssd", "1", EVERYONE)
    publisher.revoke("model/ssd", signed.sha256[:8])


def test_going_back_to_what_is_not_there_is_refused(publisher: Publisher, home: Path) -> None:
    signed = publisher.sign("stable", model(), EVERYONE)
    publisher.sign("stable", model("1", b"another of the same version"), EVERYONE)
    for which, why in (("99", "never published"), (signed.sha256[:5], "never published"), ("1", "may be any of")):
        with pytest.raises(PublisherFailed, match=why):
            publisher.rollback("stable", "model/ssd", which, EVERYONE)
    publisher.directory.blob_path(signed.sha256).write_bytes(b"damaged")
    with pytest.raises(PublisherFailed, match="damaged"):
        publisher.rollback("stable", "model/ssd", signed.sha256[:8], EVERYONE)


def test_a_revoked_blob_is_revoked_everywhere_and_for_good(publisher: Publisher, device: Device) -> None:
    publisher.add_channel("beta")
    bad = publisher.sign("beta", model(), EVERYONE)
    publisher.promote("model/ssd", "beta", "stable", EVERYONE)
    assert publisher.revoke("model/ssd", bad.sha256[:8]).sha256 == bad.sha256
    for channel in ("beta", "stable"):
        assert publisher.channel(channel).signed["model/ssd"].target.revoked == (bad.sha256,)
    bundle = published(publisher)
    publisher.revoke("model/ssd", bad.sha256)
    assert published(publisher) == bundle, "again changes nothing"
    publisher.sign("beta", model("2", b"better"), EVERYONE)
    assert publisher.promote("model/ssd", "beta", "stable", EVERYONE).target.revoked == (bad.sha256,)
    assert device.takes(published(publisher)).targets[0].target.revoked == (bad.sha256,)
    for attempt in (
        lambda: publisher.rollback("stable", "model/ssd", bad.sha256[:8], EVERYONE),
        lambda: publisher.sign("stable", model("3"), EVERYONE),
    ):
        with pytest.raises(PublisherFailed, match="revoked"):
            attempt()


def test_signatures_are_renewed(publisher: Publisher, clock: Time) -> None:
    publisher.sign("stable", model(), EVERYONE)
    before = publisher.channel("stable")
    clock.now += timedelta(days=30)
    after = publisher.refresh("stable")
    assert after.timestamp.expires - before.timestamp.expires == timedelta(days=30)
    assert after.targets.version == before.targets.version, "targets are good for half a year yet"
    clock.now += LIVES["targets"] / 2
    assert publisher.refresh("stable").targets.version == before.targets.version + 1


def test_expired_signatures_can_be_renewed(home: Path, clock: Time, tmp_path: Path) -> None:
    clock.now -= timedelta(days=90)
    create(tmp_path / "old", "farm", "stable", lambda name: SECRET, Time())
    publisher = Publisher(tmp_path / "old", lambda name: SECRET, clock)
    clock.now += timedelta(days=180)
    assert publisher.refresh("stable").timestamp.expires > clock.now


def test_what_devices_would_refuse_is_not_published(publisher: Publisher, home: Path) -> None:
    channels = (home / "channels" / "stable.msgpack").read_bytes()
    with pytest.raises(PublisherFailed, match="devices would refuse"):
        publisher.sign(
            "stable",
            model(outputs=(Tensor(shape=(1,), dtype="float32"),) * 64, limits=Limits()),
            RolloutChange(groups=("g" * 64,) * 1000),
        )
    assert (home / "channels" / "stable.msgpack").read_bytes() == channels


@pytest.mark.parametrize("change", [RolloutChange(percent=101), RolloutChange(groups=("",)), RolloutChange(not_before=-1)])
def test_what_makes_no_sense_is_not_signed(change: RolloutChange, publisher: Publisher, home: Path) -> None:
    before = everything(home)
    with pytest.raises(PublisherFailed, match="cannot be signed"):
        publisher.sign("stable", model(), change)
    assert everything(home) == before


def test_two_publishers_do_not_meet(publisher: Publisher, home: Path) -> None:
    with Directory(home).locked(), pytest.raises(PublisherFailed, match="in use"):
        publisher.refresh("stable")


def test_many_models_fit_a_channel(publisher: Publisher) -> None:
    """What the format has room for, so that a change that takes it away is seen."""
    from edged.ota.publisher.channel import released
    from edged.ota.publisher.release import packed

    channel = publisher.channel("stable")
    changes = {}
    for number in range(50):
        article = Article(kind="model", id=f"model-{number}", version="2026.11", files={"m": os.urandom(10)}, inputs=model().inputs)
        changes[article.path] = packed(article, 1, EVERYONE)[0]
    channel = released(channel, publisher._ring, datetime.now(UTC), changes)
    assert len(channel.bundle) < MAX_BUNDLE_BYTES


def test_a_foreign_directory_is_said(tmp_path: Path, clock: Time) -> None:
    with pytest.raises(PublisherFailed, match="no publisher's directory"):
        Publisher(tmp_path, lambda name: SECRET, clock)
