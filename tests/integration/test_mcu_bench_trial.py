"""An update of microcontrollers on trial: good on all boards, or held against the image, or nothing known of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from broker import until
from mcu_scene import BACK_S, PATH, SIGNED, WATCHDOG, Scene, set_up, verdict_on

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.core.mcu import POWER_ON
from edged.daemon.mcu_trial import SILENT_S, BoardTrial
from edged.daemon.mcu_trials import CONFIRM_WITHIN_S, Trials
from edged.mcu.bundle import read_package
from edged.mcu.duties import MAX_AWAY


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


async def test_one_that_fails_its_self_test_takes_the_other_back(scene: Scene) -> None:
    scene.boards[1].board.self_test = "failed"
    with pytest.raises(UpdateRefused) as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert caught.value.code == "golden_differs"
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_one_that_goes_back_by_itself_takes_the_other_back(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    scene.boards[0].board.reset_reason = WATCHDOG
    scene.boards[0].reset()
    assert (await verdict_on(scene.bench)).code == "crashed"
    await scene.bench.go_back(PATH, None)
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_one_that_is_pulled_out_withdraws_the_trial(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    scene.boards[0].vanish()
    with pytest.raises(UpdateFailed) as caught:
        await verdict_on(scene.bench)
    assert caught.value.code == "mcu_away"


async def test_none_is_there(scene: Scene) -> None:
    for mcu in scene.boards:
        mcu.vanish()
    await until(lambda: not any(keeper.present for keeper in scene.mcus.keepers.values()))
    for step in (scene.bench.probe(SIGNED, scene.bundle), scene.bench.swap(PATH, scene.bundle)):
        with pytest.raises(UpdateFailed) as caught:
            await step
        assert caught.value.code == "mcu_away"


@pytest.mark.parametrize(("reason", "code"), [(WATCHDOG, "crashed"), (POWER_ON, "mcu_away")])
@pytest.mark.parametrize("away_s", [None, 0.3])  # at a UART, or taking its port with it
async def test_one_that_starts_anew_crashed_unless_it_lost_its_power(
    tmp_path: Path, away_s: float | None, reason: int, code: str
) -> None:
    async with set_up(tmp_path, away_s=away_s) as scene:
        await scene.bench.swap(PATH, scene.bundle)
        scene.boards[0].board.reset_reason = reason
        scene.boards[0].reset()
        try:
            found = (await verdict_on(scene.bench)).code
        except UpdateFailed as error:
            found = error.code
        assert found == code


async def test_one_that_goes_away_in_each_trial_is_held_against_the_image(tmp_path: Path) -> None:
    async with set_up(tmp_path, back_s=0.1) as scene:
        for _ in range(MAX_AWAY - 1):
            await scene.bench.swap(PATH, scene.bundle)
            scene.boards[0].vanish()
            with pytest.raises(UpdateFailed):
                await verdict_on(scene.bench)
            for mcu in scene.boards:
                mcu.board.reset()
            scene.boards[0].plug_in()
            await scene.all_there()
        await scene.bench.swap(PATH, scene.bundle)
        scene.boards[0].vanish()
        assert (await verdict_on(scene.bench)).code == "crashed"


async def test_a_trial_ends_before_that_of_the_first_board_does(scene: Scene) -> None:
    keepers = list(scene.mcus.keepers.values())
    package = read_package(scene.bundle, "model")
    trials = Trials(scene.bundle, package, keepers, scene.mcus.duties.claim([]), BACK_S)
    await trials.start()
    await until(lambda: all(it.verdict(time.monotonic(), 0) for it in trials.boards))
    now_s = time.monotonic()
    assert trials.verdict(now_s, 90) is None
    for it in trials.boards:
        assert it.up_s is not None
    trials.boards[0].up_s = now_s - CONFIRM_WITHIN_S  # so much earlier than the other
    verdict = trials.verdict(now_s, 90)
    assert verdict and verdict.code == "ok"


@pytest.mark.parametrize(("after_s", "code"), [(0.0, None), (SILENT_S + 1, "hung")])
async def test_a_board_that_says_nothing_more(scene: Scene, after_s: float, code: Any) -> None:
    keeper = scene.mcus.keepers["porch"]
    trial = BoardTrial(keeper, read_package(scene.bundle, "model"), BACK_S)
    await trial.bring()
    await trial.begin()
    scene.boards[0].faults.hanging = True
    verdict = trial.verdict(time.monotonic() + after_s, 1e9)
    assert (verdict and verdict.code) == code
