"""emcraft-sf2 in QEMU, with its real loader and its real flash commands: from an empty flash to a person, and every way back."""

from __future__ import annotations

import contextlib
import shutil
import struct
from pathlib import Path

import pytest
from emulated import EMCRAFT, Rig, program
from smpclient.requests.os_management import EchoWrite
from stock import NO_PERSON, PERSON, Stock, vector

from edged.core.errors import BoardRefused
from edged.mcu import demux, report
from edged.mcu.info import FIRMWARE, MODEL, ImageNumber
from edged.tooling.mcu_sign import generate_key


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Stock:
    return Stock.of(EMCRAFT, tmp_path_factory.mktemp("stock"), test_data)


@pytest.fixture(scope="module")
def made(stock: Stock) -> Path:
    """The flash of a device that left the factory with firmware 1.0.0 and person_detect 1.0.0."""
    return stock.flash(stock.loader.with_name("made"), stock.firmware("1.0.0"), stock.people("1.0.0"))


@pytest.fixture
def rig(stock: Stock, made: Path, tmp_path: Path) -> Rig:
    return Rig(EMCRAFT, stock.loader, flash=Path(shutil.copy(made, tmp_path / "flash")))


def entry(stock: Stock, code: bytes) -> bytes:
    """A program that is this code: a vector table of two, and where it points to."""
    return struct.pack("<II", 0x20008000, stock.machine.load_address + 0x200 + 8 + 1) + code


async def bring(rig: Rig, number: ImageNumber, image: bytes) -> None:
    """Upload, and mark for trial."""
    await rig.board.test(await rig.upload(number, image))


async def running(rig: Rig) -> tuple[str, str]:
    info = await rig.board.info()
    assert info.mode == "app"
    return info.version, info.model.version


async def test_an_empty_flash_becomes_a_board_that_tells_a_person(stock: Stock, tmp_path: Path) -> None:
    async with Rig(EMCRAFT, stock.loader, flash=stock.flash(tmp_path / "flash")) as rig:
        hello = await rig.said(report.Hello)
        assert (hello.mode, hello.board, hello.reset_reason) == (0, "emcraft-sf2", 0)
        assert (await rig.board.ask(EchoWrite(d="who is there?"))).r == "who is there?"
        assert (await rig.board.parameters()).buffer_bytes == 4100
        await rig.upload(FIRMWARE, stock.firmware("1.0.0"))
        await rig.upload(MODEL, stock.people("1.0.0"))
        health = await rig.restart()
        assert (health.self_test, health.fw_state, health.model_state, health.inferences) == (1, 2, 2, 2)
        info = await rig.board.info()
        assert (info.mode, info.engine, info.model.name, info.self_test) == ("app", "native", "person_detect", "passed")
        for pixels, answer in ((stock.person, PERSON), (stock.no_person, NO_PERSON)):
            inference = await rig.board.invoke((pixels,))
            assert inference.outputs[0].data == answer
            told = await rig.said(report.Result, source=1)
            assert (told.data, told.total, told.inference, told.status) == (answer, 2, inference.number, 0)
        health = await rig.said(report.Health)
        assert health.rx_bad == health.rx_overruns == health.tx_dropped == 0
        assert health.stack_free > 4096
        assert rig.link.counters.bad == rig.link.gaps == 0


async def test_firmware_on_trial_goes_back_by_a_reset_and_stays_once_confirmed(stock: Stock, rig: Rig) -> None:
    async with rig:
        await rig.started()
        await bring(rig, 0, stock.firmware("1.1.0"))
        assert (await rig.restart()).fw_state == 1
        assert await running(rig) == ("1.1.0", "1.0.0")
        assert (await rig.restart()).fw_state == 2  # not confirmed
        assert await running(rig) == ("1.0.0", "1.0.0")
        other = next(slot for slot in await rig.board.images() if slot.image == FIRMWARE and not slot.active)
        await rig.board.test(other.hash)
        await rig.restart()
        await rig.board.confirm()
        assert (await rig.restart()).fw_state == 2
        assert await running(rig) == ("1.1.0", "1.0.0")
        await rig.board.revert(FIRMWARE)
        await rig.restart()
        await rig.board.confirm()
        await rig.restart()
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_model_on_trial_goes_back_by_a_reset_and_stays_once_confirmed(stock: Stock, rig: Rig) -> None:
    async with rig:
        await rig.started()
        await bring(rig, 1, stock.model("2.0.0", stock.sine))
        health = await rig.restart()
        assert (health.model_state, health.self_test) == (1, 3)
        assert await running(rig) == ("1.0.0", "2.0.0")
        await rig.restart()
        assert await running(rig) == ("1.0.0", "1.0.0")
        other = next(slot for slot in await rig.board.images() if slot.image == MODEL and not slot.active)
        await rig.board.test(other.hash)
        await rig.restart()
        await rig.board.confirm()
        await rig.restart()
        assert await running(rig) == ("1.0.0", "2.0.0")


