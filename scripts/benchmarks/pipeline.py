"""From frame to subscriber: the daemon's frame rate against a bare invoke loop, CPU by stage, latency, memory, start.

The quantised SSD MobileNet v1 on a 640x480 clip of people if the test data is there, else BlazeFace on the clip of the catalogue.
Bare loop and daemon take turns, so that a machine that changes its speed changes both: each run is judged by the mean of the bare
loops before and after it, and the ratio is the median of the turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from edged.core.cv import cv2
from edged.daemon.admission import FILE_NAME as PASSES
from edged.infer import catalogue
from edged.infer.bundle import load_bundle, resolve
from edged.testing.broker import Mosquitto

HERE = Path(__file__).parent
LATENCY_FPS = 15
CLIP_FRAMES = 200
OWN_STAGES = ("prepare", "decode", "track", "report")
PATIENCE_S = 60
"""How long something may take on a busy machine before it is given up; no measure of speed."""


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=5, help="length of each run (default %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="runs of each kind (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="inference threads (default %(default)s)")


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    reference, source, skip = material()
    model = load_bundle(resolve(reference)).paths["cpu"]
    with (
        tempfile.TemporaryDirectory(prefix="edged-bench-") as directory,
        Mosquitto(scratch := Path(directory)) as broker,
        Progress(console=console) as progress,
    ):
        work = Work(scratch, reference, arguments.threads, arguments.seconds, broker.port)
        task = progress.add_task("clip", total=3 * arguments.turns + 2)
        clip = make_clip(source, skip, work.scratch / "clip.avi")

        def loop(program: str, what: Path | str) -> float:
            progress.update(task, description=program, advance=1)
            return _fps(program, what, arguments.threads, arguments.seconds, clip)

        bare, turns = [loop("bare.py", model)], []
        for _ in range(arguments.turns):
            progress.update(task, description="daemon", advance=1)
            daemon = work.run(clip, "fast", live_max_hz=5)
            bare.append(loop("bare.py", model))
            turns.append(Turn(statistics.mean(bare[-2:]), daemon, loop("one_thread.py", reference)))
        progress.update(task, description="latency")
        paced = work.run(clip, "realtime", live_max_hz=100, kill=True)
    return _result(reference, arguments.threads, turns, paced)


@dataclass
class Run:
    """One run of the daemon, as seen from outside."""

    fps: float
    invoke_share: float
    cpu_ms: dict[str, float]
    latency_ms: list[float]
    first_detection_s: float
    rss_mb: dict[str, float]
    restart_s: float


@dataclass
class Turn:
    """Runs that follow each other, on a machine that is hopefully the same for all; the bare loop's is the mean of two."""

    bare_fps: float
    daemon: Run
    serial_fps: float


@dataclass
class Work:
    """What the runs of the daemon share."""

    scratch: Path
    model: str
    threads: int
    seconds: float
    port: int

    def run(self, clip: Path, pace: str, live_max_hz: float, *, kill: bool = False) -> Run:
        """Run the daemon on ``clip`` for a while and listen to what it publishes; ``kill`` its vision process at the end."""
        config, beats = self.scratch / "edged.toml", self.scratch / "beats.jsonl"
        state, known = Path(tempfile.mkdtemp(dir=self.scratch)), self.scratch / PASSES
        if known.exists():  # a model is tried at its first start only, which is not what is measured
            shutil.copy(known, state)
        config.write_text(
            f'[device]\nname = "bench"\nstate_directory = "{state}"\n'
            f'[models.bench]\nbundle = "{self.model}"\nthreads = {self.threads}\n'
            f'[cameras.clip]\nmodel = "bench"\nlive_max_hz = {live_max_hz}\n'
            f'file = {{path = "{clip}", pace = "{pace}", loop = true}}\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.port}\nlive = true\n'
        )
        with _listening(self.port) as heard:
            started = time.time()
            daemon = subprocess.Popen([sys.executable, HERE / "daemon.py", config, beats], stderr=subprocess.PIPE)
            try:
                if not heard.first_object.wait(PATIENCE_S):
                    raise SystemExit(f"the daemon saw nothing in {PATIENCE_S} s:\n{_stop(daemon)}")
                first = heard.first_object_at - started
                time.sleep(self.seconds)  # the length of the measurement
                _await_beats(beats)
                ended = time.time()
                rss = _rss_mb(daemon.pid)
                restart_s = _restart_s(daemon.pid, heard) if kill else 0.0
            finally:
                _stop(daemon)
        shutil.copy(state / PASSES, known)
        latency = [ms for at, ms in heard.latencies if started + first + 1 < at < ended]
        return _digest([json.loads(line) for line in beats.read_text().splitlines()], latency, first, rss, restart_s)


