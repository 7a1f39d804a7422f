"""Who may publish anything attacks a device: each attack is refused with its code, and what serves is not touched.

One broker and one daemon for all of them. At lower levels, and not again here: every document forged, mixed or expired by itself,
and whatever bytes there are (tests/unit/test_ota_trust.py); poisoned indexes, chunks too large, packets without an end
(test_update_transfer.py); models that hang, eat memory or show their faults on live frames only (test_daemon_updates.py,
test_probe.py).
"""

from __future__ import annotations

import copy
import io
import os
import random
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import Daemon, Subscriber, subscribed, wait_until
from updating import ID, TOPICS, Publisher, Watcher, write_config

from edged.ota.bundle import MAX_BUNDLE_BYTES
from edged.ota.package import pack_directory
from edged.ota.slots import Slot
from edged.ota.slots_file import SlotsFile
from edged.ota.target import CHUNK_BYTES, Constraints
from edged.ota.transfer import MAX_DAMAGED
from edged.ota.trust.floors import FloorFile
from edged.ota.upload import Blob
from edged.testing import hostile
from edged.testing.broker import Mosquitto
from edged.testing.candidates import slow, sound, write_candidate
from edged.testing.repository import Repository

MEGABYTE = 1 << 20


@dataclass
class Scene:
    """A device at version 1.0, its broker, and everybody's rights to publish."""

    directory: Path
    broker: Mosquitto
    publisher: Publisher
    subscriber: Subscriber
    daemon: Daemon
    good: Blob
    old: bytes
    """What was published first, and is signed rightly."""
    version: str = "1.0"

    @property
    def repository(self) -> Repository:
        return self.publisher.repository

    @property
    def watcher(self) -> Watcher:
        return Watcher(self.subscriber)

    @property
    def slot(self) -> Slot:
        return SlotsFile(self.directory / "state/ota/slots").slots[f"model/{ID}"]

    def settle(self) -> None:
        """The publisher says what is right, and the device believes it."""
        self.publisher.sequence += 1
        self.repository.add(self.good.data, id=ID, sequence=self.publisher.sequence)
        self.publisher.say({TOPICS.metadata("stable"): self.repository.publish()})
        self.watcher.wait_for("confirmed", sequence=self.publisher.sequence)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """What serves before serves after it: the same model in the same process."""
        current, vision_pid = self.slot.current, self.daemon.vision_pid
        assert current and current.sha256 == self.good.sha256 and vision_pid
        yield
        slot = self.slot
        assert slot.current and slot.current.sha256 == current.sha256 and slot.trial is None
        assert self.daemon.vision_pid == vision_pid
        assert self.watcher.model() == self.version


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("attacked")
    (directory / "broker").mkdir()
    with Mosquitto(directory / "broker", options="max_queued_messages 0") as broker, subscribed(broker.port) as subscriber:
        publisher = Publisher(directory, broker.port)
        daemon = Daemon(write_config(directory, broker.port, f'root = "{publisher.root}"'))
        daemon.start()
        publisher.push(sound())
        good = Blob(pack_directory(directory / "candidate-1"))
        made = Scene(directory, broker, publisher, subscriber, daemon, good, publisher.repository.bundle())
        try:
            made.watcher.wait_for("confirmed", sequence=1)
            made.settle()
            yield made
        finally:
            made.daemon.abandon()


@contextmanager
def changed(repository: Repository) -> Iterator[Repository]:
    """Whatever is changed is so in what is signed meanwhile; the versions go on."""
    targets = copy.deepcopy(repository.targets.targets)
    expires = repository.timestamp.expires
    try:
        yield repository
    finally:
        repository.targets.targets = targets
        repository.timestamp.expires = expires


def someone_elses(scene: Scene) -> bytes:
    """The same names, versions that are higher, and keys of the attacker."""
    forger = Repository("home", "stable")
    forger.add(scene.good.data, id=ID, sequence=1000)
    for role in (forger.targets, forger.snapshot, forger.timestamp):
        role.version = 1000
    return forger.publish()


def altered(scene: Scene) -> bytes:
    """What comes next, with a right signature over something else."""
    scene.repository.publish()
    targets = scene.repository.documents["targets"]
    assert scene.good.sha256.encode() in targets
    return scene.repository.bundle(targets=targets.replace(scene.good.sha256.encode(), b"0" * 64))


def replayed(scene: Scene) -> bytes:
    return scene.old


def frozen(scene: Scene) -> bytes:
    """What was the newest, and has expired."""
    scene.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    return scene.repository.publish_timestamp()


def mixed(scene: Scene) -> bytes:
    """The newest timestamp with a snapshot that was signed before."""
    before = scene.repository.documents["snapshot"]
    scene.repository.publish()
    return scene.repository.bundle(snapshot=before)


def too_large(scene: Scene) -> bytes:
    return scene.repository.bundle().ljust(MAX_BUNDLE_BYTES + 1, b"\0")


def rubbish(scene: Scene) -> bytes:
    return b"\x84\xa1v\x01"


def of_another_channel(scene: Scene) -> bytes:
    """The same keys sign for testers what is not meant for all."""
    with scene.repository.bound_to("home", "beta", "timestamp", "snapshot", "targets"):
        return scene.repository.publish()


def path_for_a_name(scene: Scene) -> bytes:
    target = scene.repository.add(scene.good.data, id=ID, sequence=1000)
    del scene.repository.targets.targets[f"model/{ID}"]
    custom = {"kind": "model", "id": "../../../etc/cron.d/x", "sequence": target.sequence, "version": "1"}
    scene.repository.name("model/../../../etc/cron.d/x", scene.good.data, custom)
    return scene.repository.publish()


