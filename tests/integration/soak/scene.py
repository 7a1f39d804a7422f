"""A daemon with two cameras on one accelerator, its broker, a subscriber, and mild trouble in turn, watched all the while.

After each trouble comes a rest, which begins when frames of every camera are at the subscriber again and no event waits. How long
that takes is not judged here.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Self

from cameras.rtsp import RtspCamera
from support import Daemon, Subscriber, running, subscribed

from edged.core.cv import cv2
from edged.testing.broker import Mosquitto, ReservedPort
from soak.process import look
from soak.reading import ask
from soak.record import Ledger, Record, Rest

TROUBLES = ("camera", "broker", "reload")
"""The network camera's power fails, the broker is killed, the configuration changes."""

PATIENCE_S = 120
"""How long anything may take on a busy machine before the soak gives up. No measure of speed."""

CLIP_FRAMES = 300
SKIPPED_FRAMES = 85  # nobody is there yet


@dataclass(frozen=True, slots=True)
class Plan:
    """Trouble for ``seconds``, and in any case ``least_rounds`` of every kind; each camera sends ``fps``."""

    seconds: float
    rest_s: float
    away_s: float
    sample_s: float
    fps: int = 30
    least_rounds: int = 2


class Scene:
    """All of it, within a ``with``; ``tell`` hears what is going on."""

    def __init__(self, plan: Plan, directory: Path, data: Path, tell: Callable[[str], None]) -> None:
        self.record = Record(time.monotonic())
        self._plan = plan
        self._directory = directory
        self._data = data
        self._tell = tell
        self._stack = ExitStack()
        self._config = directory / "edged.toml"
        self._state = directory / "state"
        self._reserved = ReservedPort()
        self._metrics_port = self._reserved.number
        self._reloads = 0
        self._sampled_s = 0.0
        self._camera: RtspCamera
        self._broker: Mosquitto
        self._subscriber: Subscriber
        self._daemon: Daemon

    def __enter__(self) -> Self:
        with self._stack:
            self._clip = write_clip(
                self._data / "media/one-by-one-person-detection.mp4", self._directory / "clip.avi", self._plan.fps
            )
            self._broker = self._stack.enter_context(Mosquitto(self._directory))
            self._camera = self._stack.enter_context(RtspCamera("--fps", str(self._plan.fps)))
            self._subscriber = self._stack.enter_context(subscribed(self._broker.port))
            self._write_config()
            self._daemon = self._stack.enter_context(running(self._config))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> Record:
        """Trouble and rest in turn; then the daemon is stopped, and everything known is in the record."""
        began_s, rounds = time.monotonic(), 0
        self._rest("start")
        for trouble in cycle(TROUBLES):
            if trouble == TROUBLES[0] and rounds >= self._plan.least_rounds and time.monotonic() - began_s >= self._plan.seconds:
                break
            rounds += trouble == TROUBLES[0]
            self._tell(trouble)
            self.record.troubles.append((time.monotonic(), trouble))
            {"camera": self._lose_camera, "broker": self._lose_broker, "reload": self._reload}[trouble]()
            self._rest(trouble)
        self._end()
        return self.record

    def _rest(self, after: str) -> None:
        """Wait until all is well, and then see that it stays so for a while."""
        mark = len(self._subscriber.messages)
        self._watch(lambda: self._all_seen(mark) and not self._ledger().queued, f"frames of all cameras after: {after}")
        began_s = time.monotonic()
        self._tell("rest")
        self._watch_for(self._plan.rest_s)
        self.record.rests.append(Rest(after, began_s, time.monotonic()))

    def _lose_camera(self) -> None:
        lost = self._logged("camera gate: lost")
        self._camera.kill()
        self._watch(lambda: self._logged("camera gate: lost") > lost, "the loss of the camera")
        self._watch_for(self._plan.away_s)
        self._camera.start()

    def _lose_broker(self) -> None:
        self._broker.kill()
        self._watch_for(self._plan.away_s)
        self._broker.start()

    def _reload(self) -> None:
        reloaded = self._logged("INFO    reloaded ")
        self._reloads += 1
        self._write_config()
        self._daemon.signal(signal.SIGHUP)
        self._watch(lambda: self._logged("INFO    reloaded ") > reloaded, "the reload")

    def _end(self) -> None:
        self.record.ended_s = time.monotonic()
        self._tell("stop")
        self.record.exit_status = self._daemon.stop()
        self.record.ledger = self._ledger()

    def _watch_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self._watch(lambda: time.monotonic() >= until_s, "time passes")

    def _watch(self, enough: Callable[[], bool], what: str) -> None:
        """Sample the processes until it is enough."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not enough():
            if time.monotonic() > give_up_s:
                raise SystemExit("\n".join([f"nothing came of it in {PATIENCE_S} s: {what}", *self._daemon.log[-30:]]))
            if time.monotonic() >= self._sampled_s + self._plan.sample_s:
                self._sampled_s = time.monotonic()
                self._sample()
            time.sleep(0.05)  # the outside world rings no bell

    def _sample(self) -> None:
        for process, pid in (("main", self._daemon.pid), ("vision", self._daemon.vision_pid)):
            if pid is not None:
                with suppress(OSError):  # it ended just now, which the log tells
                    self.record.samples.append(look(process, pid))
        with suppress(ConnectionError):  # it does not listen yet, or no more
            self.record.readings.append(ask(self._metrics_port))

    def _all_seen(self, mark: int) -> bool:
        """Whether a frame of each camera arrived since there were ``mark`` messages."""
        topics = {topic for topic, _ in self._subscriber.messages[mark:]}
        return {f"edged/v1/home/soak/live/{camera}" for camera in ("gate", "hall")} <= topics

    def _logged(self, text: str) -> int:
        return sum(text in line for line in self._daemon.log)

    def _ledger(self) -> Ledger:
        with closing(sqlite3.connect(f"file:{self._state}/events.db?mode=ro", uri=True)) as db:
            query = "SELECT produced, delivered, dropped, (SELECT count(*) FROM outbox) FROM ledger"
            return Ledger(*db.execute(query).fetchone())

    def _write_config(self) -> None:
        """Each reload changes the model, the recording and the way to the broker, and leaves the network camera as it is."""
        odd = self._reloads % 2
        new = self._config.with_suffix(".new")
        new.write_text(f"""
            [device]
            name = "soak"
            state_directory = "{self._state}"
            [models.ssd]
            bundle = "{self._data}/models/ssd_mobilenet_v1_coco_quant.tflite"
            threads = 1
            score_threshold = {0.3 + 0.05 * odd}
            [cameras.gate]
            model = "ssd"
            reopen_max_s = 2
            stream = {{ url = "{self._camera.url}" }}
            [cameras.hall]
            model = "ssd"
            stall_after_s = {5 + odd}
            file = {{ path = "{self._clip}", pace = "realtime", loop = true }}
            [mqtt]
            host = "127.0.0.1"
            port = {self._broker.port}
            keepalive_s = {30 + odd}
            live = true
            [metrics]
            listen = "127.0.0.1:{self._metrics_port}"
        """)
        new.replace(self._config)


def write_clip(source: Path, target: Path, fps: int) -> Path:
    """The people of the test data at another frame rate, each picture easy to decode."""
    video = cv2.VideoCapture(str(source))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"MJPG"), fps, (640, 480))
    for number, image in enumerate(_frames(video)):
        if number >= SKIPPED_FRAMES:
            writer.write(cv2.resize(image, (640, 480)))
    writer.release()
    video.release()
    return target


def _frames(video: cv2.VideoCapture) -> Iterator[cv2.typing.MatLike]:
    for _ in range(SKIPPED_FRAMES + CLIP_FRAMES):
        more, image = video.read()
        if not more:
            return
        yield image
