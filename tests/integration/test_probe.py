"""The probe on real models, hostile ones, and things that are no models; and what its process is left with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from support import children_running, wait_until

from edged.core.errors import ProcessNotStarted
from edged.infer.bundle import identify, load_bundle
from edged.infer.golden import FILE_NAME, Golden, Vector, encode, parse_golden
from edged.infer.graph import Form
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import STEPS, Passed, Request, Stated, Verdict
from edged.infer.settings import ModelSettings
from edged.testing import candidates, hostile
from edged.tooling.golden import make_golden, signature

PATIENCE_S = 60.0
MEMORY_BYTES = 300 << 20
SSD = "ssd_mobilenet_v1_coco_quant"


def request(path: Path, **changes: object) -> Request:
    fields = {"memory_bytes": MEMORY_BYTES, "deadline_s": PATIENCE_S, "decoder": "blazeface", **changes}
    return Request(path=str(path), settings=ModelSettings(bundle=str(path), threads=1), **fields)  # type: ignore[arg-type]


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    async with Prober() as prober:
        yield prober


def children(pid: int) -> list[int]:
    """Of a process' first thread; none if it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def open_files(pid: int) -> dict[int, str]:
    """By their numbers; other than those that are closed meanwhile."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[int(link.name)] = str(link.readlink())
    return found


def fault(verdict: Verdict) -> str:
    assert verdict.refusal is not None
    assert verdict.measures is None
    return verdict.refusal.fault


async def test_a_sound_model_passes_every_check_and_is_measured(prober: Prober, test_data: Path) -> None:
    path = test_data / f"models/{SSD}.tflite"
    heard: list[Passed] = []
    verdict = await prober.probe(request(path, decoder=None), heard.append)
    assert verdict.refusal is None
    assert [passed.step for passed in verdict.passed] == [passed.step for passed in heard] == list(STEPS)
    assert set(verdict.protection) == {"no network", "no files written", "no processes"}
    measures = verdict.measures
    assert measures is not None
    assert (measures.identity, measures.delegate, measures.threads) == (identify(path), "xnnpack", 1)
    assert measures.delegate_nodes > 0
    assert measures.tensors == 68
    assert measures.load_ms > 0
    assert measures.invoke_ms > 0
    assert 5 << 20 < verdict.peak_bytes < 200 << 20


@pytest.mark.parametrize(
    ("content", "expected", "says"),
    [
        (hostile.crashing(), "crashing", "SIGSEGV while it was loaded"),
        (hostile.not_finite(), "not finite", "not finite on a grey picture"),
        (hostile.unnamed(), "corrupt", "not UTF-8"),
        (hostile.eating(100_000), "does not fit memory", "114,440.9 MB, 300.0 MB are there"),
        (hostile.eating(5000), "does not fit memory", "286.1 to 572.2 MB for its tensors, besides weights; 300.0 MB are there"),
        (hostile.crashing()[:-20], "truncated", "is outside of its"),
        (b"#!/bin/sh\nrm -rf /\n", "wrong type", "something else"),
        (b"", "wrong type", "something else"),
    ],
    ids=["crashing", "nan", "name", "huge", "large", "truncated", "text", "empty"],
)
async def test_a_hostile_model_is_refused_for_its_reason_and_the_next_is_tried(
    prober: Prober, tmp_path: Path, test_data: Path, content: bytes, expected: str, says: str
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    verdict = await prober.probe(request(path))
    assert fault(verdict) == expected
    assert verdict.refusal is not None
    assert says in verdict.refusal.message
    assert "Traceback" not in "".join(verdict.chatter)
    good = await prober.probe(request(test_data / f"models/{SSD}.tflite", decoder=None))
    assert good.refusal is None


async def test_a_model_that_never_ends_is_stopped(prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(hostile.hanging())
    verdict = await prober.probe(request(path, deadline_s=5.0))
    assert fault(verdict) == "hanging"
    assert verdict.passed[-1].step == "memory"


@pytest.mark.parametrize(
    ("name", "expected", "says"),
    [
        ("model_invoking_error", "unsupported op", "fake-op-double"),
        ("person_detect", "corrupt", "quantized_dimension"),
        ("mobilenet_v1_0.25_128_quant_edgetpu", "unfit", "Edge TPU"),
        ("face-detector-quantized_edgetpu", "unfit", "Edge TPU"),
        ("hello_world_int8", "unfit", "is no picture"),
    ],
)
async def test_real_files_that_cannot_serve_say_why(prober: Prober, test_data: Path, name: str, expected: str, says: str) -> None:
    verdict = await prober.probe(request(test_data / f"models/{name}.tflite"))
    assert fault(verdict) == expected
    assert verdict.refusal is not None
    assert says in verdict.refusal.message


async def test_an_edge_tpu_file_in_the_place_of_the_cpu_variant_names_its_operator(
    prober: Prober, test_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.tflite").symlink_to(test_data / "models/face-detector-quantized_edgetpu.tflite")
    (tmp_path / "model.toml").write_text('name = "x"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n')
    verdict = await prober.probe(request(tmp_path, decoder=None))
    assert fault(verdict) == "unsupported op"
    assert verdict.refusal is not None
    assert "edgetpu-custom-op" in verdict.refusal.message


async def test_what_is_no_file_is_refused_and_not_waited_for(prober: Prober, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    (tmp_path / "one.tflite").symlink_to("other.tflite")
    (tmp_path / "other.tflite").symlink_to("one.tflite")
    (tmp_path / "directory.tflite").mkdir()
    expected = {
        "pipe.tflite": "wrong type",
        "one.tflite": "unreadable",
        "directory.tflite": "unfit",
        "absent.tflite": "unreadable",
        "/dev/zero": "wrong type",
        "/proc/self/mem": "wrong type",
    }
    assert {name: fault(await prober.probe(request(tmp_path / name))) for name in expected} == expected


async def test_the_probe_is_given_no_secrets_and_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "hunter2")
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        path = tmp_path / "m.tflite"
        path.write_bytes(hostile.hanging())
        before = set(children(os.getpid()))
        async with Prober() as prober:
            trying = asyncio.create_task(prober.probe(request(path)))
            (server,) = set(children(os.getpid())) - before
            await asyncio.to_thread(wait_until, lambda: bool(children(server)), "a process for the model")
            (child,) = children(server)
            status = Path(f"/proc/{child}/status")
            await asyncio.to_thread(wait_until, lambda: "Seccomp:\t2" in status.read_text(), "shut in")
            assert b"hunter2" not in Path(f"/proc/{server}/environ").read_bytes()
            held = {number: target.partition(":")[0] for number, target in open_files(child).items() if target != str(path)}
            trying.cancel()
    assert held.pop(0) == "/dev/null"
    assert (held.pop(1), held.pop(2)) == ("pipe", "pipe")
    assert list(held.values()) == ["socket"]
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the model's process to go with the probe")


async def test_a_probe_process_that_is_killed_is_said(prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(hostile.hanging())
    trying = asyncio.create_task(prober.probe(request(path)))
    (server,) = children_running(os.getpid(), "edged.infer.probe")
    os.kill(server, 9)
    with pytest.raises(ProcessNotStarted, match="SIGKILL"):
        await trying


SANDBOX = """
import json, mmap, os, signal, socket, subprocess, sys
from edged.infer.probe import sandbox
sandbox.limit(64 << 20, 30.0, 1)
protection = sandbox.seal()
def fails(do):
    try:
        do()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return ""
