"""A link on a PTY: asks, reports, and a port that is not to be had."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import termios
import threading
import tty
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial
from boards import with_images
from broker import DEADLINE_S
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.os_management import EchoWrite

from edged.core.errors import BoardRefused, BoardSilent, PortFault, PortLost
from edged.mcu import packet, report
from edged.mcu.board import Board
from edged.mcu.info import FIRMWARE, MODEL
from edged.mcu.link import Link
from edged.mcu.opening import close_port, open_port, take_port
from edged.mcu.transport import LinkTransport, Patience
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard, Tensor
from edged.testing.mcu_image import make_image

QUICK = Patience(answer_s=0.05, attempts=40)
"""Soon asked again, and long: two seconds are no measure of a busy machine's pace."""


async def echo(board: Board, text: str) -> str:
    """What comes back."""
    return (await board.ask(EchoWrite(d=text))).r


@pytest.fixture
async def mcu() -> AsyncIterator[FakeMcu]:
    async with FakeMcu(with_images(FakeBoard())) as mcu:
        yield mcu


@pytest.fixture
async def link(mcu: FakeMcu) -> AsyncIterator[Link]:
    async with Link(mcu.path) as link:
        yield link


async def test_what_a_board_says_of_itself(mcu: FakeMcu, link: Link) -> None:
    board = Board(link)
    assert await echo(board, "are you there?") == "are you there?"
    info = await board.info()
    assert (info.board, info.mode, info.version, info.state) == ("host", "app", "1.0.0", "confirmed")
    assert (info.model.name, info.model.version, info.self_test) == ("person", "1.0.0", "passed")
    assert info.key == mcu.board.key.hash[:8]
    assert [(slot.image, slot.slot, slot.active, slot.confirmed) for slot in await board.images()] == [
        (FIRMWARE, 0, True, True),
        (MODEL, 0, True, True),
    ]


async def test_an_inference(link: Link, mcu: FakeMcu) -> None:
    reports = link.reports()
    inference = await Board(link).invoke((bytes([1, 2, 3, 10]),))
    assert inference.outputs[0].data == bytes([4, 252])
    async for said in reports:
        if isinstance(said, report.Result):
            assert (said.source, said.data, said.inference) == (1, bytes([4, 252]), inference.number)
            break


async def test_an_input_and_output_of_many_packets(mcu: FakeMcu, link: Link) -> None:
    mcu.board.inputs = mcu.board.outputs = (Tensor((1, 96, 96, 1)),)
    mcu.board.infer = lambda inputs: [inputs[0][::-1]]
    picture = bytes(range(256)) * 36
    inference = await Board(link).invoke((picture,))
    assert inference.outputs[0].data == picture[::-1]


async def test_smpclient_itself_talks_on_a_link(link: Link) -> None:
    async with SMPClient(LinkTransport(link), str(link.path)) as client:
        answer = await client.request(EchoWrite(d="hello"))
        assert success(answer)
        assert answer.r == "hello"


async def test_requests_at_once_get_their_own_answers(link: Link) -> None:
    board = Board(link)
    texts = [f"text {number}" * 20 for number in range(30)]
    assert await asyncio.gather(*(echo(board, text) for text in texts)) == texts


async def test_lost_and_damaged_answers_are_asked_for_again(mcu: FakeMcu, link: Link) -> None:
    mcu.faults.drop, mcu.faults.corrupt, mcu.faults.deaf = 2, 1, 1
    assert await echo(Board(link, QUICK), "still there?") == "still there?"
    assert link.counters.bad == 1


