"""The file of events takes what it can, and nobody waits for whoever reads it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from edged.core.errors import OutputUnwritable
from edged.core.event import Event, EventId, SourceBack
from edged.daemon.sinks import JsonlSink

PATIENCE_S = 60


def event(seq: int) -> Event:
    return Event(EventId("pi", "e", seq), 0, "synchronised", SourceBack("door", 1.5, 0))


def seqs(data: bytes) -> list[int]:
    return [json.loads(line)["seq"] for line in data.splitlines()]


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for seq in (1, 2):
        with closing(JsonlSink(path)) as sink:
            sink.on_event(event(seq))
    assert seqs(path.read_bytes()) == [1, 2]


@contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        yield


@contextmanager
def read_by_someone(path: Path) -> Iterator[None]:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(reader)


@contextmanager
def read_by_nobody(path: Path) -> Iterator[None]:
    os.mkfifo(path)
    yield


@pytest.mark.parametrize("made", [read_by_nobody, read_by_someone, listening])
def test_what_makes_writers_wait_is_refused_at_once(tmp_path: Path, made: Callable[[Path], AbstractContextManager[None]]) -> None:
    path = tmp_path / "events"
    with made(path), pytest.raises(OutputUnwritable, match=r"events: cannot be written: it is no regular file"):
        JsonlSink(path)


@pytest.mark.parametrize("path", ["/proc/version", "/proc/nothing", "/"])
def test_what_cannot_be_opened_is_refused(path: str) -> None:
    with pytest.raises(OutputUnwritable, match=rf"^{path}: cannot be written: \w"):
        JsonlSink(Path(path))


def test_terminal_is_written_to() -> None:
    ours, theirs = os.openpty()
    try:
        with closing(JsonlSink(Path(os.ttyname(theirs)))) as sink:
            sink.on_event(event(1))
        assert seqs(os.read(ours, 4096)) == [1]
    finally:
        os.close(ours)
        os.close(theirs)


WRITES = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_sinks import event
from edged.daemon.sinks import JsonlSink
sink = JsonlSink(Path("/dev/stdout"))
for seq in range(1, 10_000):
    try:
        sink.on_event(event(seq))
    except OSError as error:
        print(seq, error.strerror, file=sys.stderr)
        break
"""


def test_pipe_behind_our_output_that_nobody_reads_is_an_error_and_no_wait() -> None:
    command = [sys.executable, "-c", WRITES, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.wait(PATIENCE_S) == 0
        assert writer.stdout
        assert writer.stderr
        written = seqs(writer.stdout.read())
        failed, _, reason = writer.stderr.read().decode().partition(" ")
    assert written == list(range(1, int(failed)))
    assert len(written) > 10
    assert reason == "nobody reads it\n"
