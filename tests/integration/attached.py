"""A microcontroller that is no hardware, run beside a test that blocks, and a daemon that has it and no camera."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from support import Subscriber

from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import Key, make_image

T = TypeVar("T")

NOBODY, PERSON = b"\x7f\x80", b"\x80\x7f"
"""Outputs of a model with two classes."""

KEY = Key()


class Attached:
    """A ``FakeMcu`` in a thread of its own, since the test waits for a daemon."""

    def __init__(
        self, path: Path, *, plugged_in: bool = True, kind: type[FakeBoard] = FakeBoard, key: Key = KEY, **changes: Any
    ) -> None:
        board = kind(key=key, **changes)
        board.firmware.put(make_image(b"firmware 1", key, board="host"))
        board.model.put(make_image(b"model 1", key, board="host", model="person"))
        self._plugged_in = plugged_in
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.mcu = FakeMcu(board, path, health_s=0.2)

    def __enter__(self) -> Attached:
        self._thread.start()
        if self._plugged_in:
            self.do(self.mcu.plug_in)
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.mcu.vanish)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def board(self) -> FakeBoard:
        """To look at."""
        return self.mcu.board

    def do(self, step: Callable[[], T]) -> T:
        """Have its thread do something, and wait for that."""

        async def doing() -> T:
            return step()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result()

    def infers(self, *outputs: bytes) -> None:
        """Its sensor saw something, and its model said so."""

        def report() -> None:
            for data in outputs:
                self.board.inferences += 1
                self.mcu.result(data)

        self.do(report)

    def firmware(self) -> str:
        """What it runs, by version, and whether it keeps it."""
        slots = self.board.firmware
        image = slots.image(slots.running)
        return f"{image.version if image else 'none'} {slots.state}"

    def model(self) -> str:
        """The same of the model."""
        slots = self.board.model
        image = slots.image(slots.running)
        return f"{image.version if image else 'none'} {slots.state}"


def write_config(directory: Path, port: int, mcus: str, ota: str = "") -> Path:
    """A device without a camera."""
    config = directory / "edged.toml"
    config.write_text(f"""
        [device]
        name = "pi"
        state_directory = "{directory / "state"}"
        [mqtt]
        host = "127.0.0.1"
        port = {port}
        {ota}
        {mcus}
    """)
    return config


def one(path: Path, more: str = "", name: str = "porch") -> str:
    """The table of a microcontroller."""
    return f'[mcus.{name}]\nport = "{path}"\nlabels = ["nobody", "person"]\n{more}\n'


class Heard:
    """What a subscriber hears of microcontrollers."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber

    def state(self, name: str = "porch") -> dict[str, Any]:
        """The newest retained state."""
        return self._newest(f"/pi/mcu/{name}")

    def problems(self) -> list[str]:
        """Codes of the newest health."""
        return [it["code"] for it in self._newest("/pi/health").get("problems", [])]

    def wait_for(self, **fields: Any) -> dict[str, Any]:
        """Until the state has these; counters are looked for in it too."""

        def there() -> bool:
            state = self.state()
            flat = {**state, **state.get("counters", {})}
            return all(flat.get(name) == value for name, value in fields.items())

        self._wait(there, f"never {fields}: {self.state()}")
        return self.state()

    def wait_for_problem(self, code: str, there: bool = True) -> None:
        """Until health has it, or has it no more."""
        self._wait(lambda: (code in self.problems()) == there, f"{code}: {self.problems()}")

    def labels(self) -> list[str]:
        """Of all results."""
        return [event["label"] for event in self.subscriber.events("inference")]

    def wait_for_labels(self, *labels: str) -> None:
        """Until exactly these came, in their order."""
        self._wait(lambda: self.labels() == list(labels), f"expected {labels}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            self.subscriber.wait_until(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.labels()}; {self.state()}; {self.problems()}") from None

    def _newest(self, end: str) -> dict[str, Any]:
        for topic, payload in reversed(self.subscriber.messages):
            if topic.endswith(end) and payload:
                found: dict[str, Any] = json.loads(payload)
                return found
        return {}


@contextmanager
def attached(path: Path, **changes: Any) -> Iterator[Attached]:
    """A board for the length of a ``with``."""
    with Attached(path, **changes) as board:
        yield board
