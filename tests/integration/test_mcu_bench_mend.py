"""A board that runs something else than it is to is given that, or told of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from broker import until
from mcu_scene import KEY, PATH, SIGNED, WATCHDOG, Scene, set_up, verdict_on

from edged.core.errors import BoardSilent, UpdateFailed
from edged.core.mcu import POWER_ON
from edged.daemon.mcu_trial import BoardTrial
from edged.daemon.mcu_tries import TOLD_AFTER
from edged.mcu.package import build
from edged.testing.mcu_image import make_image
from edged.testing.tflite import make_tflite

SOFTMAX = 25
"""TFLite's number for it."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


async def test_what_fails_on_one_board_is_not_tried_there_for_ever(scene: Scene) -> None:
    bad = scene.boards[1]
    bad.board.self_test = "failed"
    scene.bench.settle({PATH: scene.bundle})
    await until(lambda: scene.models == ["2.0.0 confirmed", "1.0.0 confirmed"] and scene.troubles == ["yard"])
    resets, introductions = bad.board.resets, scene.mcus.keepers["yard"].introductions
    assert resets == 2, "into it, and out of it"
    bad.reset()
    await until(lambda: scene.mcus.keepers["yard"].introductions > introductions)
    reports = scene.mcus.keepers["yard"].gateway.state.counters.reports
    await until(lambda: scene.mcus.keepers["yard"].gateway.state.counters.reports > reports + 10)
    assert bad.board.resets == resets + 1, "it was tried again"
    bad.board.self_test, bad.board.reset_reason = "passed", WATCHDOG
    bad.vanish()  # as one with USB of its own does in each crash
    await until(lambda: not scene.mcus.keepers["yard"].present)
    bad.plug_in()
    await scene.all_there()
    assert scene.mcus.duties.has_failed("yard", PATH)
    bad.board.reset_reason = POWER_ON
    bad.vanish()
    await until(lambda: not scene.mcus.keepers["yard"].present)
    bad.plug_in()
    await until(lambda: scene.models == ["2.0.0 confirmed"] * 2 and not scene.troubles)


async def test_one_that_is_there_and_does_not_answer_is_tried_again_and_told_of_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bring, silent, told = BoardTrial.bring, [True], list[list[str]]()

    async def bring_or_not(trial: BoardTrial) -> None:
        told.append(scene.troubles)
        if silent[0] and trial.keeper.name == "yard":
            raise BoardSilent("it does not answer")
        await bring(trial)

    monkeypatch.setattr(BoardTrial, "bring", bring_or_not)
    scene.bench.settle({PATH: scene.bundle})
    await until(lambda: len(told) > 2 + TOLD_AFTER)
    assert (told[TOLD_AFTER - 1], told[-1]) == ([], ["yard"])
    silent.clear()
    silent.append(False)
    await until(lambda: scene.models == ["2.0.0 confirmed"] * 2 and not scene.troubles)
    assert len([it for it in caplog.records if "does not run what it is to yet" in it.message]) == 1


async def test_what_is_put_onto_a_board_keeps_an_update_off_it(scene: Scene) -> None:
    scene.boards[0].board.self_test = "not run"  # it takes a while
    scene.bench.settle({PATH: scene.bundle})
    await until(lambda: scene.models[0] == "2.0.0 trial")
    with pytest.raises(UpdateFailed) as caught:
        await scene.bench.swap(PATH, scene.bundle)
    assert caught.value.code == "interrupted"
    assert scene.mcus.keepers["porch"].on_trial, "it is in the hand that had it before"
    scene.boards[0].board.self_test = "passed"
    await until(lambda: scene.models == ["2.0.0 confirmed"] * 2)


async def test_a_board_that_comes_after_the_probe_is_sent_no_operator_that_it_does_not_have(scene: Scene) -> None:
    addition = make_image(build(make_tflite()), KEY, board="host", version=(2, 0, 0), model="person")
    (scene.bundle / "image.bin").write_bytes(addition)
    late = scene.boards[1]
    late.vanish()
    await until(lambda: not scene.mcus.keepers["yard"].present)
    await scene.bench.probe(SIGNED, scene.bundle)
    await scene.bench.swap(PATH, scene.bundle)
    assert (await verdict_on(scene.bench)).code == "ok"
    await scene.bench.confirm(PATH)
    late.board.operators = (SOFTMAX,)
    late.plug_in()
    await until(lambda: scene.troubles == ["yard"])
    assert scene.models == ["2.0.0 confirmed", "1.0.0 confirmed"]
    assert (late.board.model.upload, late.board.model.image(1), late.board.resets) == (None, None, 0)
