"""What failed is given up only once the channel has something else; what is revoked and stays keeps nothing from its pause."""

from __future__ import annotations

from pathlib import Path

import pytest
from updater_scene import A1, B2, PATH, Scene, make_scene

from edged.core.errors import UpdateFailed
from edged.ota.target import Rollout
from edged.testing.updates import signed_target

AWAY = UpdateFailed("mcu_away", "some keep it")
NOBODY = Rollout(percent=0)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path / "ota")


async def b_failed_in_its_trial(scene: Scene) -> None:
    scene.bench.refuses = {("swap", "b"): AWAY}
    await scene.confirmed(A1)
    scene.ways.publish(B2)
    await scene.time.run_until(lambda: scene.told.says("failed", "mcu_away"))
    scene.bench.abandoned.clear()


@pytest.mark.parametrize("sequence", [2, 3])
async def test_what_is_signed_anew_is_not_abandoned_while_it_has_to_wait(scene: Scene, sequence: int) -> None:
    async with scene.running():
        await b_failed_in_its_trial(scene)
        scene.ways.publish(("b", signed_target("b", sequence, rollout=NOBODY)))
        await scene.time.run_until(lambda: scene.told.says("queued", "not_in_rollout", sequence))
        await scene.time.run_for(60)
        assert scene.bench.abandoned == []
        scene.ways.publish(("c", signed_target("c", 4, rollout=NOBODY)))
        await scene.time.run_until(lambda: scene.told.says("queued", "not_in_rollout", 4))
        await scene.time.settle()
        assert scene.bench.abandoned == [PATH]


async def test_a_board_that_is_back_has_nothing_abandoned_that_is_still_signed(scene: Scene) -> None:
    async with scene.running():
        await b_failed_in_its_trial(scene)
        scene.bench.refuses = {("probe", "b"): AWAY}
        scene.ways.publish(B2, expires_unix_s=round(scene.time.clock().unix_ns / 1e9) + 120)
        await scene.time.run_until(lambda: scene.bench.done.count(("probe", "b")) > 1)
        await scene.time.run_until(lambda: scene.told.says("failed", "expired"))
        for _ in range(2):
            scene.updater.hurry(PATH)
            await scene.time.run_for(1)
        assert scene.told.says("failed", "expired")
        assert scene.bench.abandoned == []


async def test_what_cannot_be_left_now_does_not_pass_for_what_failed_in_its_trial(scene: Scene) -> None:
    async with scene.running():
        await b_failed_in_its_trial(scene)
        scene.bench.refuses = {("go_back", ""): UpdateFailed("interrupted", "not now")}
        scene.ways.publish(("b", signed_target("b", 3, rollout=NOBODY, revoked=(A1[1].sha256,))))
        await scene.time.run_until(lambda: scene.told.says("failed", "interrupted", 1))
        scene.bench.refuses.clear()
        await scene.time.run_until(lambda: scene.told.says("queued", "not_in_rollout", 3))
        await scene.time.settle()
        assert scene.bench.abandoned == []


async def test_what_is_revoked_and_stays_takes_no_pause_from_what_comes_instead(scene: Scene) -> None:
    target, others = ("c", signed_target("c", 3)), {("probe", "c"): UpdateFailed("no_space", "full")}
    async with scene.running():
        await scene.confirmed(A1, B2)
        scene.bench.refuses = others
        scene.ways.publish(target)
        await scene.time.run_until(lambda: scene.bench.done.count(("probe", "c")) == 6)
        scene.bench.refuses = {**others, ("go_back", "a"): UpdateFailed("interrupted", "not now")}
        scene.ways.publish(("c", signed_target("c", 3, revoked=(B2[1].sha256,))))
        await scene.time.run_until(lambda: scene.told.says("failed", "interrupted", 2))
        scene.ways.publish(target)
        await scene.time.run_for(5)
        assert scene.bench.done.count(("probe", "c")) == 6, "it waits on, as long as it had to"
        await scene.time.run_until(lambda: scene.bench.done.count(("probe", "c")) == 7)
