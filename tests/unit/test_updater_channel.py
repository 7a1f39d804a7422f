"""What a device makes of a channel: whom it believes, until when, and when it looks again; in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest
from updater_scene import A1, B2, WINDOW_S, Scene, make_scene

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.core.event import ClockQuality
from edged.ota.target import Rollout
from edged.testing.updates import signed_target


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path / "ota")


async def test_expired_metadata_stops_updates_and_nothing_else(scene: Scene) -> None:
    now_s = scene.time.clock().unix_ns // 10**9
    async with scene.running():
        await scene.confirmed(A1)
        scene.ways.publish(B2, expires_unix_s=now_s - 1)
        await scene.time.run_until(lambda: scene.told.says("failed", "expired"))
        said = len(scene.told.statuses)
        await scene.time.run_for(86_400)
        assert len(scene.told.statuses) == said, "said once"
        assert scene.serves == "a"
        scene.ways.publish(B2)
        await scene.time.run_until(lambda: scene.told.says("confirmed", sequence=2))


async def test_a_clock_at_1970_is_not_believed_where_a_later_time_was_seen(scene: Scene) -> None:
    scene.time.unix_ahead_s, scene.time.quality = -1000.0, "unsynchronised"
    scene.ways.floor_unix_s = 1_800_000_000
    async with scene.running():
        scene.ways.publish(A1, expires_unix_s=1_799_999_999)
        await scene.time.run_until(lambda: scene.told.says("failed", "expired"))
        await scene.confirmed(B2)


@pytest.mark.parametrize(
    ("step_s", "before", "after"),
    [
        pytest.param(-30 * 86_400.0, "unsynchronised", "unsynchronised", id="set back by hand"),
        pytest.param(1.8e9, "unsynchronised", "synchronised", id="set by NTP"),
        pytest.param(0.0, "unsynchronised", "synchronised", id="found to be right"),
    ],
)
async def test_what_was_refused_is_judged_again_when_the_clock_is_set(
    scene: Scene, step_s: float, before: ClockQuality, after: ClockQuality
) -> None:
    scene.time.quality = before
    scene.ways.refusal = UpdateRefused("expired", "as this clock sees it")
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_until(lambda: scene.told.says("rejected", "expired"))
        await scene.time.run_for(1800)
        assert scene.ways.verified == 1, "as long as nothing is another"
        scene.ways.refusal = None
        scene.time.unix_ahead_s += step_s
        scene.time.quality = after
        await scene.time.run_until(lambda: scene.told.says("confirmed"), within_s=WINDOW_S + 60)


async def test_what_was_refused_is_judged_again_once_in_a_while(scene: Scene) -> None:
    scene.ways.refusal = UpdateRefused("torn", "the root of the device is too old")
    async with scene.running():
        scene.ways.publish(A1)
        await scene.time.run_for(86_400)
        assert 20 < scene.ways.verified < 30
        scene.ways.refusal = None
        await scene.time.run_until(lambda: scene.told.says("confirmed"), within_s=3700)
        verified = scene.ways.verified
        await scene.time.run_for(86_400)
        assert scene.ways.verified == verified


async def test_a_clock_that_was_ahead_blocks_only_until_it_is_set(scene: Scene) -> None:
    now_s = scene.time.clock().unix_ns // 10**9
    scene.time.unix_ahead_s += 365 * 86_400
    async with scene.running():
        scene.ways.publish(A1, expires_unix_s=now_s + 30 * 86_400)
        await scene.time.run_until(lambda: scene.told.says("failed", "expired"))
        scene.time.unix_ahead_s -= 365 * 86_400
        await scene.time.run_until(lambda: scene.told.says("confirmed"), within_s=WINDOW_S + 90)


@pytest.mark.parametrize("refusal", [UpdateRefused("bad_signature", "forged"), UpdateFailed("interrupted", "no process")])
async def test_what_is_not_believed_changes_nothing_and_is_said_once(scene: Scene, refusal: UpdateRefused | UpdateFailed) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        scene.ways.refusal = refusal
        said = len(scene.told.statuses)
        for _ in range(50):
            scene.ways.publish(B2)
            await scene.time.run_for(600)
        assert len(scene.told.statuses) == said + 1
        assert scene.serves == "a"
        scene.ways.refusal = None
        await scene.confirmed(B2)


async def test_who_floods_the_channel_costs_a_process_a_minute(scene: Scene) -> None:
    scene.ways.refusal = UpdateRefused("bad_signature", "forged")
    async with scene.running():
        for _ in range(3600):
            scene.ways.publish(A1)
            await scene.time.run_for(1)
    assert scene.ways.verified < 200


async def test_what_comes_again_after_a_new_connection_is_not_verified_again(scene: Scene) -> None:
    async with scene.running():
        await scene.confirmed(A1)
        for _ in range(10):
            scene.ways.repeat()
            await scene.time.run_for(60)
        assert scene.ways.verified == 1


async def test_an_id_that_the_channel_does_not_have(scene: Scene) -> None:
    async with scene.running():
        scene.ways.publish(("x", signed_target("x", 1, id="other")))
        await scene.time.run_until(lambda: scene.told.says("rejected", "unknown_id"))
        assert scene.bench.abandoned == ["model/m"], "of what failed nothing is to be left"
        await scene.confirmed(A1)


async def test_a_date_comes(scene: Scene) -> None:
    not_before = scene.time.clock().unix_ns // 10**9 + 5000
    async with scene.running():
        scene.ways.publish(("a", signed_target("a", 1, rollout=Rollout(not_before=not_before))))
        await scene.time.run_for(4000)
        assert scene.told.says("queued", "not_yet")
        assert scene.ways.downloads == []
        await scene.time.run_until(lambda: scene.told.says("confirmed"))