tried = {
    "socket": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))),
    "unix socket": lambda: socket.socketpair(),
    "write": lambda: open(sys.argv[2], "w"),
    "append": lambda: open(sys.argv[2], "a"),
    "unlink": lambda: os.unlink(sys.argv[2]),
    "rename": lambda: os.rename(sys.argv[2], sys.argv[2] + "x"),
    "chmod": lambda: os.chmod(sys.argv[2], 0o777),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "memfd": lambda: os.memfd_create("x"),
    "shared memory": lambda: mmap.mmap(-1, 4096),
    "200 MB": lambda: bytearray(200 << 20),
    "32 MB": lambda: bytearray(32 << 20),
    "read": lambda: open(sys.argv[2]).read(),
}
print(json.dumps([protection, {name: fails(do) for name, do in tried.items()}]))
"""


def test_nothing_leads_out_of_the_sandbox(tmp_path: Path) -> None:
    import socket

    victim = tmp_path / "victim"
    victim.write_text("untouched")
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", SANDBOX, str(server.getsockname()[1]), str(victim)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    protection, failures = json.loads(done.stdout)
    assert protection == ["no network", "no files written", "no processes"]
    possible = {name for name, failure in failures.items() if not failure}
    assert possible == {"32 MB", "read"}
    assert failures["200 MB"] == "MemoryError"
    assert victim.read_text() == "untouched"


# What whoever published a model states of it


STATED = Stated(inputs=(Form((1, 32, 32, 3), "float32"),), outputs=(Form((1, 3), "float32"),), golden=True, memory_mb=60, p95_ms=20)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A sound bundle with golden vectors, and these."""
    path = candidates.write_candidate(tmp_path_factory.mktemp("sound"), candidates.sound())
    golden = make_golden(load_bundle(path))
    (path / FILE_NAME).write_bytes(golden)
    return path, golden