def _digest(beats: list[dict[str, Any]], latency: list[float], first_s: float, rss: dict[str, float], restart_s: float) -> Run:
    """Rates and CPU per frame between the first heartbeat and the last but one of that process (the last comes after the stop)."""
    counts = [beat["camera"]["inferred"] for beat in beats]
    one_life = next((n for n in range(1, len(beats)) if counts[n] < counts[n - 1]), len(beats) - 1)
    a, b = beats[0], beats[one_life - 1]
    frames = b["camera"]["inferred"] - a["camera"]["inferred"]
    stages = ("capture", "prepare", "invoke", "decode", "track", "report")
    cpu = {stage: (b["camera"][f"{stage}_cpu_ms"] - a["camera"][f"{stage}_cpu_ms"]) / frames for stage in stages}
    cpu["main process"] = (b["main_cpu_s"] - a["main_cpu_s"]) * 1e3 / frames
    seconds = b["at"] - a["at"]
    # By CPU time: the wall time of an inference holds what its thread waits for the interpreter lock.
    invoke_share = (b["camera"]["invoke_cpu_ms"] - a["camera"]["invoke_cpu_ms"]) / 1e3 / seconds
    return Run(frames / seconds, invoke_share, cpu, latency, first_s, rss, restart_s)


class _Heard:
    """What a subscriber received; latency by the wall clock that both ends share."""

    def __init__(self) -> None:
        self.first_object = threading.Event()
        self.first_object_at = 0.0
        self.latencies: list[tuple[float, float]] = []
        self.arrived = threading.Event()
        self.waited_from = 0.0  # frames captured before do not count as arrived

    def take(self, _client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        now, live = time.time(), json.loads(message.payload)
        if live["objects"] and not self.first_object.is_set():
            self.first_object_at = now
            self.first_object.set()
        captured = datetime.fromisoformat(live["time"]).timestamp()
        if captured >= self.waited_from:
            self.arrived.set()
        self.latencies.append((now, (now - captured) * 1e3))


@contextmanager
def _listening(port: int) -> Iterator[_Heard]:
    heard, subscribed = _Heard(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = heard.take
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.subscribe("edged/v1/+/bench/live/+")
    client.loop_start()
    subscribed.wait(PATIENCE_S)
    yield heard
    client.disconnect()
    client.loop_stop()


def _stop(daemon: subprocess.Popen[bytes]) -> str:
    daemon.send_signal(signal.SIGTERM)
    return daemon.communicate(timeout=PATIENCE_S)[1].decode()


def _await_beats(beats: Path) -> None:
    """Until frames were inferred between heartbeats, one of which is left out: they come late on a busy machine."""
    give_up_s = time.monotonic() + PATIENCE_S
    counts: list[int] = []
    while len(counts) < 3 or counts[-2] == counts[0]:
        if time.monotonic() > give_up_s:
            raise SystemExit(f"no frames between heartbeats in {PATIENCE_S} s: {counts}")
        time.sleep(0.05)  # a file rings no bell
        whole, _, _ = beats.read_text().rpartition("\n")
        counts = [json.loads(line)["camera"]["inferred"] for line in whole.splitlines()]


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _restart_s(pid: int, heard: _Heard) -> float:
    """From the death of the vision process to the next frame at the subscriber."""
    os.kill(_child(pid), signal.SIGKILL)
    killed = heard.waited_from = time.time()
    heard.arrived.clear()
    if not heard.arrived.wait(PATIENCE_S):
        raise SystemExit(f"no frame within {PATIENCE_S} s of killing the vision process")
    return time.time() - killed


def _rss_mb(pid: int) -> dict[str, float]:
    """Peak resident memory of the main process and of its child."""
    found = {}
    for name, number in (("main", pid), ("vision", _child(pid))):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{number}/status").read_text().splitlines())
        found[name] = int(lines["VmHWM"].split()[0]) / 1024
    return found


def _fps(program: str, model: Path | str, threads: int, seconds: float, clip: Path) -> float:
    command = [sys.executable, HERE / program, model, str(threads), str(seconds), clip]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return float(found["frames"] / found["seconds"])


def material() -> tuple[str, Path, int]:
    """(model, clip, frames to skip so that somebody is in the first one)."""
    data = Path(os.environ.get("EDGED_TEST_DATA", HERE.parents[2] / "shared" / "data"))
    model, clip = data / "models/ssd_mobilenet_v1_coco_quant.tflite", data / "media/one-by-one-person-detection.mp4"
    if model.exists() and clip.exists():
        return str(model), clip, 85
    entry = catalogue.ENTRIES["carphone"]
    return "blazeface-short", catalogue.location(entry, catalogue.default_root()), 0


def make_clip(source: Path, skip: int, target: Path, fps: float = LATENCY_FPS) -> Path:
    """The clip at 640x480, by default at the frame rate of the latency run."""
    video, frames = cv2.VideoCapture(str(source)), 0
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"MJPG"), fps, (640, 480))
    while frames < skip + CLIP_FRAMES:
        more, image = video.read()
        if not more:
            break
        if frames >= skip:
            writer.write(cv2.resize(image, (640, 480)))
        frames += 1
    writer.release()
    return target


