"""A microcontroller on a serial port that is no hardware: ``async with FakeMcu() as mcu: Link(mcu.path)``.

It speaks the management protocol and sends reports as the firmware does, and fails when it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edged.mcu import demux, packet, report
from edged.testing.mcu_board import FakeBoard

OUTGOING_BYTES = 1 << 16
"""So much waits for a reader; then reports are dropped, as by a board whose buffer is full."""

INJECTED, REQUESTED, NOT_CONFIRMED = 1, 1, 3
"""A result's source, and the reasons of a farewell."""

_READ_BYTES = 1 << 16


@dataclass(slots=True)
class Faults:
    """What goes wrong next, counted down; ``hanging`` until it is set back."""

    drop: int = 0
    """Answers that are not sent."""
    corrupt: int = 0
    """Answers with a flipped bit."""
    deaf: int = 0
    """Requests that are not heard."""
    hanging: bool = False
    """Nothing is heard or sent at all, reports neither."""


class FakeMcu:
    """``board`` may be changed while it runs. ``path`` stays the same through ``vanish`` and ``plug_in``.

    It reports its health every ``health_s``, and gives up a trial that is not confirmed after ``trial_s``. Given ``away_s``, it is
    a board with USB of its own: at each reset its port goes, and is made anew after that time.
    """

    def __init__(
        self,
        board: FakeBoard | None = None,
        path: Path | None = None,
        *,
        health_s: float = 5.0,
        trial_s: float = 120.0,
        away_s: float | None = None,
    ) -> None:
        self.board = board or FakeBoard()
        self.faults = Faults()
        self.health_s = health_s
        self.trial_s = trial_s
        self.away_s = away_s
        self._directory = tempfile.TemporaryDirectory(prefix="edged-mcu-") if path is None else None
        self.path = path or Path(self._directory.name if self._directory else "") / "port"
        self._master = self._slave = -1
        self._outgoing = bytearray()
        self._demultiplexer = demux.Demultiplexer()
        self._started_s = 0.0
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._trial: asyncio.TimerHandle | None = None
        self._return: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> FakeMcu:
        self.plug_in()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.vanish()
        if self._directory is not None:
            self._directory.cleanup()

    def plug_in(self) -> None:
        """Be there; the board starts."""
        if self._return is not None:
            self._return.cancel()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self._start()

    def vanish(self) -> None:
        """Be pulled out."""
        if self._return is not None:
            self._return.cancel()
        if self._master < 0:
            return
        for timer in (self._timer, self._trial):
            if timer is not None:
                timer.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._outgoing.clear()
        self.path.unlink(missing_ok=True)

    def say(self, text: bytes) -> None:
        """Print, as a loader or a fault handler does."""
        self._send(text)

    def send(self, said: report.Report) -> None:
        """Send a report; dropped if too much waits for a reader."""
        data = report.encode(said, self._sequence)
        self._sequence = (self._sequence + 1) & 0xFFFF
        if not self.faults.hanging and len(self._outgoing) + len(data) <= OUTGOING_BYTES:
            self._send(data)

    def result(self, data: bytes, *, source: int = 0, output: int = 0, outputs: int = 1) -> None:
        """Report an output of an inference: of the sensor unless ``source`` says otherwise."""
        board, spec = self.board, self.board.outputs[output]
        self.send(
            report.Result(
                inference=board.inferences,
                source=source,
                status=0,
                output=output,
                outputs=outputs,
                dtype=spec.dtype,
                scale=spec.scale,
                zero_point=spec.zero,
                invoke_us=board.invoke_us,
                uptime_ms=self._uptime_ms(),
                model_hash=board.model_hash[: report.HASH_BYTES],
                total=len(data),
                data=data,
            )
        )

    def reset(self) -> None:
        """Start again by itself, as after a fault or a power cut."""
        self._outgoing.clear()
        self._start_again()

    def _start_again(self) -> None:
        self.board.reset()
        if self.away_s is None:
            self._start()
        else:
            self.vanish()
            self._return = asyncio.get_running_loop().call_later(self.away_s, self.plug_in)

    def _start(self) -> None:
        self._demultiplexer = demux.Demultiplexer()
        self._started_s = time.monotonic()
        self._sequence = 0
        self._hello()
        self._beat()
        if self._trial is not None:
            self._trial.cancel()
        self._trial = asyncio.get_running_loop().call_later(self.trial_s, self._end_trial)

    def _end_trial(self) -> None:
        """What is not confirmed in time is over."""
        if self.board.firmware.on_trial or self.board.model.on_trial:
            self.send(report.Bye(NOT_CONFIRMED))
            self._start_again()

    def _hello(self) -> None:
        self.send(self.board.hello())

    def _beat(self) -> None:
        """Health now, and every so often."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self.health_s, self._beat)
        self.send(self.board.health(uptime_ms=self._uptime_ms(), reports=self._sequence))

    def _uptime_ms(self) -> int:
        return int((time.monotonic() - self._started_s) * 1000)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for event in self._demultiplexer.feed(os.read(self._master, _READ_BYTES)):
                if isinstance(event, demux.SmpPacket):
                    self._handle(event.message)

    def _handle(self, message: bytes) -> None:
        faults = self.faults
        if faults.hanging or self._master < 0:
            return
        if faults.deaf:
            faults.deaf -= 1
            return
        answer = self.board.handle(message)
        if answer is not None:
            self._answer(answer)
        self._report()

    def _report(self) -> None:
        """What a request brings about beside its answer."""
        board = self.board
        for output, data in enumerate(board.results):
            self.result(data, source=INJECTED, output=output, outputs=len(board.results))
        board.results.clear()
        if board.hello_asked:
            board.hello_asked = False
            self._hello()
        if board.reset_asked:
            self.send(report.Bye(REQUESTED))
            self._start_again()

    def _answer(self, answer: bytes) -> None:
        data = bytearray(packet.encode(answer))
        if self.faults.drop:
            self.faults.drop -= 1
            return
        if self.faults.corrupt:
            self.faults.corrupt -= 1
            data[len(data) // 2] ^= 1
        self._send(data)

    def _send(self, data: bytes | bytearray) -> None:
        self._outgoing += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(BlockingIOError):
            del self._outgoing[: os.write(self._master, self._outgoing)]
        if self._outgoing:
            loop.add_writer(self._master, self._flush)
        else:
            loop.remove_writer(self._master)
