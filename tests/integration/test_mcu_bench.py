"""Trials on several boards at once: all of them, or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from broker import DEADLINE_S, running, until

from edged.core.errors import BoardSilent, UpdateFailed, UpdateRefused
from edged.core.event import Occurrence
from edged.core.mcu import POWER_ON
from edged.daemon.given_up import GivenUp
from edged.daemon.mcu_bench import McuBench
from edged.daemon.mcu_trial import SILENT_S, BoardTrial
from edged.daemon.mcu_trials import CONFIRM_WITHIN_S, Trials
from edged.daemon.mcu_tries import TOLD_AFTER
from edged.daemon.mcus import Mcus
from edged.daemon.publishing import Publishing
from edged.mcu.bundle import read_package
from edged.mcu.duties import MAX_AWAY
from edged.mcu.image import parse
from edged.mcu.settings import McuSettings
from edged.ota.judgement import Verdict
from edged.ota.target import Chunks, SignedTarget, Target
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image
from edged.testing.mcu_slots import Slots

PATH = "mcu-model/person"
KEY = Key()
BACK_S = 3.0
WATCHDOG = 2
"""Of the reasons of a start."""
SIGNED = SignedTarget(
    target=Target(kind="mcu-model", id="person", sequence=1, version="2", chunks=Chunks(count=1, index_sha256="0" * 64)),
    length=1,
    sha256="0" * 64,
)


@dataclass
class Scene:
    """Two boards that follow the same id, and a bundle for them."""

    boards: tuple[FakeMcu, FakeMcu]
    mcus: Mcus
    bench: McuBench
    bundle: Path

    @property
    def models(self) -> list[str]:
        """What they run, and whether they keep it."""
        slots = [mcu.board.model for mcu in self.boards]
        return [f"{image.version} {it.state}" for it in slots if (image := it.image(it.running))]

    @property
    def troubles(self) -> list[str]:
        """What health says of updates, by board."""
        seen = self.mcus.observe(0)
        return [it.state.mcu for it in seen for code, _ in it.problems if code == "mcu_update_failed"]

    async def all_there(self) -> None:
        """Wait until both said who they are."""
        await until(lambda: all(keeper.present for keeper in self.mcus.keepers.values()))


def model(version: int) -> bytes:
    return make_image(bytes([version]) * 100, KEY, board="host", version=(version, 0, 0), model="person")


def board(runs: int = 1) -> FakeBoard:
    """One that has model 1 from the factory, and ``runs`` it, or one that was installed since."""
    made = FakeBoard(key=KEY)
    made.firmware.put(make_image(b"firmware", KEY, board="host"))
    made.model.put(model(1))
    if runs != 1:
        made.model.write(0, data := model(runs), len(data), None)
        made.model.request(parse(data).hash)
        made.model.reset()
        made.model.confirm()
    return made


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


@asynccontextmanager
async def set_up(directory: Path, away_s: float | None = None, back_s: float = BACK_S, runs: int = 1) -> AsyncIterator[Scene]:
    bundle = directory / "bundle"
    bundle.mkdir()
    (bundle / "image.bin").write_bytes(model(2))
    happened: list[Occurrence] = []

    async def put(occurrence: Occurrence) -> None:
        happened.append(occurrence)

    async with AsyncExitStack() as stack:
        names = ("porch", "yard")
        fakes = [FakeMcu(board(runs), directory / name, health_s=0.05, away_s=away_s) for name in names]
        boards = [await stack.enter_async_context(fake) for fake in fakes]
        settings = {name: McuSettings(port=str(directory / name), follow_model="person") for name in names}
        mcus = Mcus(settings, put, Publishing(None), lambda: None)
        bench = McuBench(mcus, 0.1, lambda path: None, GivenUp(directory / "given-up"), back_s=back_s, again_s=0.01)
        await stack.enter_async_context(running(mcus.run()))
        await stack.enter_async_context(running(bench.run()))
        await until(lambda: len(mcus.keepers) == 2 and all(keeper.present for keeper in mcus.keepers.values()))
        yield Scene((boards[0], boards[1]), mcus, bench, bundle)


async def verdict_on(bench: McuBench) -> Verdict:
    async with asyncio.timeout(DEADLINE_S):
        while not (verdict := bench.trial(PATH)):
            await asyncio.sleep(0.01)
    assert isinstance(verdict, Verdict)
    return verdict


async def test_all_boards_confirm(scene: Scene) -> None:
    await scene.bench.probe(SIGNED, scene.bundle)
    await scene.bench.swap(PATH, scene.bundle)
    assert scene.models == ["2.0.0 trial"] * 2
    assert (await verdict_on(scene.bench)).code == "ok"
    await scene.bench.confirm(PATH)
    assert scene.models == ["2.0.0 confirmed"] * 2


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


async def test_going_back_to_what_nobody_installed_is_the_other_slot(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    await scene.bench.go_back(PATH, None)
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_what_is_revoked_is_left_also_when_nothing_is_wanted_instead_later(scene: Scene, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "image.bin").write_bytes(model(1))
    scene.mcus.duties.want(PATH, first)
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    away = scene.boards[1]
    away.vanish()
    await until(lambda: not scene.mcus.keepers["yard"].present)
    await scene.bench.go_back(PATH, first)
    assert dict(GivenUp(tmp_path / "given-up").read()) == {PATH: parse(model(2)).hash}
    scene.mcus.duties.want(PATH, None)
    away.plug_in()
    await until(lambda: scene.models[1] == "1.0.0 confirmed")


async def test_one_that_is_away_goes_back_when_it_is_there(scene: Scene, tmp_path: Path) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    away = scene.boards[1]
    away.vanish()
    await until(lambda: not scene.mcus.keepers["yard"].present)
    await scene.bench.go_back(PATH, None)
    assert scene.models == ["1.0.0 confirmed", "2.0.0 confirmed"]
    kept = dict(GivenUp(tmp_path / "given-up").read())
    assert kept == {PATH: read_package(scene.bundle, "model").hash}, "edged may start anew meanwhile"
    away.plug_in()
    await until(lambda: scene.models == ["1.0.0 confirmed"] * 2)
    assert scene.troubles == []


async def test_what_was_given_up_before_edged_started_is_left(tmp_path: Path) -> None:
    GivenUp(tmp_path / "given-up").write({PATH: [bytes(32), parse(model(2)).hash]})
    async with set_up(tmp_path, runs=2) as scene:
        await until(lambda: scene.models == ["1.0.0 confirmed"] * 2)


def test_a_damaged_line_takes_no_other_with_it(tmp_path: Path) -> None:
    file = tmp_path / "given-up"
    assert list(GivenUp(file).read()) == []
    file.write_text(f"{PATH} {'01' * 32}\n{PATH} zz\n\n{PATH}\n{PATH} 03\n{PATH} {'02' * 32}\n")
    assert list(GivenUp(file).read()) == [(PATH, b"\1" * 32), (PATH, b"\2" * 32)]


async def test_one_that_has_nothing_to_go_back_to_is_told_of(scene: Scene) -> None:
    (scene.bundle / "image.bin").write_bytes(model(1))  # what they run from the factory
    scene.bench.settle({PATH: scene.bundle})
    await scene.bench.go_back(PATH, None)
    assert scene.troubles == ["porch", "yard"]
    assert scene.models == ["1.0.0 confirmed"] * 2


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


async def test_boards_that_take_their_ports_with_them(tmp_path: Path) -> None:
    async with set_up(tmp_path, away_s=0.3) as scene:
        await scene.bench.swap(PATH, scene.bundle)
        assert scene.models == ["2.0.0 trial"] * 2
        assert (await verdict_on(scene.bench)).code == "ok"
        await scene.bench.confirm(PATH)
        assert scene.models == ["2.0.0 confirmed"] * 2
        await scene.bench.go_back(PATH, None)
        assert scene.models == ["1.0.0 confirmed"] * 2
        assert scene.troubles == []
        assert [keeper.gateway.state.counters.losses for keeper in scene.mcus.keepers.values()] == [0, 0]


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
