import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from following import Device

from edged.core.errors import PublisherFailed
from edged.ota.bundle import MAX_BUNDLE_BYTES, decode_bundle, encode_bundle
from edged.ota.package import unpack
from edged.ota.publisher.channel import LIVES
from edged.ota.publisher.directory import Directory
from edged.ota.publisher.founding import create
from edged.ota.publisher.publisher import Publisher
from edged.ota.publisher.release import Article, RolloutChange
from edged.ota.target import Limits, Rollout, Tensor
from edged.testing.repository import Repository

SECRET = "correct horse"
EVERYONE = RolloutChange()


class Time:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def home(tmp_path: Path, clock: Time) -> Path:
    create(tmp_path / "updates", "farm", "stable", lambda name: SECRET, clock)
    return tmp_path / "updates"


@pytest.fixture
def publisher(home: Path, clock: Time) -> Publisher:
    return Publisher(home, lambda name: SECRET, clock)


@pytest.fixture
def device(home: Path, tmp_path: Path) -> Device:
    return Device(tmp_path / "tuf", (home / "channels" / "stable.root.json").read_bytes(), fleet="farm")


def model(version: str = "1", data: bytes = b"weights", **fields: object) -> Article:
    return Article(kind="model", id="ssd", version=version, files={"model.toml": b"", "model.tflite": data}, **fields)  # type: ignore[arg-type]


def published(publisher: Publisher, channel: str = "stable") -> bytes:
    return publisher.directory.bundle(channel)