async def test_a_model_that_fails_its_golden_vectors_is_not_kept_and_goes_back_by_itself(stock: Stock, rig: Rig) -> None:
    vectors = vector(b"\x00", b"\x00", tolerance=255), vector(b"\x00", b"\x80", tolerance=9)
    async with rig:
        await rig.started()
        await bring(rig, 1, stock.model("3.0.0", stock.sine, vectors))
        assert (await rig.restart()).self_test == 2
        info = await rig.board.info()
        assert (info.self_test, info.failed_vector) == ("failed", 1)
        with pytest.raises(BoardRefused, match=r"."):
            await rig.board.confirm()
        assert (await rig.said(report.Bye)).reason == 4
        await rig.started()
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_model_that_the_engine_refuses_is_named_and_the_firmware_runs_on(stock: Stock, rig: Rig) -> None:
    async with rig:
        await rig.started()
        await bring(rig, 1, stock.model("4.0.0", stock.sine[:1000]))
        await rig.restart()
        info = await rig.board.info()
        assert (info.self_test, info.arena_used_bytes) == ("failed", 0)
        assert info.diagnosis
        await rig.said(report.Bye, reason=4)
        await rig.started()
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_what_is_not_ours_never_starts(stock: Stock, rig: Rig, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    generate_key(stranger)
    tiny = entry(stock, bytes(5000))  # none of these is run, so they need not be long
    damaged = bytearray(stock.firmware("1.1.0", tiny))
    damaged[4000] ^= 1
    refused = {
        "wrong key": stock.firmware("1.2.0", tiny, key=stranger),
        "flipped": bytes(damaged),
        "wrong board": stock.firmware("1.3.0", tiny, board="mps2-an385"),
        "downgrade": stock.firmware("0.9.0", tiny, counter=0),
    }
    async with rig:
        await rig.started()
        for name, image in refused.items():
            with contextlib.suppress(BoardRefused):
                await rig.board.upload(FIRMWARE, image, b"")
            slots = [slot for slot in await rig.board.images() if slot.image == FIRMWARE and not slot.active]
            for slot in slots:
                with pytest.raises(BoardRefused):
                    await rig.board.test(slot.hash)
            assert name == "downgrade" or not slots
            await rig.restart()
            assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_trial_that_crashes_goes_back(stock: Stock, rig: Rig) -> None:
    undefined = bytes.fromhex("00de")  # udf
    async with rig:
        await rig.started()
        await bring(rig, 0, stock.firmware("1.1.0", entry(stock, undefined)))
        events = rig.link.events()
        await rig.board.reset()
        await rig.said(report.Bye)
        health = await rig.started()
        said = b""
        while b"\nfault pc=a0000208 " not in said:
            event = await anext(events)
            said += event.data if isinstance(event, demux.Text) else b""
        assert health.reset_reason == 3
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_trial_that_hangs_goes_back(stock: Stock, rig: Rig) -> None:
    forever = bytes.fromhex("fee7")  # b .
    async with rig:
        await rig.started()
        await bring(rig, 0, stock.firmware("1.1.0", entry(stock, forever)))
        await rig.board.reset()
        await rig.said(report.Bye)
        health = await rig.started()
        assert health.reset_reason == 2
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_trial_that_hangs_in_its_set_up_goes_back(stock: Stock, tmp_path: Path) -> None:
    """No loader's watchdog lives that long, and the loop, which feeds one, is not reached."""
    hanging = program(EMCRAFT, "app_hangs.elf").with_suffix(".bin").read_bytes()
    async with Rig(EMCRAFT, stock.loader, flash=stock.flash(tmp_path / "flash", stock.firmware("1.0.0"))) as rig:
        await rig.started()
        await bring(rig, 0, stock.firmware("1.1.0", hanging))
        await rig.board.reset()
        await rig.said(report.Bye)
        assert (await rig.started()).reset_reason == 2
        assert await running(rig) == ("1.0.0", "")


async def test_firmware_that_crashes_again_and_again_ends_in_the_loader_which_takes_another(stock: Stock, tmp_path: Path) -> None:
    crashing = stock.firmware("1.1.0", entry(stock, bytes.fromhex("00de")))
    async with Rig(EMCRAFT, stock.loader, flash=stock.flash(tmp_path / "flash", crashing)) as rig:
        hello = await rig.said(report.Hello)
        assert (hello.mode, hello.boots) == (0, 4)
        assert "crashed" in (await rig.said(report.Log)).text
        await bring(rig, 0, stock.firmware("1.2.0"))
        await rig.restart()
        await rig.board.confirm()
        assert (await rig.board.info()).version == "1.2.0"


async def test_the_loader_is_entered_on_request_and_left_by_a_reset(rig: Rig) -> None:
    async with rig:
        await rig.started()
        await rig.board.reset(to_loader=True)
        await rig.said(report.Bye, reason=2)
        assert (await rig.said(report.Hello)).mode == 0
        assert (await rig.board.info()).mode == "loader"
        with pytest.raises(BoardRefused):
            await rig.board.self_test()
        await rig.restart()
        assert await running(rig) == ("1.0.0", "1.0.0")


async def test_a_sensor_gives_results_until_it_is_told_to_rest(rig: Rig) -> None:
    async with rig:
        await rig.started()
        assert await rig.board.sample(50) == 50
        first = await rig.said(report.Result, source=0)
        second = await rig.said(report.Result, source=0)
        assert second.inference == first.inference + 1
        assert await rig.board.sample(0) == 0
        assert (await rig.board.self_test()).failed is None  # with a sensor's frames in between
