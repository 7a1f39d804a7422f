"""Who can write to a publisher's directory and has no key gets nothing signed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from publishing import EVERYONE, SECRET, everything, model, published

from edged.core.errors import PublisherFailed
from edged.ota.bundle import decode_bundle, encode_bundle
from edged.ota.publisher.publisher import Publisher
from edged.testing.repository import Repository


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