def everything(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_new_directory_is_believed_by_devices(publisher: Publisher, device: Device) -> None:
    assert device.takes(published(publisher)).targets == ()


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


def test_a_wrong_passphrase_changes_nothing(home: Path, clock: Time) -> None:
    before = everything(home)
    with pytest.raises(PublisherFailed, match="passphrase is wrong"):
        Publisher(home, lambda name: "wrong horse", clock).refresh("stable")
    assert everything(home) == before


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


def of_someone_else(bundle: bytes) -> bytes:
    other = Repository("farm", "stable")
    other.add(b"evil")
    return other.publish()


def with_other_targets(bundle: bytes) -> bytes:
    raw = decode_bundle(bundle)
    return encode_bundle(
        type(raw)(
            root=raw.root, timestamp=raw.timestamp, snapshot=raw.snapshot, targets=decode_bundle(of_someone_else(b"")).targets
        )
    )


@pytest.mark.parametrize("tampered", [of_someone_else, with_other_targets, lambda bundle: b"garbage", lambda bundle: bundle[:-1]])
def test_what_others_put_there_is_not_signed(tampered: Callable[[bytes], bytes], publisher: Publisher, home: Path) -> None:
    path = home / "channels" / "stable.msgpack"
    path.write_bytes(tampered(path.read_bytes()))
    before = everything(home)
    with pytest.raises(PublisherFailed):
        publisher.refresh("stable")
    assert everything(home) == before


@pytest.mark.parametrize("tampered", [of_someone_else, with_other_targets])
def test_what_others_put_there_is_not_shown_nor_gone_back_to(
    tampered: Callable[[bytes], bytes], publisher: Publisher, home: Path
) -> None:
    publisher.sign("stable", model(), EVERYONE)
    evil = publisher.directory.keep_blob(b"evil")
    path = home / "history" / "stable" / "1.msgpack"
    path.write_bytes(tampered(path.read_bytes()))
    with pytest.raises(PublisherFailed):
        publisher.rollback("stable", "model/ssd", evil[:12], EVERYONE)
    path = home / "channels" / "stable.msgpack"
    path.write_bytes(with_other_targets(path.read_bytes()))
    with pytest.raises(PublisherFailed, match="not what was signed"):
        publisher.channel("stable")


def with_a_root_of_theirs(publisher: Publisher, channel: str = "stable") -> bytes:
    """What who has no key can put there: a root that names our keys beside theirs, and evil under it."""
    ours = publisher.channel(channel).root
    theirs = Repository("farm", channel)
    for role, it in ours.roles.items():
        listed = theirs.root.roles[role]
        keyids = list(listed.keyids)
        listed.keyids[:] = it.keyids  # ours come first, to be taken first
        for keyid in it.keyids:
            theirs.root.keys[keyid] = ours.keys[keyid]
        listed.keyids.extend(keyids)
    theirs.roots.clear()
    theirs.publish_root()
    theirs.snapshot.unrecognized_fields["x-edged-root"] = sha256(theirs.roots[-1]).hexdigest()
    theirs.add(b"evil", id="evil")
    publisher.directory.keep_blob(b"evil")
    return theirs.publish()


STEPS: dict[str, Callable[[Publisher], object]] = {
    "sign": lambda it: it.sign("stable", model(), EVERYONE),
    "rollout": lambda it: it.rollout("stable", "model/evil", EVERYONE),
    "rollback": lambda it: it.rollback("stable", "model/evil", "1", EVERYONE),
    "promote": lambda it: it.promote("model/evil", "stable", "stable", EVERYONE),
    "promote from": lambda it: it.promote("model/evil", "stable", "beta", EVERYONE),
    "sequence": lambda it: it.sign("beta", model(), EVERYONE),
    "revoke": lambda it: it.revoke("model/evil", "1"),
    "refresh": lambda it: it.refresh("stable"),
    "rotate": lambda it: it.rotate(["timestamp"], lambda name: SECRET),
    "rotate root": lambda it: it.rotate(["root"], lambda name: SECRET),
}


@pytest.mark.parametrize("step", STEPS)
def test_who_can_only_write_there_gets_nothing_signed(step: str, publisher: Publisher, home: Path) -> None:
    publisher.add_channel("beta")
    evil = with_a_root_of_theirs(publisher)
    (home / "channels" / "stable.msgpack").write_bytes(evil)
    (home / "history" / "stable" / "1.msgpack").write_bytes(evil)
    assert "model/evil" in publisher.channel("stable").signed, "it holds together"
    before = everything(home)
    with pytest.raises(PublisherFailed, match="the keys here did not sign"):
        STEPS[step](publisher)
    assert {name for name in everything(home).items() ^ before.items() if not name[0].startswith("blobs/")} == set()


def test_what_we_signed_under_a_root_of_theirs_is_not_signed_on(publisher: Publisher, home: Path) -> None:
    """Our own documents are good under it, since it names our keys; its history would be theirs."""
    evil = with_a_root_of_theirs(publisher)
    raw = decode_bundle(published(publisher))
    mixed = type(raw)(root=decode_bundle(evil).root, timestamp=raw.timestamp, snapshot=raw.snapshot, targets=raw.targets)
    (home / "channels" / "stable.msgpack").write_bytes(encode_bundle(mixed))
    (home / "history" / "stable" / "1.msgpack").write_bytes(evil)
    with pytest.raises(PublisherFailed, match="the keys here did not sign"):
        publisher.rollback("stable", "model/evil", "1", EVERYONE)


def test_no_root_of_others_is_signed_to_finish_a_change_of_keys(publisher: Publisher, home: Path) -> None:
    keyids = publisher.channel("stable").root.roles["timestamp"].keyids
    (home / "channels" / "stable.msgpack").write_bytes(with_a_root_of_theirs(publisher))
    publisher.directory.begin_rotation({"timestamp": keyids})
    with pytest.raises(PublisherFailed, match="the keys here did not sign"):
        publisher.rotate([], lambda name: SECRET)


def test_no_channel_is_added_with_the_keys_of_others(publisher: Publisher, home: Path) -> None:
    (home / "channels" / "stable.msgpack").write_bytes(with_a_root_of_theirs(publisher))
    with pytest.raises(PublisherFailed, match="the keys here did not sign"):
        publisher.add_channel("beta")


def test_an_older_root_of_others_brings_no_history(publisher: Publisher, home: Path) -> None:
    """Ours followed theirs, by every signature that a root has to have; it names the one that it did follow."""
    evil = with_a_root_of_theirs(publisher)
    publisher.rotate(["timestamp"], lambda name: SECRET)
    raw = decode_bundle(published(publisher))
    (theirs,) = decode_bundle(evil).root
    mixed = type(raw)(root=(theirs, raw.root[-1]), timestamp=raw.timestamp, snapshot=raw.snapshot, targets=raw.targets)
    (home / "channels" / "stable.msgpack").write_bytes(encode_bundle(mixed))
    (home / "history" / "stable" / "1.msgpack").write_bytes(evil)
    with pytest.raises(PublisherFailed, match="never published"):
        publisher.rollback("stable", "model/evil", "1", EVERYONE)


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
