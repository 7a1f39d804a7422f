"""An image on its way to a board: what the line loses, spoils and repeats, and what must never arrive."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from boards import with_images
from broker import DEADLINE_S
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.core.errors import BoardRefused, BoardSilent, ImageFault, ImageRefused, PortLost
from edged.mcu import upload
from edged.mcu.board import Board
from edged.mcu.image import parse
from edged.mcu.info import MODEL
from edged.mcu.install import Brought, bring, restart, try_out
from edged.mcu.link import Link
from edged.mcu.report import Hello
from edged.mcu.transport import Patience
from edged.mcu.upload import Progress
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image, read_image
from edged.testing.noisy import Fault, NoisyLine, no_more

QUICK = Patience(answer_s=0.05, attempts=40)
FAST_BAUD = 4_000_000
"""An answer is waited for as long as the line takes for a message."""

PAYLOAD = bytes(range(256)) * 40
SMALL = PAYLOAD[:1500]
"""What takes more than one message, and few packets: each of them can be spoilt."""

SMALL_PACKETS = len(SMALL) * 4 // 3 // 124
"""At least, in lines of base64."""

FAULTS: st.SearchStrategy[Fault] = st.sampled_from(["pass"] * 12 + ["drop", "flip", "repeat", "truncate"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board is a program that answers at once."""
    monkeypatch.setattr(upload, "FIRST", QUICK)
    monkeypatch.setattr(upload, "PIECE", QUICK)


@pytest.fixture
async def mcu() -> AsyncIterator[FakeMcu]:
    async with FakeMcu(with_images(FakeBoard(buffer_bytes=1024))) as mcu:
        yield mcu


def new_model(on: FakeBoard, *, payload: bytes = PAYLOAD, **changes: object) -> bytes:
    wanted: dict[str, object] = {"board": on.board, "model": "person", "version": (2, 0, 0), "counter": 2, **changes}
    return make_image(payload, **{"key": on.key, **wanted})  # type: ignore[arg-type]


@pytest.mark.parametrize("buffers", [1, 2])
async def test_an_upload_says_how_far_it_is(mcu: FakeMcu, buffers: int) -> None:
    mcu.board.buffers = buffers
    data = new_model(mcu.board)
    seen: list[Progress] = []
    async with Link(mcu.path) as link:
        brought = await bring(Board(link), parse(data), data, seen.append)
        assert brought.outcome == "sent"
        again = await bring(Board(link), parse(data), data)
        assert again.outcome == "was there"
    assert [it.sent_bytes for it in seen] == sorted(it.sent_bytes for it in seen)
    assert seen[-1].sent_bytes == seen[-1].total_bytes == len(data)
    assert seen[-1].rate_bps > 0


@pytest.mark.parametrize("buffers", [1, 2])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(FAULTS, max_size=160))
def test_whatever_the_line_does_the_image_arrives_or_nothing_does(buffers: int, faults: list[Fault]) -> None:
    """Invariant: the slot holds exactly what was sent, or no image; an error is one of ours; what runs is untouched."""

    async def transfer() -> None:
        async with FakeMcu(with_images(FakeBoard(buffer_bytes=1024, buffers=buffers))) as mcu:
            data = new_model(mcu.board)
            async with NoisyLine(mcu.path, no_more(faults)) as line, Link(line.path) as link:
                board = Board(link, QUICK)
                try:
                    await bring(board, parse(data), data)
                    arrived = True
                except (BoardSilent, BoardRefused, ImageRefused):
                    arrived = False
            held = mcu.board.model.image(1)
            assert (held is not None and held.payload == PAYLOAD) if arrived else (held is None or held.payload == PAYLOAD)
            assert mcu.board.model.running == mcu.board.model.confirmed == 0

    asyncio.run(transfer())


async def bring_over(line: NoisyLine, data: bytes) -> Brought | None:
    """What came of it over this line, or None if the cable was pulled."""
    try:
        async with Link(line.path, FAST_BAUD) as link:
            return await bring(Board(link, QUICK), parse(data), data)
    except (PortLost, BoardSilent):
        return None


async def test_a_cable_pulled_after_each_packet_costs_no_more_than_that(mcu: FakeMcu) -> None:
    data = new_model(mcu.board, payload=SMALL)
    for cut in itertools.count(1):
        mcu.board.model.erase()
        async with NoisyLine(mcu.path, lambda: "pass") as line:
            line.cut_after = cut
            if await bring_over(line, data) is not None:
                break  # it has no more
        under_way = mcu.board.model.upload
        there = 0 if under_way is None else len(under_way.data)
        async with NoisyLine(mcu.path, lambda: "pass") as line:
            brought = await bring_over(line, data)
        assert brought is not None
        if brought.progress is not None:
            assert brought.progress.resumed_bytes >= there - 1024
        held = mcu.board.model.image(1)
        assert held is not None
        assert held.payload == SMALL
    assert cut > SMALL_PACKETS


@pytest.mark.parametrize("fault", ["drop", "flip", "repeat", "truncate"])
async def test_a_line_that_spoils_each_packet_costs_no_more_than_time(mcu: FakeMcu, fault: Fault) -> None:
    data = new_model(mcu.board, payload=SMALL)
    for packet in itertools.count():
        mcu.board.model.erase()
        async with NoisyLine(mcu.path, no_more([*["pass"] * packet, fault])) as line:
            assert await bring_over(line, data) is not None, packet
            if line.lines <= packet:
                break  # it has no more
        held = mcu.board.model.image(1)
        assert held is not None
        assert held.payload == SMALL
        assert mcu.board.model.running == mcu.board.model.confirmed == 0
    assert packet > SMALL_PACKETS


