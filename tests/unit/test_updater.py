"""The updates of one device, from what the channel says to what serves: with everything scripted, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
from pathlib import Path

import msgspec
import pytest
from updater_scene import A1, B2, PATH, SLOW, UNDECIDED, Scene, make_scene

from edged.core.errors import BrokerUnreachable, UpdateCode, UpdateFailed, UpdateRefused
from edged.ota.inventory import Inventory
from edged.ota.judgement import Seen
from edged.ota.local import Local
from edged.ota.numbering import Numbering
from edged.ota.target import Rollout, SignedTarget
from edged.testing.updates import GOOD, blob_of, signed_target


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path / "ota")


async def test_from_the_channel_to_confirmed(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        await scene.time.run_for(1)
    assert scene.told.states == ["queued", "downloading", "verified", "testing", "trial", "confirmed"]
    assert scene.bench.done == [("probe", "a"), ("swap", "a")]
    assert scene.slot.current is not None
    assert (scene.slot.current.sequence, scene.slot.current.identity) == (1, "identity of a")
    assert list(scene.inventory.parts.iterdir()) == [], "it is unpacked"


async def test_how_far_it_agreed_in_the_shadow_is_told_with_its_trial(scene: Scene) -> None:
    scene.bench.shadows = True
    async with scene.running():
        await scene.confirmed(A1)
    assert scene.bench.done == [("probe", "a"), ("shadow", "a"), ("swap", "a")]
    assert [(it.state, it.detail) for it in scene.told.statuses if it.state in {"shadow", "trial"}] == [
        ("shadow", ""),
        ("shadow", "they agree"),
        ("trial", "they agree"),
    ]


async def test_a_trial_is_written_down_before_it_serves_and_judged_for_its_window(scene: Scene) -> None:
    scene.bench.sees = lambda content: UNDECIDED
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.serves == "a")
        assert Inventory(scene.disk).slot(PATH).phase == "trial"
        await scene.time.run_for(600)
        assert scene.told.says("trial")
        scene.bench.sees = lambda content: GOOD
        await scene.time.run_until(lambda: scene.told.says("confirmed"), within_s=2)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ({"crashes": 1}, "crashed"),
        ({"hangs": 1}, "hung"),
        ({"not_finite": 1}, "output_not_finite"),
        ({"grown_bytes": 1 << 30}, "memory_grew"),
    ],
)
async def test_worse_is_reverted_and_not_tried_again_under_its_sequence(scene: Scene, seen: dict[str, int], code: str) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        scene.bench.sees = lambda content: dataclasses.replace(UNDECIDED, **seen)
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("reverted", code), within_s=60)
        assert scene.serves == "a"
        assert scene.slot.serves.sequence == 1
        steps = len(scene.bench.done)
        scene.ways.publish(("b", signed_again(B2[1])))
        await scene.time.run_for(10_000)
        assert len(scene.bench.done) == steps
        assert scene.told.says("reverted", code), "that says more than that it is not tried again"
    scene.begin()
    async with scene.running():
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("rejected", "known_bad"))
        assert len(scene.bench.done) == steps
        scene.bench.sees = lambda content: GOOD
        await scene.confirmed(("b", signed_target("b", 3)))
        assert scene.serves == "b"


def signed_again(signed: SignedTarget) -> SignedTarget:
    return msgspec.structs.replace(signed, target=msgspec.structs.replace(signed.target, rollout=Rollout(percent=100, seed="x")))


@pytest.mark.parametrize("step", ["probe", "shadow", "swap"])
async def test_what_is_refused_never_serves(scene: Scene, step: str) -> None:
    scene.bench.shadows = True
    scene.bench.refuses = {(step, "b"): UpdateRefused("golden_differs", "no")}
    async with scene.running():
        await scene.confirmed(A1)
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("rejected", "golden_differs"))
        await scene.time.run_for(10_000)
    assert scene.serves == "a"
    assert (scene.slot.phase, scene.slot.serves.sequence) == ("settled", 1)
    assert list(scene.inventory.parts.iterdir()) == []
    assert scene.bench.done.count((step, "b")) == 1
    assert not scene.inventory.has(B2[1].sha256)


@pytest.mark.parametrize("step", ["probe", "swap"])
async def test_what_failed_is_tried_again_without_being_fetched_again(scene: Scene, step: str) -> None:
    scene.bench.refuses = {(step, "a"): UpdateFailed("does_not_fit_beside", "no memory now")}
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.bench.done.count((step, "a")) == 4)
        assert scene.told.says("failed", "does_not_fit_beside")
        assert scene.slot.phase == "settled"
        scene.bench.refuses.clear()
        await scene.time.run_until(lambda: scene.told.says("confirmed"))
    assert len(scene.ways.downloads) == 1


async def test_pauses_between_attempts_grow(scene: Scene) -> None:
    scene.ways.trouble = UpdateFailed("chunk_missing", "not there")
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_for(7 * 86_400)
        assert 100 < len(scene.ways.downloads) < 400
        assert scene.told.says("failed", "chunk_missing")


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (BrokerUnreachable("gone"), "offline"),
        (OSError(errno.ENOSPC, "full"), "no_space"),
        (OSError(errno.EIO, "bad"), "interrupted"),
    ],
)
async def test_what_the_broker_and_the_disk_say_is_a_failure_that_may_pass(scene: Scene, trouble: Exception, code: str) -> None:
    scene.ways.trouble = trouble
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.told.says("failed", code))
        scene.ways.trouble = None
        await scene.time.run_until(lambda: scene.told.says("confirmed"))


async def test_the_newest_replaces_what_does_not_serve_yet(scene: Scene) -> None:
    scene.ways.hold.clear()
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: len(scene.ways.downloads) == 1)
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: len(scene.ways.downloads) == 2)
        scene.ways.hold.set()
        await scene.time.run_until(lambda: scene.told.says("confirmed", sequence=2))
    assert ("swap", "a") not in scene.bench.done


async def test_a_trial_runs_to_its_end_before_something_newer_has_its_turn(scene: Scene) -> None:
    scene.bench.sees = lambda content: UNDECIDED
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.serves == "a")
        scene.ways.publish(B2)
        await scene.time.run_for(10)
        assert scene.serves == "a"
        scene.bench.sees = lambda content: GOOD
        await scene.time.run_until(lambda: scene.told.says("confirmed", sequence=2))
    assert scene.slot.previous.sequence == 1


async def test_a_trial_without_frames_is_no_obstacle_for_ever(scene: Scene) -> None:
    scene.bench.sees = lambda content: GOOD if content == "b" else Seen()
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.serves == "a")
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("confirmed", sequence=2), within_s=300)


async def test_revoked_in_its_trial_and_afterwards(scene: Scene) -> None:
    scene.bench.sees = lambda content: UNDECIDED if content == "b" else GOOD
    async with scene.running():
        await scene.confirmed(A1)
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.serves == "b")
        scene.ways.publish(("c", signed_target("c", 3, revoked=(B2[1].sha256,), rollout=Rollout(percent=0))))
        await scene.time.run_until(lambda: scene.serves == "a", within_s=5)
        await scene.time.settle()
        assert any((it.state, it.code) == ("reverted", "revoked") for it in scene.told.statuses)
        scene.ways.publish(("c", signed_target("c", 4, revoked=(A1[1].sha256,), rollout=Rollout(percent=0))))
        await scene.time.run_until(lambda: scene.serves is None, within_s=5)
        await scene.time.settle()
        assert scene.slot.serves is None
        assert scene.told.says("queued", "not_in_rollout", 4), "it is not to have what comes instead"


async def test_what_is_revoked_and_cannot_be_left_now_is_left_later(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1, B2)
        scene.bench.refuses = {("go_back", "a"): UpdateFailed("interrupted", "no vision process lives for long")}
        scene.ways.publish(("c", signed_target("c", 3, revoked=(B2[1].sha256,), rollout=Rollout(percent=0))))
        await scene.time.run_until(lambda: scene.bench.done.count(("go_back", "a")) == 3)
        assert scene.told.says("failed", "interrupted", 2)
        assert scene.slot.current is not None
        assert scene.slot.current.sha256 == B2[1].sha256, "what serves, whatever else is to"
        scene.bench.refuses.clear()
        await scene.time.run_until(lambda: scene.serves == "a")
        await scene.time.run_until(lambda: scene.told.says("queued", "not_in_rollout", 3))
        assert any((it.state, it.code, it.sequence) == ("reverted", "revoked", 2) for it in scene.told.statuses)


async def test_what_failed_is_abandoned_when_what_is_signed_instead_has_to_wait(scene: Scene) -> None:
    scene.bench.refuses = {("swap", "b"): UpdateFailed("mcu_away", "some keep it")}
    async with scene.running():
        await scene.confirmed(A1)
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("failed", "mcu_away"))
        scene.bench.abandoned.clear()
        scene.ways.publish(B2)  # and so it is looked at in its pause
        await scene.time.run_for(60)
        assert scene.bench.abandoned == [], "it comes again"
        scene.ways.publish(("c", signed_target("c", 3, rollout=Rollout(percent=0))))
        await scene.time.run_until(lambda: scene.told.says("queued", "not_in_rollout", 3))
        await scene.time.settle()
        assert scene.bench.abandoned == [PATH]


async def test_an_old_blob_signed_again_needs_no_trial_where_it_serves(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        steps = len(scene.bench.done)
        await scene.confirmed(("a", signed_target("a", 3)))
        assert len(scene.bench.done) == steps
        assert "model/m" in scene.bench.abandoned, "what came between and failed does not come again"
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("rejected", "rolled_back"))


@pytest.mark.parametrize(
    "numbering",
    [pytest.param(Numbering("home/beta", ("key",)), id="channel"), pytest.param(Numbering("home/stable", ("new",)), id="keys")],
)
async def test_what_another_channel_or_other_keys_number_lower_is_taken(scene: Scene, numbering: Numbering) -> None:
    async with scene.running():
        await scene.confirmed(A1, B2)
        scene.ways.publish(("c", signed_target("c", 1)))
        await scene.time.run_until(lambda: scene.told.says("rejected", "rolled_back"))
        scene.ways.numbering = numbering
        await scene.confirmed(("c", signed_target("c", 1)))
    assert scene.serves == "c"


async def test_one_thing_in_trouble_holds_up_no_other(scene: Scene) -> None:
    scene.paths = [PATH, "model/n"]
    scene.begin()
    scene.bench.refuses = {("probe", "a"): UpdateFailed("does_not_fit_beside", "no memory")}
    async with scene.running():
        scene.ways.publish(A1, ("n", signed_target("n", 1, id="n")))
        await scene.time.run_until(lambda: scene.bench.serves.get("model/n") == "n")
        assert scene.told.latest("n").state in {"trial", "confirmed"}


async def test_stopped_in_its_trial_it_is_tried_again_and_nothing_is_held_against_it(scene: Scene) -> None:
    scene.bench.sees = lambda content: UNDECIDED
    for _ in range(4):
        async with scene.running():
            scene.ways.publish(A1)
            await scene.time.run_until(lambda: scene.serves == "a")
        assert scene.slot.phase == "settled"
        scene.bench.serves.clear()
        scene.begin()
    scene.bench.sees = lambda content: GOOD
    async with scene.running():
        await scene.confirmed(A1)
    assert scene.ways.downloads == [], "it was there"


async def test_a_trial_that_the_power_ended_is_said_and_may_be_had_once_more(scene: Scene) -> None:
    scene.bench.sees = lambda content: UNDECIDED
    for _ in range(2):
        running = asyncio.create_task(scene.updater.run())
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.serves == "a")
        state = (scene.disk / "slots").read_bytes()
        running.cancel()
        await asyncio.wait([running])
        (scene.disk / "slots").write_bytes(state)  # as the power left it
        scene.bench.serves.clear()
        scene.begin()
        assert scene.slot.serves is None
    async with scene.running():
        await scene.time.run_until(lambda: scene.told.says("reverted", "interrupted"))
        scene.ways.publish(A1)
        await scene.time.run_for(10_000)
        assert scene.serves is None
        assert scene.told.says("reverted", "interrupted")


async def test_stopped_while_it_is_fetched_what_is_there_stays(scene: Scene) -> None:
    (scene.inventory.parts / f"{A1[1].sha256}.part").write_bytes(b"half")
    scene.ways.hold.clear()
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: bool(scene.ways.downloads))
    scene.begin()
    async with scene.running():
        await scene.time.run_for(60)
    assert (scene.inventory.parts / f"{A1[1].sha256}.part").read_bytes() == b"half"


def local(scene: Scene, content: str, *, unsigned: bool) -> Local:
    blob, signed = scene.disk.parent / "brought", signed_target(content, 1)
    blob.write_bytes(blob_of(content))
    return Local(PATH, blob, signed.sha256, signed.length, "mine", unsigned)


async def test_a_person_installs_what_nobody_signed_only_where_that_is_allowed(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        with pytest.raises(UpdateRefused, match="not what the channel has signed"):
            await scene.updater.install(local(scene, "mine", unsigned=False))
        installing = asyncio.create_task(scene.updater.install(local(scene, "mine", unsigned=True)))
        await scene.time.run_until(installing.done)
        installing.result()
        assert scene.serves == "mine"
        scene.ways.publish(A1)
        await scene.time.run_for(600)
        assert scene.serves == "mine", "until something newer is signed"
        await scene.confirmed(B2)


@pytest.mark.parametrize("newer", [False, True])
async def test_what_a_person_brings_is_overtaken_by_what_is_newer_alone_and_that_is_said(scene: Scene, newer: bool) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        scene.bench.hold.clear()
        installing = asyncio.create_task(scene.updater.install(local(scene, "mine", unsigned=True)))
        await scene.time.run_for(1)
        scene.ways.publish(B2 if newer else A1)
        await scene.time.run_for(10)
        scene.bench.hold.set()
        await scene.time.run_until(installing.done)
        if newer:
            with pytest.raises(UpdateFailed, match="something newer"):
                installing.result()
        else:
            installing.result()
        await scene.time.run_until(lambda: scene.serves == ("b" if newer else "mine"))


async def test_what_is_signed_may_be_brought_by_a_person(scene: Scene) -> None:
    scene.ways.trouble = BrokerUnreachable("no chunks")
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.told.says("failed", "offline"))
        installing = asyncio.create_task(scene.updater.install(local(scene, "a", unsigned=False)))
        await scene.time.run_until(installing.done)
        installing.result()
        assert scene.slot.current.sequence == 1


async def test_a_person_hears_that_it_was_reverted_and_that_edged_stops(scene: Scene) -> None:
    scene.bench.sees = lambda content: SLOW
    async with scene.running():
        installing = asyncio.create_task(scene.updater.install(local(scene, "mine", unsigned=True)))
        await scene.time.run_until(installing.done)
        with pytest.raises(UpdateRefused, match="reverted"):
            installing.result()
        scene.bench.sees = lambda content: UNDECIDED
        installing = asyncio.create_task(scene.updater.install(local(scene, "other", unsigned=True)))
        await scene.time.run_until(lambda: scene.serves == "other")
    with pytest.raises(UpdateFailed, match="stopping"):
        await installing


async def test_what_does_not_leave_everywhere_is_not_said_to_be_reverted(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1, B2)
        scene.bench.stays = "porch: it does not go back"
        scene.ways.publish(("b", signed_target("b", 2, revoked=(B2[1].sha256,))))
        await scene.time.run_until(lambda: scene.serves == "a")
        await scene.time.run_for(600)
        assert scene.told.says("failed", "not_gone_back", 2)
        assert scene.slot.serves == scene.slot.current and scene.slot.serves.sequence == 1, "it is given up all the same"
        with pytest.raises(UpdateFailed, match="porch"):
            await scene.updater.go_back(PATH)
        assert scene.told.says("failed", "not_gone_back", 1)


async def test_a_person_goes_back(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1, B2)
        await scene.updater.go_back(PATH)
        assert scene.serves == "a"
        assert scene.slot.serves.sequence == 1
        assert scene.told.says("reverted", "by_operator", 2)
        scene.ways.publish(("b", signed_again(B2[1])))
        await scene.time.run_for(600)
        assert scene.serves == "a", "it is not fetched again at once"
        await scene.updater.go_back(PATH)
        assert scene.serves is None
        with pytest.raises(UpdateRefused, match="bundle of the configuration"):
            await scene.updater.go_back(PATH)


@pytest.mark.parametrize(("step", "code", "again"), [("probe", "mcu_away", 2), ("swap", "mcu_away", 1), ("probe", "no_space", 1)])
async def test_only_what_waits_for_a_board_is_hurried_by_it(tmp_path: Path, step: str, code: UpdateCode, again: int) -> None:
    scene = make_scene(tmp_path)
    scene.bench.refuses = {(step, "a"): UpdateFailed(code, "not now")}
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.told.says("failed", code))
        scene.updater.hurry(PATH)
        await scene.time.run_for(1.0)
        assert scene.bench.done.count((step, "a")) == again