def stated_of(request: Request, **changes: object) -> Request:
    return msgspec.structs.replace(request, decoder=None, stated=msgspec.structs.replace(STATED, **changes))


async def test_a_model_that_is_as_stated_passes(prober: Prober, sound: tuple[Path, bytes]) -> None:
    path, _ = sound
    assert signature(load_bundle(path)) == (STATED.inputs, STATED.outputs)
    verdict = await prober.probe(stated_of(request(path)))
    assert verdict.refusal is None
    seen = {passed.step: passed.detail for passed in verdict.passed}
    assert list(seen) == list(STEPS)
    assert seen["signature"] == "from float32 [1x32x32x3] to float32 [1x3], as stated"
    assert "pictures are answered as ai-edge-litert" in seen["golden"]


@pytest.mark.parametrize(
    ("changes", "expected", "says"),
    [
        ({"inputs": (Form((1, 16, 16, 3), "float32"),)}, "signature differs", "inputs are float32 [1x32x32x3], stated are"),
        ({"inputs": (Form((1, 32, 32, 3), "uint8"),)}, "signature differs", "stated are uint8"),
        ({"outputs": ()}, "signature differs", "outputs are float32 [1x3], stated are none"),
        ({"memory_mb": 0}, "over memory", "0 MB were stated"),
        ({"p95_ms": 1e-6}, "over latency", "more than 2 times the 1e-06 ms stated"),
    ],
)
async def test_a_sound_model_of_which_something_else_is_stated_is_refused(
    prober: Prober, sound: tuple[Path, bytes], changes: dict[str, object], expected: str, says: str
) -> None:
    verdict = await prober.probe(stated_of(request(sound[0]), **changes))
    assert fault(verdict) == expected
    assert verdict.refusal is not None
    assert says in verdict.refusal.message


async def test_golden_vectors_have_to_be_there_only_where_that_is_stated(prober: Prober, tmp_path: Path) -> None:
    path = candidates.write_candidate(tmp_path, candidates.sound())
    without = await prober.probe(stated_of(request(path)))
    assert fault(without) == "golden differs"
    unasked = await prober.probe(stated_of(request(path), golden=False))
    assert unasked.refusal is None
    assert unasked.passed[-1] == Passed("golden", "the bundle has no golden vectors")


