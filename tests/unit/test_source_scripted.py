"""The shipped fake keeps the contract that real sources keep."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edged.core.errors import CameraLost, SourceUnusable
from edged.sources.settings import SourceSettings
from edged.testing.source import Deliver, Lose, Refuse, Script, Stall

IMAGE = np.zeros((48, 64, 3), np.uint8)
ANY = SourceSettings()


def test_script_goes_on_over_a_loss_and_a_refused_open() -> None:
    script = Script([Deliver(IMAGE), Lose(CameraLost("gone")), Refuse(CameraLost("busy")), Deliver(IMAGE, 5), Deliver(IMAGE, 9)])
    source = script.open("door", ANY)
    assert (frame := source.read()) is not None
    assert (frame.seq, frame.media_ns, frame.camera) == (0, None, "door")
    with pytest.raises(CameraLost, match="gone"):
        source.read()
    with pytest.raises(CameraLost, match="busy"):
        script.open("door", ANY, 1)
    assert [(frame.seq, frame.media_ns) for frame in script.open("door", ANY, 1)] == [(1, 5), (2, 9)]
    assert script.opened == 3


def test_stall_hangs_until_closed_by_another_thread() -> None:
    script = Script([Stall(), Deliver(IMAGE)])
    source = script.open("door", ANY)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(source.read()))
    reader.start()
    assert script.stalled.wait(timeout=60)
    assert not answers
    source.close()
    reader.join(timeout=60)
    assert answers == [None]
    assert script.open("door", ANY).read() is not None


def test_a_source_that_no_retry_mends() -> None:
    with pytest.raises(SourceUnusable, match="never"):
        Script([Refuse(SourceUnusable("never"))]).open("door", ANY)
