import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from following import Device
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Delegations, Metadata

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.bundle import MAX_BUNDLE_BYTES, decode_bundle, encode_bundle
from edged.ota.numbering import Numbering
from edged.ota.target import CHUNK_BYTES
from edged.ota.trust.records import Verified
from edged.ota.trust.verification import MAX_IDS, verify
from edged.testing.repository import Repository

BLOB = b"a model" * 10_000
DAY_S = 86_400


@pytest.fixture
def repository() -> Repository:
    repository = Repository()
    repository.add(BLOB)
    return repository


@pytest.fixture
def device(repository: Repository, tmp_path: Path) -> Device:
    return Device(tmp_path / "tuf", repository.roots[0])


def zeroed(device: Device) -> None:
    for path in device.directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(bytes(path.stat().st_size))


def removed(device: Device) -> None:
    for path in sorted(device.directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def emptied(device: Device) -> None:
    for path in device.directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(b"")


def half_written(device: Device) -> None:
    for path in device.directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (device.directory / "tmpabc").write_bytes(b"{")


def of_the_wrong_kind(device: Device) -> None:
    removed(device)
    device.directory.rmdir()
    device.directory.write_bytes(b"not a directory")


def with_directories_for_files(device: Device) -> None:
    removed(device)
    (device.directory / "root_history").write_bytes(b"")
    for role in ("root", "timestamp", "snapshot", "targets"):
        (device.directory / f"{role}.json").mkdir()


DAMAGES = [zeroed, removed, emptied, half_written, of_the_wrong_kind, with_directories_for_files]


def test_what_is_signed_is_believed(repository: Repository, device: Device) -> None:
    verified = device.takes(repository.publish())
    (signed,) = verified.targets
    assert (signed.path, signed.sha256, signed.length) == ("model/ssd", hashlib.sha256(BLOB).hexdigest(), len(BLOB))
    assert signed.target.chunks.count == -(-len(BLOB) // CHUNK_BYTES)
    assert (verified.floor.root, verified.floor.targets, verified.floor.sequences) == (1, 2, {"model/ssd": 1})
    assert verified.expires_unix_s == int(repository.timestamp.expires.timestamp())
    assert verified.numbering == Numbering("test/stable", tuple(it.public_key.keyid for it in repository.signers["targets"]))


def test_the_same_again_is_believed_again(repository: Repository, device: Device) -> None:
    bundle = repository.publish()
    now = int(time.time())
    assert device.takes(bundle, clock_unix_s=now) == device.takes(bundle, clock_unix_s=now)


def test_nothing_may_be_named(tmp_path: Path) -> None:
    repository = Repository()
    assert Device(tmp_path, repository.roots[0]).takes(repository.bundle()).targets == ()


def forged(data: bytes) -> bytes:
    """The same document with another version in it, and the signature that it had."""
    document = msgspec.json.decode(data)
    document["signed"]["version"] += 1
    return msgspec.json.encode(document)


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_a_changed_document_is_refused(role: str, repository: Repository, device: Device) -> None:
    repository.publish()
    documents = {"root": repository.roots[0], **repository.documents}
    changed = forged(documents[role])
    bundle = repository.bundle(**{role: (repository.roots[0], changed) if role == "root" else changed})
    assert device.refuses(bundle) == ("torn" if role in {"snapshot", "targets"} else "bad_signature")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_signature_of_someone_else_is_refused(role: str, repository: Repository, device: Device) -> None:
    repository.signers[role] = [CryptoSigner.generate_ed25519()]
    assert device.refuses(repository.publish()) == "bad_signature"


def test_a_root_that_too_few_keys_signed_is_refused(repository: Repository, device: Device) -> None:
    repository.publish_root(repository.signers["root"][:1])
    assert device.refuses(repository.publish()) == "bad_signature"


def test_a_root_of_two_of_three_keys_is_enough(repository: Repository, device: Device) -> None:
    repository.publish_root(repository.signers["root"][1:])
    assert device.takes(repository.publish()).floor.root == 2


def test_a_root_that_only_its_own_keys_signed_is_refused(repository: Repository, device: Device) -> None:
    repository.rotate("root")
    repository.roots.pop()
    repository.publish_root()  # without the old keys
    assert device.refuses(repository.publish()) == "bad_signature"


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_an_old_version_is_refused(damage: Callable[[Device], None] | None, repository: Repository, device: Device) -> None:
    old = repository.publish()
    repository.add(b"better", sequence=2)
    new = repository.publish()
    device.takes(old)
    device.takes(new)
    if damage:
        damage(device)
    assert device.refuses(old) == "rolled_back"
    assert device.takes(new).targets[0].target.sequence == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_directory_is_begun_again(damage: Callable[[Device], None], repository: Repository, device: Device) -> None:
    device.takes(repository.publish())
    repository.rotate("timestamp")
    repository.rotate("root")
    device.takes(repository.publish())
    damage(device)
    assert device.takes(repository.publish()).floor.root == 3


@pytest.mark.parametrize("damage", [None, removed])
def test_a_lower_sequence_under_higher_versions_is_refused(damage: Any, repository: Repository, device: Device) -> None:
    repository.add(BLOB, sequence=7)
    device.takes(repository.publish())
    del repository.targets.targets["model/ssd"]
    device.takes(repository.publish())
    repository.add(BLOB, sequence=6)
    if damage:
        damage(device)
    assert device.refuses(repository.publish()) == "rolled_back"


def test_keys_that_were_rotated_out_cannot_sign_another_chain(repository: Repository, device: Device) -> None:
    first, stolen = repository.roots[0], repository.signers["root"]
    repository.rotate("root")
    device.takes(repository.publish())
    removed(device)
    thief = Repository()  # signs another version 2, with online keys of their own
    thief.roots, thief.signers["root"] = [first], stolen
    thief.root = Metadata[Any].from_bytes(first).signed
    for role in ("timestamp", "snapshot", "targets"):
        thief.root.roles[role].keyids.clear()
        thief.root.add_key(thief.signers[role][0].public_key, role)
    thief.publish_root()
    thief.timestamp.version = thief.snapshot.version = thief.targets.version = 50
    thief.add(b"evil", sequence=50)
    evil = thief.publish()
    assert Device(device.directory.with_name("new"), first).takes(evil), "one that never saw the new keys cannot know"
    assert device.refuses(evil) == "bad_signature"
    assert device.takes(repository.publish())


def test_rotated_keys_are_followed(repository: Repository, device: Device) -> None:
    device.takes(repository.publish())
    for role in ("timestamp", "snapshot", "targets", "root"):
        repository.rotate(role)
        assert device.takes(repository.publish()).floor.root == len(repository.roots)
    other = Device(device.directory.with_name("other"), repository.roots[0])
    floor = msgspec.structs.replace(other.takes(repository.bundle()).floor, time_unix_s=device.floor.time_unix_s)
    assert floor == device.floor, "a device that slept through all of it gets to the same"


def test_a_stolen_key_cannot_block_updates_for_ever(repository: Repository, device: Device) -> None:
    repository.timestamp.version = repository.snapshot.version = repository.targets.version = 1 << 40
    repository.add(b"evil", sequence=1 << 50)
    device.takes(repository.publish())
    for role in ("timestamp", "snapshot", "targets"):
        repository.rotate(role)
    repository.timestamp.version, repository.snapshot.version, repository.targets.version = 10, 10, 10
    repository.add(BLOB, sequence=8)
    assert device.takes(repository.publish()).floor.sequences == {"model/ssd": 8}


def test_ids_without_end_are_refused_before_what_is_remembered_fits_no_message(repository: Repository, device: Device) -> None:
    device.takes(repository.publish())
    device.floor = msgspec.structs.replace(device.floor, sequences={f"model/id-{number}": 1 for number in range(MAX_IDS)})
    repository.add(BLOB, sequence=2)
    with pytest.raises(UpdateRefused) as caught:
        device.takes(repository.publish())
    assert caught.value.code == "oversized"
    repository.rotate("targets")
    repository.add(BLOB, sequence=3)
    assert device.takes(repository.publish()).floor.sequences == {"model/ssd": 3}


def test_adding_a_key_does_not_lower_the_floor(repository: Repository, device: Device) -> None:
    old = repository.publish()
    device.takes(repository.publish())
    repository.root.add_key(CryptoSigner.generate_ed25519().public_key, "timestamp")
    repository.publish_root()
    device.takes(repository.publish())
    removed(device)
    assert device.refuses(encode_bundle(msgspec.structs.replace(decode_bundle(old), root=tuple(repository.roots)))) == "rolled_back"


def test_a_gap_in_the_chain_of_roots_is_refused(repository: Repository, device: Device) -> None:
    repository.rotate("root")
    repository.rotate("root")
    repository.publish()
    assert device.refuses(repository.bundle(root=(repository.roots[0], repository.roots[2]))) == "torn"
    assert device.refuses(repository.bundle(root=(repository.roots[2],))) == "torn"
    assert device.refuses(repository.bundle(root=(repository.roots[0], repository.roots[0]))) == "torn"
    assert device.takes(repository.bundle(root=tuple(repository.roots[1:]))), "the first is known already"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_expired_documents_are_refused(role: str, repository: Repository, device: Device) -> None:
    device.takes(repository.publish())
    getattr(repository, role).expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    if role == "root":
        repository.publish_root()
    assert device.refuses(repository.publish()) == "expired"


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_mixed_documents_are_refused(role: str, repository: Repository, device: Device) -> None:
    repository.publish()
    old = dict(repository.documents)
    repository.add(b"better", sequence=2)
    repository.publish()
    assert device.refuses(repository.bundle(**{role: old[role]})) == "torn"


def test_a_new_timestamp_over_an_old_snapshot_is_refused(repository: Repository, device: Device) -> None:
    repository.publish()
    old = dict(repository.documents)
    device.takes(repository.publish())
    removed(device)
    repository.snapshot.version -= 1
    repository.documents.update(snapshot=old["snapshot"], targets=old["targets"])
    assert device.refuses(repository.publish_timestamp()) == "rolled_back"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
@pytest.mark.parametrize(("fleet", "channel"), [("test", "beta"), ("other", "stable"), ("", "")])
def test_documents_of_another_channel_are_refused(
    role: str, fleet: str, channel: str, repository: Repository, device: Device
) -> None:
    with repository.bound_to(fleet, channel, role):
        if role == "root":
            repository.publish_root()
        bundle = repository.publish()
    assert device.refuses(bundle) == "wrong_channel"


def test_a_root_of_another_channel_is_no_start(repository: Repository, device: Device) -> None:
    device.channel = "beta"
    assert device.refuses(repository.publish()) == "wrong_channel"


def test_too_much_is_refused(repository: Repository, device: Device) -> None:
    assert device.refuses(bytes(MAX_BUNDLE_BYTES + 1)) == "oversized"
    repository.timestamp.unrecognized_fields["more"] = "x" * MAX_BUNDLE_BYTES
    assert device.refuses(repository.publish()) == "oversized"


def test_more_targets_than_the_snapshot_states_are_refused(repository: Repository, device: Device) -> None:
    repository.publish()
    padded = repository.documents["targets"] + b" " * 1000
    assert device.refuses(repository.bundle(targets=padded)) == "torn"


@pytest.mark.parametrize(
    ("path", "custom"),
    [
        ("../../etc/passwd", {}),
        ("model/../x", {}),
        ("/etc/passwd", {}),
        ("model/SSD", {}),
        ("model/ssd2", {"id": "ssd"}),
        ("model/ssd", {"id": "../x"}),
        ("model/ssd", {"kind": "shell"}),
        ("model/ssd", {"sequence": 0}),
        ("model/ssd", {"chunks": {"count": 1, "index_sha256": "0" * 64}}),
        ("model/ssd", {"run": "rm -rf /"}),
        ("model/ssd", {"version": "\x1b[2J"}),
    ],
)
def test_targets_that_make_no_sense_are_refused(path: str, custom: dict[str, Any], repository: Repository, device: Device) -> None:
    sound = repository.targets.targets.pop("model/ssd").custom
    repository.name(path, BLOB, {**sound, **custom})
    assert device.refuses(repository.publish()) == "malformed"


def test_delegations_are_refused(repository: Repository, device: Device) -> None:
    repository.targets.delegations = Delegations({}, {})
    assert device.refuses(repository.publish()) == "malformed"


def test_a_root_without_consistent_snapshots_is_refused(repository: Repository, device: Device) -> None:
    repository.root.consistent_snapshot = False
    repository.publish_root()
    assert device.refuses(repository.publish()) == "malformed"


def test_a_clock_at_1970_believes_the_time_floor(repository: Repository, device: Device) -> None:
    now = int(time.time())
    device.takes(repository.publish(), clock_unix_s=now)
    repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    soon_over = repository.publish()
    device.takes(soon_over, clock_unix_s=0, synchronised=False)
    device.floor = msgspec.structs.replace(device.floor, time_unix_s=now + 2 * DAY_S)
    assert device.refuses(soon_over, clock_unix_s=0, synchronised=False) == "expired"
    repository.timestamp.expires += timedelta(days=30)
    assert device.takes(repository.publish(), clock_unix_s=0, synchronised=False).floor.time_unix_s == now + 2 * DAY_S


def test_a_clock_ahead_blocks_only_while_it_is(repository: Repository, device: Device) -> None:
    bundle, ahead = repository.publish(), int(time.time()) + 365 * DAY_S
    assert device.refuses(bundle, clock_unix_s=ahead, synchronised=False) == "expired"
    device.takes(bundle, clock_unix_s=int(time.time()) + DAY_S, synchronised=False)
    assert device.floor.time_unix_s == 0, "a clock that nobody set does not raise the floor"
    assert device.takes(bundle).floor.time_unix_s > 0


def test_another_root_in_the_configuration_begins_again(repository: Repository, device: Device) -> None:
    device.takes(repository.publish())
    other = Repository()
    device.root = other.roots[0]
    assert device.refuses(repository.bundle()) == "bad_signature"
    assert device.takes(other.publish()).floor.timestamp == 2


def test_a_later_root_of_the_same_chain_keeps_the_floor(repository: Repository, device: Device) -> None:
    old = repository.publish()
    repository.rotate("root")
    device.takes(repository.publish())
    device.root = repository.roots[1]
    removed(device)
    assert device.refuses(encode_bundle(msgspec.structs.replace(decode_bundle(old), root=tuple(repository.roots)))) == "rolled_back"


def test_a_full_disk_is_not_the_bundles_fault(repository: Repository, device: Device) -> None:
    device.directory.parent.joinpath("file").write_bytes(b"")
    device.directory = device.directory.parent / "file" / "tuf"
    with pytest.raises(UpdateFailed) as caught:
        device.takes(repository.publish())
    assert caught.value.code == "interrupted"


WHOLE = Repository()
WHOLE.add(BLOB)
BUNDLE = WHOLE.publish()
CLOCK_UNIX_S = int(time.time())
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def judged(bundle: bytes, directory: Path) -> Verified | None:
    """What is believed of it, nothing if it is refused; anything else is raised."""
    try:
        return verify(Device(directory, WHOLE.roots[0]).request(bundle, clock_unix_s=CLOCK_UNIX_S))
    except UpdateRefused:
        return None


@quick
@given(bundle=st.binary(max_size=300))
def test_any_bytes_are_refused(bundle: bytes, tmp_path: Path) -> None:
    assert not judged(bundle, tmp_path)


@quick
@given(at=st.integers(0, len(BUNDLE) - 1), value=st.binary(min_size=1, max_size=4))
def test_a_bundle_with_changed_bytes_is_refused_or_says_the_same(at: int, value: bytes, tmp_path: Path) -> None:
    changed = BUNDLE[:at] + value + BUNDLE[at + len(value) :]
    assert judged(changed, tmp_path) in (None, judged(BUNDLE, tmp_path))


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@quick
@given(role=st.sampled_from(["root", "timestamp", "snapshot", "targets"]), data=st.data(), value=json)
def test_any_value_in_the_place_of_another_is_refused(role: str, data: st.DataObject, value: Any, tmp_path: Path) -> None:
    original = WHOLE.roots[0] if role == "root" else WHOLE.documents[role]
    document = inner = msgspec.json.decode(original)
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        if not (isinstance(inner[key], dict | list) and inner[key] and data.draw(st.booleans())):
            break
        inner = inner[key]
    inner[key] = value
    changed = msgspec.json.encode(document)
    bundle = WHOLE.bundle(**{role: (WHOLE.roots[0], changed) if role == "root" else changed})
    assert judged(bundle, tmp_path) in (None, judged(BUNDLE, tmp_path))


def test_deep_nesting_and_endless_numbers_are_refused(tmp_path: Path) -> None:
    for data in (b"[" * 60_000, b"1" * 60_000, b'{"signed":' * 5_000, b"\xff" * 1000):
        assert not judged(WHOLE.bundle(timestamp=data), tmp_path)