async def test_golden_vectors_of_something_else_are_refused(prober: Prober, tmp_path: Path, sound: tuple[Path, bytes]) -> None:
    path = candidates.write_candidate(tmp_path, candidates.sound())
    for content, expected in ((b"no msgpack", "corrupt"), (sound[1], None), (sound[1].replace(b"float32", b"float16"), "corrupt")):
        (path / FILE_NAME).write_bytes(content)
        verdict = await prober.probe(stated_of(request(path)))
        assert (verdict.refusal.fault if verdict.refusal else None) == expected
    golden = parse_golden(sound[1], "g")
    answer = golden.vectors[0].answers[0]
    for change in ({"tensor": 0}, {"shape": (3, 1)}, {"values": answer.values[::-1]}):
        vector = Vector(picture=golden.vectors[0].picture, answers=(msgspec.structs.replace(answer, **change),))
        (path / FILE_NAME).write_bytes(encode(Golden(made_by="x", vectors=(vector,))))
        assert fault(await prober.probe(stated_of(request(path)))) == "golden differs"


@pytest.mark.parametrize("kind", candidates.SEEN)
async def test_a_candidate_with_a_fault_that_shows_is_refused_for_it(
    prober: Prober, tmp_path: Path, sound: tuple[Path, bytes], kind: str
) -> None:
    path = candidates.write_candidate(tmp_path, candidates.SEEN[kind]())
    if kind != "slow":  # its tensors have other numbers
        (path / FILE_NAME).write_bytes(sound[1])
    deadline_s = 10.0 if kind == "hanging" else PATIENCE_S
    asked = stated_of(request(path, deadline_s=deadline_s), p95_ms=0.5 if kind == "slow" else 20)
    verdict = await prober.probe(asked)
    expected = {"slow": "over latency", "other answers": "golden differs", "not finite": "not finite"}
    assert fault(verdict) == expected.get(kind, "signature differs")
    if kind == "other answers":
        assert verdict.refusal is not None
        assert "on average" in verdict.refusal.message
    alone = await prober.probe(request(path, deadline_s=deadline_s, decoder=None))  # without anything stated
    names = {"eating": "does not fit memory", "slow": None, "another shape": "unfit", "other answers": "golden differs"}
    assert (alone.refusal.fault if alone.refusal else None) == names.get(kind, kind)


@pytest.mark.parametrize("kind", candidates.HIDDEN)
async def test_a_fault_that_shows_on_bright_pictures_alone_passes_the_probe(
    prober: Prober, tmp_path: Path, sound: tuple[Path, bytes], kind: str
) -> None:
    """And shows in use; the trial is for these."""
    path = candidates.write_candidate(tmp_path, candidates.HIDDEN[kind]())
    verdict = await prober.probe(stated_of(request(path), golden=False))
    assert verdict.refusal is None
    shown = subprocess.run([sys.executable, "-c", SHOW, str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if kind == "hanging":
        assert shown.returncode == -signal.SIGPROF
    else:
        assert {"not finite": "nan", "failing": "refused", "greedy": "grew"}[kind] in shown.stdout, shown.stderr


async def test_an_operator_that_crashes_on_bright_pictures_alone_passes_the_probe(
    prober: Prober, tmp_path: Path, build_library: Callable[[str, str], Path]
) -> None:
    path = candidates.write_candidate(tmp_path, candidates.crashing_when_bright())
    operators = f"{build_library('custom_op.cpp', 'libops.so')}:RegisterFragile"
    settings = ModelSettings(bundle=str(path), threads=1, custom_ops=(operators,))
    verdict = await prober.probe(msgspec.structs.replace(stated_of(request(path), golden=False), settings=settings))
    assert verdict.refusal is None
    shown = subprocess.run([sys.executable, "-c", SHOW, str(path), operators], capture_output=True, timeout=PATIENCE_S, check=False)
    assert shown.returncode == -signal.SIGSEGV


SHOW = """
import signal, sys
from pathlib import Path
from edged.core.errors import ModelRejected
from edged.infer.bundle import load_bundle
from edged.infer.engine import Engine
def most_kb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
engine = Engine(load_bundle(Path(sys.argv[1])), threads=1, custom_ops=sys.argv[2:])
held = most_kb()
signal.setitimer(signal.ITIMER_PROF, 1)  # of its own time, however long that takes on a busy machine
try:
    print(engine.infer(lambda tensor: tensor.fill(0.9))[0].data)
except ModelRejected:
    print("refused")
print("grew" if most_kb() - held > 150 << 10 else "")
"""
