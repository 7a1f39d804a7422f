"""Boards that are no hardware, for tests that are not part of an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edged.mcu.package import build
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard
from edged.testing.mcu_image import make_image
from edged.testing.tflite import make_tflite


def with_images(board: FakeBoard, *, model: bool = True) -> FakeBoard:
    """The board with a firmware, and a model, of version 1.0.0 and counter 1."""
    board.firmware.put(make_image(b"firmware", board.key, board=board.board))
    if model:
        board.model.put(make_image(build(make_tflite()), board.key, board=board.board, model="person"))
    return board


@contextmanager
def plugged_in(mcu: FakeMcu) -> Iterator[FakeMcu]:
    """The board runs in a thread of its own until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(mcu.__aenter__(), loop).result()
        yield mcu
    finally:
        asyncio.run_coroutine_threadsafe(mcu.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