async def test_an_inference_is_not_asked_for_twice(mcu: FakeMcu, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.mcu.board.ONCE_S", 0.1)
    board = Board(link)
    await board.parameters()
    mcu.board.inputs = ()
    mcu.faults.drop = 1
    mcu.board.infer = lambda inputs: [b"\1\2"]
    with pytest.raises(BoardSilent):
        await board.invoke(())
    assert mcu.board.inferences == 1


async def test_a_board_that_hangs(mcu: FakeMcu, link: Link) -> None:
    mcu.faults.hanging = True
    with pytest.raises(BoardSilent, match="does not answer at 115200 baud"):
        await Board(link, Patience(0.02, 2)).info()
    mcu.faults.hanging = False
    assert (await Board(link).info()).board == "host"


async def test_a_port_that_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.mcu.link.STUCK_S", 0.05)
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        async with Link(os.ttyname(slave), 4_000_000) as link:
            with pytest.raises(BoardSilent):
                await echo(Board(link, Patience(0.05, 2)), "x" * 60_000)
    finally:
        os.close(master)
        os.close(slave)


async def test_a_packet_that_finds_no_room_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.mcu.link.STUCK_S", 0.1)
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        async with Link(os.ttyname(slave), 4_000_000) as link:
            stuck = asyncio.ensure_future(link.ask(EchoWrite(d="x" * 60_000).BYTES, 0.1))
            await asyncio.sleep(0)
            message = EchoWrite(d="after it").BYTES
            waiting = asyncio.ensure_future(link.ask(message, 0.1))
            with pytest.raises(TimeoutError):
                await stuck
            came = b""
            while not waiting.done():
                with contextlib.suppress(BlockingIOError):
                    came += os.read(master, 1 << 16)
                await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                await waiting
            assert came.endswith(packet.encode(message)), "what waited behind it came whole"
    finally:
        os.close(master)
        os.close(slave)


async def test_a_port_is_left_without_what_was_not_taken(mcu: FakeMcu, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[int, int]] = []
    monkeypatch.setattr(termios, "tcflush", lambda fd, queue: flushed.append((fd, queue)))
    port = take_port(mcu.path, 115_200)
    descriptor = port.fd
    close_port(port)
    assert flushed[-1] == (descriptor, termios.TCOFLUSH), "a PTY keeps nothing back that could be looked for"


async def test_late_answers_belong_to_nobody(mcu: FakeMcu, link: Link) -> None:
    with pytest.raises(TimeoutError):
        await link.ask(EchoWrite(d="x").BYTES, 0.0)
    assert await echo(Board(link), "now") == "now"
    assert link.counters.strays > 0


async def test_what_a_board_refuses(mcu: FakeMcu, link: Link) -> None:
    board = Board(link)
    with pytest.raises(BoardRefused, match="cannot do that"):
        await board.sample(100)
    mcu.board.self_test = "failed"
    with pytest.raises(BoardRefused, match="refuses ImageStates"):
        await board.confirm()
    with pytest.raises(BoardRefused, match="nothing to go back to"):
        await board.revert(FIRMWARE)


async def test_reports_are_numbered_and_dropped_oldest_first(mcu: FakeMcu, link: Link) -> None:
    reports = link.reports()
    count = 300
    for number in range(count):
        mcu.send(report.Log(20, str(number)))
        await asyncio.sleep(0)
    await echo(Board(link), "after all of them")
    kept = [said async for said in take(reports, count - reports.dropped)]
    assert kept[-1] == report.Log(20, str(count - 1))
    assert reports.dropped == count - len(kept) + link.counters.reports - count
    assert link.gaps == 0


async def exhausted(feed: AsyncIterator[report.Report]) -> None:
    async for _ in feed:
        pass


async def take(feed: AsyncIterator[report.Report], count: int) -> AsyncIterator[report.Report]:
    for _ in range(count):
        yield await anext(feed)


async def test_a_cable_that_is_pulled_out(mcu: FakeMcu) -> None:
    async with Link(mcu.path) as link:
        reports = link.reports()
        asking = asyncio.ensure_future(echo(Board(link, Patience(5.0, 1)), "x"))
        mcu.faults.hanging = True
        await asyncio.sleep(0)
        mcu.vanish()
        for waiting in (asking, exhausted(reports), Board(link).info()):
            with pytest.raises(PortLost) as lost:
                await waiting
            assert lost.value.fault == "vanished"
    mcu.plug_in()
    mcu.faults.hanging = False
    async with Link(mcu.path) as link:
        assert await echo(Board(link), "back") == "back"


@pytest.mark.parametrize(
    ("name", "fault", "hint"),
    [("absent", "absent", "mcu list"), ("file", "not serial", "mcu list"), ("/dev/null", "not serial", "")],
)
async def test_a_port_that_is_none(tmp_path: Path, name: str, fault: PortFault, hint: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PortLost) as lost:
        async with Link(tmp_path / name):
            pass
    assert lost.value.fault == fault
    assert hint in lost.value.hint


async def test_a_port_that_another_has(mcu: FakeMcu) -> None:
    async with Link(mcu.path):
        with pytest.raises(PortLost, match="in use") as lost:
            open_port(mcu.path, 115200)
        assert lost.value.fault == "busy"
        assert "(pid " in lost.value.hint


async def test_who_has_a_port_is_not_looked_up_on_the_event_loop(mcu: FakeMcu, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("edged.mcu.opening.holders", lambda path: threads.append(threading.get_ident()) or ())
    async with Link(mcu.path):
        for _ in range(2):
            with pytest.raises(PortLost) as lost:
                async with Link(mcu.path):
                    pass
            assert lost.value.hint == "Another program has it open; end that first."
        with pytest.raises(PortLost):
            await Link(mcu.path).reopen(0.0)
    assert len(threads) == 2
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("function", ["tcsetattr", "tcgetattr"])
@pytest.mark.parametrize("error", [termios.error(errno.EIO, "Input/output error"), OSError(errno.EIO, "Input/output error")])
async def test_a_plug_that_is_pulled_while_the_port_opens(
    mcu: FakeMcu, monkeypatch: pytest.MonkeyPatch, error: Exception, function: str
) -> None:
    def gone(*_: object) -> None:
        raise error

    monkeypatch.setattr(termios, function, gone)
    with pytest.raises(PortLost, match="is gone: Input/output error") as lost:
        async with Link(mcu.path):
            pass
    assert lost.value.fault == "vanished"


async def test_a_port_without_permission(mcu: FakeMcu, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortLost) as lost:
        open_port(mcu.path, 115200)
    assert lost.value.fault == "no permission"
    assert "adduser" in lost.value.hint or "root" in lost.value.hint


class Mute(FakeBoard):
    """The answer to a reset never comes."""

    def handle(self, message: bytes) -> bytes | None:
        answer = super().handle(message)
        return None if self.reset_asked else answer


class Deaf(FakeBoard):
    """The first words to start again are lost on their way."""

    unheard: int = 1

    def handle(self, message: bytes) -> bytes | None:
        if self.unheard and message[4:6] == bytes(2) and message[7] == 5:
            self.unheard -= 1
            return None
        return super().handle(message)


@pytest.mark.parametrize("kind", [FakeBoard, Mute, Deaf])
@pytest.mark.parametrize("away_s", [None, 0.0])
async def test_a_reset_happens_once(kind: type[FakeBoard], away_s: float | None) -> None:
    async with FakeMcu(with_images(kind()), away_s=away_s) as mcu, Link(mcu.path) as link:
        board = Board(link, QUICK)
        image = make_image(b"2", mcu.board.key, board="host", version=(2, 0, 0))
        await board.upload(FIRMWARE, image, b"")
        await board.test(next(slot.hash for slot in await board.images() if slot.version == "2.0.0"))
        await board.reset()
        if away_s is not None:
            with pytest.raises(PortLost):
                await board.info()
            await link.reopen(DEADLINE_S)
        assert (await board.info()).state == "trial"
        assert mcu.board.resets == 1


async def test_a_board_that_hears_of_no_reset() -> None:
    deaf = with_images(Deaf())
    deaf.unheard = 100
    async with FakeMcu(deaf) as mcu, Link(mcu.path) as link:
        with pytest.raises(BoardSilent):
            await Board(link, QUICK).reset()


async def test_a_trial_that_nobody_confirms(mcu: FakeMcu, link: Link) -> None:
    board, reports = Board(link), link.reports()
    image = make_image(b"2", mcu.board.key, board="host", version=(2, 0, 0))
    await board.upload(FIRMWARE, image, b"")
    await board.test(next(slot.hash for slot in await board.images() if slot.version == "2.0.0"))
    mcu.trial_s = 0.2
    await board.reset()
    while await anext(reports) != report.Bye(3):
        pass
    assert (await board.info()).version == "1.0.0"


async def test_a_trial_that_is_kept_and_one_that_is_not(mcu: FakeMcu, link: Link) -> None:
    board = Board(link)
    image = make_image(b"2", mcu.board.key, board="host", version=(2, 0, 0), counter=2)
    for keep in (False, True):
        await board.upload(FIRMWARE, image, b"")
        new = next(slot for slot in await board.images() if slot.version == "2.0.0")
        await board.test(new.hash)
        await board.reset()
        assert (await board.info()).state == "trial"
        if keep:
            await board.confirm()
        await board.reset()
        info = await board.info()
        assert (info.version, info.state) == ("2.0.0" if keep else "1.0.0", "confirmed")
    assert (await board.info()).counters.firmware == 2