METADATA: dict[str, tuple[Callable[[Scene], bytes], str]] = {
    "forged: somebody else's keys": (someone_elses, "bad_signature"),
    "forged: another blob under the old signature": (altered, "torn"),
    "old version replayed": (replayed, "rolled_back"),
    "freeze: expired": (frozen, "expired"),
    "mix and match": (mixed, "torn"),
    "oversized": (too_large, "oversized"),
    "no metadata at all": (rubbish, "malformed"),
    "signed for another channel": (of_another_channel, "wrong_channel"),
    "a path for a name": (path_for_a_name, "malformed"),
}
"""What is said to be the newest, and why it is not believed."""


@pytest.mark.parametrize("attack", METADATA)
def test_metadata_is_not_believed(attack: str, scene: Scene) -> None:
    make, code = METADATA[attack]
    with scene.untouched():
        with changed(scene.repository):
            payload = make(scene)
        scene.publisher.say({TOPICS.metadata("stable"): payload})
        scene.watcher.wait_for("rejected", code)
    scene.settle()


def test_data_without_an_end_is_not_even_heard(scene: Scene) -> None:
    """The broker was told how much at most is read of it."""
    with scene.untouched():
        scene.publisher.say({TOPICS.metadata("stable"): bytes(20 * MEGABYTE)})
        scene.settle()


def crashing(scene: Scene, sequence: int) -> Blob:
    """Signed rightly, of the right hash, and the end of the interpreter that loads it."""
    return Blob(pack_directory(write_candidate(scene.directory / f"crashing-{sequence}", hostile.crashing())))


def with_a_path_inside(scene: Scene, sequence: int) -> Blob:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("../../escaped"), io.BytesIO())
    return Blob(made.getvalue())


def for_another_device(scene: Scene, sequence: int) -> Blob:
    return Blob(pack_directory(write_candidate(scene.directory / f"other-{sequence}", slow(1))))


SIGNED: dict[str, tuple[Callable[[Scene, int], Blob], Constraints, str, str]] = {
    "for another device": (for_another_device, Constraints(devices=("other",)), "queued", "not_for_device"),
    "a path inside": (with_a_path_inside, Constraints(), "rejected", "malformed"),
    "a model that crashes the interpreter": (crashing, Constraints(), "rejected", "crashed"),
}
"""What is signed rightly, and does not serve all the same: by somebody with the targets key, or meant for others."""


@pytest.mark.parametrize("attack", SIGNED)
def test_what_is_signed_is_not_installed(attack: str, scene: Scene) -> None:
    make, constraints, state, code = SIGNED[attack]
    with scene.untouched():
        scene.publisher.sequence += 1
        blob = make(scene, scene.publisher.sequence)
        scene.repository.add(blob.data, id=ID, sequence=scene.publisher.sequence, constraints=constraints)
        scene.publisher.publish(blob)
        scene.watcher.wait_for(state, code, scene.publisher.sequence)
        assert not any("escaped" in files for _, _, files in os.walk(scene.directory)), "a file outside of its directory"
    scene.settle()


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("floor_too", [False, True], ids=["python-tuf's files", "and the floor"])
def test_an_old_version_is_refused_after_the_state_was_zeroed(floor_too: bool, scene: Scene) -> None:
    assert scene.daemon.stop() == 0
    state = scene.directory / "state/ota"
    files = [path for path in (state / "tuf").rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in [*files, *([state / "floor"] if floor_too else [])]:
        zeroed(path)
    scene.publisher.say({TOPICS.metadata("stable"): scene.old})
    scene.daemon = Daemon(scene.daemon.config)
    scene.daemon.start()
    scene.watcher.wait_for("rejected", "rolled_back")
    scene.daemon.wait_for(f"{scene.version} on")
    with scene.untouched():
        scene.settle()


def test_a_poisoned_chunk_is_not_taken_and_installed_once_it_is_mended(scene: Scene) -> None:
    """So many are wrong that it is given up at once; of a single one, see test_update_transfer.py."""
    scene.publisher.sequence += 1
    bundle = write_candidate(scene.directory / "poisoned", slow(1), "mended")
    (bundle / "NOTES").write_bytes(random.Random(1).randbytes((MAX_DAMAGED + 2) * CHUNK_BYTES))
    blob = Blob(pack_directory(bundle))
    poisoned = {TOPICS.chunk(blob.sha256, number): bytes(CHUNK_BYTES) for number in range(1, MAX_DAMAGED + 1)}
    with scene.untouched():
        scene.repository.add(blob.data, id=ID, sequence=scene.publisher.sequence)
        scene.publisher.publish(blob, poisoned)
        scene.watcher.wait_for("failed", "chunk_damaged", scene.publisher.sequence)
    scene.publisher.publish(blob)
    scene.watcher.wait_for("confirmed", sequence=scene.publisher.sequence)
    assert scene.watcher.model() == "mended"


def test_all_of_that_kept_no_event_away(scene: Scene) -> None:
    scene.watcher.flows()
    wait_until(lambda: scene.daemon.vision_pid is not None, "no vision process")
    floor = FloorFile(scene.directory / "state/ota/floor").read("home", "stable")
    assert floor.timestamp == scene.repository.timestamp.version
    assert scene.daemon.stop() == 0
