"""An update that boards are to keep: all of them, or those that did until the others can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from broker import until
from mcu_scene import PATH, SIGNED, Scene, model, set_up, verdict_on

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.testing.mcu_slots import Slots


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


async def test_all_boards_confirm(scene: Scene) -> None:
    await scene.bench.probe(SIGNED, scene.bundle)
    await scene.bench.swap(PATH, scene.bundle)
    assert scene.models == ["2.0.0 trial"] * 2
    assert (await verdict_on(scene.bench)).code == "ok"
    await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed"] * 2


async def test_a_board_that_is_slow_to_confirm_holds_up_no_other(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    scene.boards[0].faults.hanging = True
    confirming = asyncio.create_task(scene.bench.confirm(PATH))
    await until(lambda: scene.models == ["2.0.0 trial", "2.0.0 confirmed"])
    scene.boards[0].faults.hanging = False
    await confirming
    assert scene.models == ["2.0.0 confirmed"] * 2


async def test_one_that_loses_its_power_before_it_confirms(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    assert (await verdict_on(scene.bench)).code == "ok"
    scene.boards[1].board.reset()  # unheard
    with pytest.raises(UpdateFailed):
        await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed", "1.0.0 confirmed"]
    await scene.bench.swap(PATH, scene.bundle)  # as the updater does soon
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed"] * 2
    assert scene.boards[0].board.resets == 1, "it had it already"


async def test_one_that_kept_what_is_refused_then_goes_back(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    scene.boards[1].board.reset()  # unheard
    with pytest.raises(UpdateFailed):
        await scene.bench.confirm(PATH)
    scene.boards[1].board.self_test = "failed"
    with pytest.raises(UpdateRefused):
        await scene.bench.swap(PATH, scene.bundle)
    await until(lambda: scene.models == ["1.0.0 confirmed"] * 2)


async def test_one_that_may_have_kept_it_is_not_taken_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    confirm = Slots.confirm

    def confirm_and_go(slots: Slots) -> None:
        confirm(slots)
        for mcu in scene.boards:
            if mcu.board.model is slots:
                mcu.faults.drop = 1
                asyncio.get_running_loop().call_soon(mcu.vanish)

    monkeypatch.setattr(Slots, "confirm", confirm_and_go)
    with pytest.raises(UpdateFailed) as caught:
        await scene.bench.confirm(PATH)
    assert caught.value.code == "mcu_away"
    monkeypatch.undo()
    await until(lambda: not any(keeper.present for keeper in scene.mcus.keepers.values()))
    for mcu in scene.boards:
        mcu.plug_in()
    await scene.all_there()
    assert scene.mcus.duties.next() is None
    resets = [mcu.board.resets for mcu in scene.boards]
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed"] * 2
    assert [mcu.board.resets for mcu in scene.boards] == resets, "they had it already"


@pytest.mark.parametrize("before", [True, False])
async def test_what_some_kept_and_nobody_wants_any_more_is_left(scene: Scene, tmp_path: Path, before: bool) -> None:
    if before:  # else they run what nobody installed
        first = tmp_path / "first"
        first.mkdir()
        (first / "image.bin").write_bytes(model(1))
        scene.mcus.duties.want(PATH, first)
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    scene.boards[1].board.reset()  # unheard
    with pytest.raises(UpdateFailed):
        await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed", "1.0.0 confirmed"]
    await scene.bench.abandon(PATH)
    await until(lambda: scene.models == ["1.0.0 confirmed"] * 2)
    assert scene.troubles == []
