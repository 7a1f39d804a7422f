"""One reload runs, one waits, everyone who asked hears what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edged.config.problems import Problem
from edged.config.schema import Settings
from edged.core.errors import OutputUnwritable, StoreFailed
from edged.daemon.control import Refused, Reload, Reloaded
from edged.daemon.layers import Layers
from edged.daemon.reload import LEAVING, Reloader, SettingsRefused
from edged.daemon.systemd import Notifier

CONFIG = '[models.m]\nbundle = "m"\n[cameras.door]\nmodel = "m"\nsynthetic = {}\n'


class Whole:
    """Stands for the daemon: takes on settings when the test lets it."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.begun = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.fault: Exception | None = None

    async def take_on(self, settings: Settings) -> tuple[str, ...]:
        self.begun.release()
        await self.gate.acquire()
        if self.fault:
            raise self.fault
        self.taken.append(settings.store.max_events)
        return ("store changed",)

    async def surely(self, settings: Settings) -> None:
        raise NotImplementedError


@asynccontextmanager
async def reloading(path: Path) -> AsyncIterator[tuple[Reloader, Whole]]:
    path.write_text(CONFIG)
    whole = Whole()
    reloader = Reloader(path, Layers(path, whole.take_on, whole.surely).reload, Notifier({}))
    task = asyncio.create_task(reloader.run())
    yield reloader, whole
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.toml"


async def test_storm_of_requests_is_one_that_runs_and_one_that_waits_with_the_newest_file(path: Path) -> None:
    async with reloading(path) as (reloader, whole):
        first = reloader.request()
        await whole.begun.acquire()
        path.write_text(CONFIG + "[store]\nmax_events = 777\n")
        others = [reloader.request() for _ in range(100)]
        assert len({id(it) for it in others}) == 1
        assert others[0] is not first
        whole.gate.release()
        whole.gate.release()
        assert await asyncio.gather(first, *others) == [Reloaded(("store changed",))] * 101
        assert whole.taken == [500_000, 777]
        assert (reloader.accepted, reloader.refused, reloader.status) == (2, 0, "2 reloads")


@pytest.mark.parametrize(
    ("fault", "problems"),
    [
        (
            SettingsRefused("no", (Problem(("cameras", "door", "model"), "unfit"),), hint="mend it"),
            "{}:4: cameras.door.model: unfit",
        ),
        (OutputUnwritable("no", hint="mend it"), None),
    ],
)
async def test_refusal_is_told_with_its_place_logged_counted_and_stays_in_the_status(
    path: Path, fault: Exception, problems: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with reloading(path) as (reloader, whole):
        whole.gate.release()
        whole.fault = fault
        expected = (problems.format(path),) if problems else ()
        assert await reloader.answer(Reload(str(path))) == Refused("no", expected, "mend it")
        said = expected[0] if expected else "no"
        assert reloader.status == f"1 reloads refused, the last because of: {said}"
        assert said in caplog.text
        whole.fault = None
        whole.gate.release()
        await reloader.request()
        assert reloader.status == "1 reloads, 1 reloads refused"


async def test_file_with_mistakes_never_reaches_the_daemon(path: Path) -> None:
    async with reloading(path) as (reloader, whole):
        path.write_text(CONFIG + "[stoer]\n")
        outcome = await reloader.request()
        assert isinstance(outcome, Refused)
        assert outcome.problems[0].startswith(f"{path}:6: stoer: unknown key")
        assert whole.begun.locked()


async def test_other_file_than_the_daemons_is_refused(path: Path, tmp_path: Path) -> None:
    async with reloading(path) as (reloader, whole):
        reply = await reloader.answer(Reload(str(tmp_path / "other.toml")))
        assert isinstance(reply, Refused)
        assert f"runs on {path}" in reply.message
        link = tmp_path / "link.toml"
        link.symlink_to(path)
        whole.gate.release()
        assert await reloader.answer(Reload(str(link))) == Reloaded(("store changed",))


async def test_who_asks_while_it_stops_or_later_is_told_so(path: Path) -> None:
    async with reloading(path) as (reloader, whole):
        asked = [reloader.request()]
        await whole.begun.acquire()
        asked.append(reloader.request())
    asked.append(reloader.request())
    assert await asyncio.gather(*asked) == [LEAVING] * 3


async def test_failing_store_is_no_refusal(path: Path) -> None:
    path.write_text(CONFIG)
    whole = Whole()
    whole.gate.release()
    whole.fault = StoreFailed("disk gone")
    reloader = Reloader(path, Layers(path, whole.take_on, whole.surely).reload, Notifier({}))
    asked = reloader.request()
    with pytest.raises(StoreFailed, match="disk gone"):
        await reloader.run()
    assert await asked == LEAVING
