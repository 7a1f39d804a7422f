"""An update of microcontrollers on trial: good on all boards, or held against the image, or nothing known of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broker import until
from mcu_scene import BACK_S, PATH, SIGNED, WATCHDOG, Scene, set_up, verdict_on
from smp.image_management import IMG_MGMT_ERR

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.core.mcu import POWER_ON
from edged.daemon.mcu_trial import SILENT_S, BoardTrial
from edged.daemon.mcu_trials import CONFIRM_WITHIN_S, Trials
from edged.mcu.bundle import read_package
from edged.mcu.duties import MAX_AWAY
from edged.testing.mcu_slots import Refused, Slots


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


async def test_a_model_that_the_board_refuses_is_no_golden_vector_that_differs(scene: Scene) -> None:
    board = scene.boards[1].board
    board.diagnosis, board.operator = "operator is not supported", {"op_index": 12, "op_code": 25}
    with pytest.raises(UpdateRefused, match="operator 12, SOFTMAX: operator is not supported") as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert caught.value.code == "model_refused"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (IMG_MGMT_ERR.INVALID_TLV, "bad_signature"),
        (IMG_MGMT_ERR.INVALID_FLASH_ADDRESS, "not_for_device"),
        (IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER, "rolled_back"),
        (IMG_MGMT_ERR.INVALID_IMAGE_VECTOR_TABLE, "not_for_device"),
    ],
)
async def test_an_image_that_a_board_refuses_is_not_sent_again(
    scene: Scene, refusal: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says once it has all of it."""
    write, begun = Slots.write, []

    def judging(slots: Slots, offset: int, data: bytes, length: int | None, sha: bytes | None) -> int:
        if offset == 0:
            begun.append(length)
        if offset + len(data) == (scene.bundle / "image.bin").stat().st_size:
            raise Refused(refusal)
        return write(slots, offset, data, length, sha)

    monkeypatch.setattr(Slots, "write", judging)
    with pytest.raises(UpdateRefused) as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert (caught.value.code, len(begun)) == (code, 1)
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_a_refusal_that_may_pass_is_none_of_the_image(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*what: object) -> int:
        raise Refused(IMG_MGMT_ERR.NO_FREE_SLOT)

    monkeypatch.setattr(Slots, "write", busy)
    with pytest.raises(UpdateFailed) as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert caught.value.code == "interrupted"


async def test_a_model_that_is_refused_in_the_midst_of_its_trial(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    board, keeper = scene.boards[0].board, scene.mcus.keepers["porch"]
    board.diagnosis = "the arena is too small"
    keeper.configure(replace(keeper.settings, sample_ms=0), ())  # upon which it is asked anew
    verdict = await verdict_on(scene.bench)
    assert (verdict.code, "the arena is too small" in verdict.detail) == ("model_refused", True)
    assert [code for code, _ in keeper.gateway.problems(time.monotonic_ns())] == ["mcu_model_refused"]


async def test_a_report_from_the_midst_of_a_self_test_is_no_verdict(scene: Scene) -> None:
    """After five seconds of it a board says how it is: "not run" then."""
    for mcu in scene.boards:
        mcu.board.self_test = "not run"
    trials = [BoardTrial(it, read_package(scene.bundle, "model"), BACK_S) for it in scene.mcus.keepers.values()]
    for it in trials:
        await it.bring()
    begun = asyncio.gather(*(it.begin() for it in trials), return_exceptions=True)
    await until(lambda: all(it.keeper.gateway.state.boots == 1 and it.keeper.present for it in trials))
    await heard(scene, 3)
    assert not begun.done()
    scene.boards[0].board.self_test, scene.boards[1].board.self_test = "passed", "failed"
    passed, failed = await begun
    assert passed is None
    assert isinstance(failed, UpdateRefused) and failed.code == "golden_differs"


async def test_nothing_is_confirmed_by_a_late_report_from_the_midst_of_a_self_test(scene: Scene) -> None:
    trial = BoardTrial(scene.mcus.keepers["porch"], read_package(scene.bundle, "model"), BACK_S)
    await trial.bring()
    await trial.begin()
    for mcu in scene.boards:
        mcu.board.self_test = "not run"
    await heard(scene, 3)
    assert trial.verdict(time.monotonic(), 0) is None
    for mcu in scene.boards:
        mcu.board.self_test = "passed"
    await heard(scene, 3)
    verdict = trial.verdict(time.monotonic(), 0)
    assert verdict and verdict.detail.endswith("self-test passed")


async def test_without_golden_vectors_the_verdict_says_so(scene: Scene) -> None:
    for mcu in scene.boards:
        mcu.board.vectors = 0
    await scene.bench.swap(PATH, scene.bundle)
    verdict = await verdict_on(scene.bench)
    assert verdict.code == "ok" and verdict.detail.count("no golden vectors") == 2


async def heard(scene: Scene, reports: int) -> None:
    """Wait for so many more of each board."""
    states = {name: keeper.gateway.state.counters.reports for name, keeper in scene.mcus.keepers.items()}
    await until(lambda: all(it.gateway.state.counters.reports >= states[name] + reports for name, it in scene.mcus.keepers.items()))


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