async def test_a_board_that_starts_again_in_the_middle(mcu: FakeMcu) -> None:
    data = new_model(mcu.board)
    resets = 0

    def reset_once(progress: Progress) -> None:
        nonlocal resets
        if resets == 0 and progress.sent_bytes > 5000:
            resets += 1
            mcu.reset()

    async with Link(mcu.path) as link:
        brought = await bring(Board(link, QUICK), parse(data), data, reset_once)
    assert resets == 1
    assert brought.progress is not None
    assert mcu.board.model.image(1) is not None


async def test_a_board_that_forgets_again_and_again(mcu: FakeMcu) -> None:
    data = new_model(mcu.board)

    def always(progress: Progress) -> None:
        mcu.board.model.upload = None

    async with Link(mcu.path) as link:
        with pytest.raises(BoardRefused, match="forgets again and again"):
            await bring(Board(link, QUICK), parse(data), data, always)


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("wrong board", {"board": "emcraft-sf2"}),
        ("wrong key", {"key": Key()}),
        ("downgrade", {"counter": 0}),
        ("too large", {}),
    ],
)
async def test_what_a_board_must_not_get_is_refused_before_a_byte_is_sent(
    mcu: FakeMcu, fault: ImageFault, changes: dict[str, object]
) -> None:
    if fault == "too large":
        mcu.board.slot_bytes = 9_000
    data = new_model(mcu.board, **changes)
    async with Link(mcu.path) as link:
        with pytest.raises(ImageRefused) as refused:
            await bring(Board(link), parse(data), data)
    assert refused.value.fault == fault
    assert refused.value.hint
    assert mcu.board.model.upload is None


async def test_there_is_no_way_back_behind_a_security_counter(mcu: FakeMcu) -> None:
    data = new_model(mcu.board, counter=2)
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)
        await try_out(board, await bring(board, parse(data), data))
        await board.confirm()
        with pytest.raises(BoardRefused, match=r"does not go back to 1\.0\.0"):
            await board.revert(MODEL)


async def test_what_never_ran_to_be_kept_is_nothing_to_go_back_to(mcu: FakeMcu) -> None:
    data = new_model(mcu.board, counter=1)
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)

        async def kept() -> list[tuple[str, bool]]:
            return [(slot.version, slot.confirmed) for slot in await board.images() if slot.image == MODEL]

        brought = await bring(board, parse(data), data)
        assert await kept() == [("1.0.0", True), ("2.0.0", False)]
        with pytest.raises(BoardRefused, match=r"nothing to go back to: 2\.0\.0"):
            await board.revert(MODEL)
        info = await try_out(board, brought)
        assert await kept() == [("1.0.0", True), ("2.0.0", False)]
        assert (await board.revert(MODEL)).version == "1.0.0"
        info = await restart(board, info)  # the trial failed
        with pytest.raises(BoardRefused, match=r"nothing to go back to: 2\.0\.0"):
            await board.revert(MODEL)
        await try_out(board, brought)
        await board.confirm()
        assert await kept() == [("1.0.0", True), ("2.0.0", True)]


async def test_a_trial_is_of_what_was_sent(mcu: FakeMcu) -> None:
    data = new_model(mcu.board, counter=1)
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)
        info = await try_out(board, await bring(board, parse(data), data))
        assert (info.model.version, info.model.state, info.self_test) == ("2.0.0", "trial", "passed")
        await board.confirm()
        assert (await bring(board, parse(data), data)).outcome == "runs already"
        back = await board.revert(MODEL)
        assert back.version == "1.0.0"


async def test_a_port_that_stays_away_after_a_reset(mcu: FakeMcu) -> None:
    mcu.away_s = 60.0
    data, gone = new_model(mcu.board, counter=1), []
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)
        brought = await bring(board, parse(data), data)
        with pytest.raises(PortLost, match="did not come back within") as lost:
            await try_out(board, brought, 0.3, gone.append)
        assert (lost.value.fault, gone) == ("absent", [mcu.path])
        mcu.plug_in()
        await link.reopen(DEADLINE_S)
        reports = link.reports()
        assert (await board.info()).model.state == "trial"
        assert isinstance(await anext(reports), Hello)


async def test_a_model_that_fails_its_self_test(mcu: FakeMcu) -> None:
    mcu.board.self_test = "failed"
    data = new_model(mcu.board)
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)
        with pytest.raises(BoardRefused, match="fails its self-test at golden vector 0"):
            await try_out(board, await bring(board, parse(data), data))


async def test_a_board_that_does_not_come_back(mcu: FakeMcu) -> None:
    async with Link(mcu.path) as link:
        board = Board(link, QUICK)
        before = await board.info()
        mcu.board.self_test = "not run"
        with pytest.raises(BoardSilent, match="did not come back"):
            await restart(board, before, within_s=0.3)


def test_no_bit_of_an_image_can_be_flipped() -> None:
    """The board that is no hardware is as strict as one that is."""
    key = Key()
    image = make_image(b"model", key, board="host", model="person")
    assert read_image(image, key) is not None
    for bit in range(len(image) * 8):
        spoilt = bytearray(image)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert read_image(bytes(spoilt), key) is None, bit