def _result(model: str, threads: int, turns: list[Turn], paced: Run) -> dict[str, Any]:
    middle = statistics.median
    daemon = [turn.daemon for turn in turns]
    cpu = {stage: middle(run.cpu_ms[stage] for run in daemon) for stage in daemon[0].cpu_ms}
    latency = statistics.quantiles(paced.latency_ms, n=100)
    rss = {name: max(run.rss_mb[name] for run in [*daemon, paced]) for name in paced.rss_mb}
    return {
        "model": Path(model).name,
        "threads": threads,
        "bare_fps": middle(turn.bare_fps for turn in turns),
        "daemon_fps": middle(run.fps for run in daemon),
        "ratio": middle(turn.daemon.fps / turn.bare_fps for turn in turns),
        "invoke_share": middle(run.invoke_share for run in daemon),
        "serial_ratio": middle(turn.serial_fps / turn.bare_fps for turn in turns),
        "cpu_ms_per_frame": cpu,
        "own_cpu_ms_per_frame": sum(cpu[stage] for stage in (*OWN_STAGES, "main process")),
        "latency_frames": len(paced.latency_ms),
        "latency_p50_ms": latency[49],
        "latency_p99_ms": latency[98],
        "first_detection_s": middle([run.first_detection_s for run in [*daemon, paced]]),
        "vision_restart_s": paced.restart_s,
        "rss_main_mb": rss["main"],
        "rss_vision_mb": rss["vision"],
        "rss_mb": sum(rss.values()),
    }


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['model']}, {result['threads']} thread(s), 640x480", title_justify="left")
    for heading in ("what", "measured", "goal"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_row("bare invoke loop", f"{result['bare_fps']:.1f} fps", "")
    table.add_row("daemon, recording as fast as possible", f"{result['daemon_fps']:.1f} fps", "")
    table.add_row("ratio", f"{result['ratio']:.3f}", ">= 0.95")
    table.add_row("share of the time that the inference thread is on the CPU", f"{result['invoke_share']:.3f}", "")
    table.add_row("ratio of the same work in one thread", f"{result['serial_ratio']:.3f}", "")
    for stage, cost in result["cpu_ms_per_frame"].items():
        table.add_row(f"  CPU a frame: {stage}", f"{cost:.2f} ms", "")
    table.add_row("own stages (all but capture and invoke)", f"{result['own_cpu_ms_per_frame']:.2f} ms", "<= 2.0 ms")
    table.add_row(f"capture to subscriber, p50 of {result['latency_frames']}", f"{result['latency_p50_ms']:.1f} ms", "")
    table.add_row("capture to subscriber, p99", f"{result['latency_p99_ms']:.1f} ms", "")
    table.add_row("start to first detection at a subscriber", f"{result['first_detection_s']:.2f} s", "<= 1.5 s")
    table.add_row("vision process killed, to the next frame at a subscriber", f"{result['vision_restart_s']:.2f} s", "<= 1 s")
    table.add_row("peak RSS, main + vision", f"{result['rss_main_mb']:.0f} + {result['rss_vision_mb']:.0f} MB", "<= 200 MB")
    console.print(table)
