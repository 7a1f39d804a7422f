"""An update that boards are to leave: those that are there at once, the others when they appear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from broker import until
from mcu_scene import PATH, Scene, model, set_up, verdict_on

from edged.daemon import mcu_keeper
from edged.daemon.given_up import GivenUp
from edged.mcu.bundle import read_package
from edged.mcu.image import parse
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_image import Key


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with set_up(tmp_path) as made:
        yield made


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
    stays = await scene.bench.go_back(PATH, None)
    assert stays == "; ".join(f"{name}: the board has nothing to go back to" for name in ("porch", "yard"))
    assert scene.troubles == ["porch", "yard"]
    assert scene.models == ["1.0.0 confirmed"] * 2


async def test_one_that_does_not_come_back_is_told_of(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcu_keeper, "BACK_S", 1.0)
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    scene.boards[1].away_s = 1e3
    stays = await scene.bench.go_back(PATH, None)
    assert stays == "yard: microcontroller yard did not come back within 1 s"
    assert scene.models[0] == "1.0.0 confirmed"


async def test_one_that_never_ran_it_is_told_of_by_health_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "image.bin").write_bytes(model(3))
    async with set_up(tmp_path) as scene:
        keep_to_itself(scene.boards[1])
        scene.bench.settle({PATH: scene.bundle})
        await until(lambda: scene.models == ["2.0.0 confirmed", "1.0.0 confirmed"] and scene.troubles == ["yard"])
        assert await scene.bench.go_back(PATH, other) == ""
        await until(lambda: scene.models == ["3.0.0 confirmed", "1.0.0 confirmed"])
        assert scene.troubles == ["yard"]


async def test_one_that_runs_it_and_does_not_take_what_comes_instead_is_told_of(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "image.bin").write_bytes(model(3))
    async with set_up(tmp_path, runs=2) as scene:
        scene.bench.settle({PATH: scene.bundle})  # and so both are looked at just now
        keep_to_itself(scene.boards[1])
        assert "yard: this model is signed by key" in await scene.bench.go_back(PATH, other)
        assert scene.models == ["3.0.0 confirmed", "2.0.0 confirmed"]
        assert scene.troubles == ["yard"]


def keep_to_itself(mcu: FakeMcu) -> None:
    """Have it trust another key than that of the images, but for those that it has."""
    mcu.board.key = Key()


async def test_what_cannot_be_read_any_more_is_not_left(scene: Scene) -> None:
    await scene.bench.swap(PATH, scene.bundle)
    await verdict_on(scene.bench)
    await scene.bench.confirm(PATH)
    (scene.bundle / "image.bin").unlink()
    assert "cannot be told" in await scene.bench.go_back(PATH, None)
    assert scene.models == ["2.0.0 confirmed"] * 2


async def test_boards_that_take_their_ports_with_them(tmp_path: Path) -> None:
    async with set_up(tmp_path, away_s=0.3) as scene:
        await scene.bench.swap(PATH, scene.bundle)
        assert scene.models == ["2.0.0 trial"] * 2
        assert (await verdict_on(scene.bench)).code == "ok"
        await scene.bench.confirm(PATH)
        assert scene.models == ["2.0.0 confirmed"] * 2
        assert await scene.bench.go_back(PATH, None) == ""
        assert scene.models == ["1.0.0 confirmed"] * 2
        assert scene.troubles == []
        assert [keeper.gateway.state.counters.losses for keeper in scene.mcus.keepers.values()] == [0, 0]
