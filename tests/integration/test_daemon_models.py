"""Models under the whole daemon: what is refused never reaches the vision process, what passes does not take it down."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest
from support import Daemon, children_running, running, wait_until

from edged.infer.bundle import load_bundle
from edged.infer.encryption import Key
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import Request
from edged.infer.settings import ModelSettings
from edged.testing import candidates, hostile
from edged.testing.mutants import Mutator
from edged.tooling.encrypt import encrypt_bundle

SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"
SURVIVORS = 3
SEED = 5


def write_config(directory: Path, bundles: dict[str, Path], threads: int = 1) -> Path:
    path = directory / "edged.toml"
    models = "".join(f'[models.{name}]\nbundle = "{bundle}"\nthreads = {threads}\n' for name, bundle in bundles.items())
    cameras = "".join(f'[cameras.{name}]\nmodel = "{name}"\nsynthetic = {{ pace = "fast", frames = 100000 }}\n' for name in bundles)
    path.write_text(f'[device]\nname = "pi"\nstate_directory = "{directory / "state"}"\n{models}{cameras}')
    return path


def write_bundle(directory: Path, content: bytes) -> Path:
    directory.mkdir()
    (directory / "m.tflite").write_bytes(content)
    (directory / "model.toml").write_text('name = "m"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "ssd_postprocess"\n')
    return directory


def test_a_known_model_starts_without_a_probe(test_data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, {"ssd": test_data / SSD})
    for probes in (1, 0):
        with running(config) as daemon:
            daemon.wait_for("ready")
            assert sum("trying model ssd before it is loaded" in line for line in daemon.log) == probes
            assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [(hostile.crashing(), "ended its process by SIGSEGV"), (hostile.eating(1_000_000), "11,444,091.8 MB")],
    ids=["crashing", "eating"],
)
def test_a_model_that_is_refused_ends_the_daemon_before_vision_sees_it(tmp_path: Path, content: bytes, says: str) -> None:
    daemon = Daemon(write_config(tmp_path, {"bad": write_bundle(tmp_path / "bad", content)}))
    daemon.start()
    status, _ = daemon.wait()
    assert status == 1
    assert any(says in line for line in daemon.log)
    assert not any("vision" in line or "Traceback" in line for line in daemon.log)


def test_a_probe_does_not_hold_up_the_word_to_stop(tmp_path: Path) -> None:
    with running(write_config(tmp_path, {"bad": write_bundle(tmp_path / "bad", hostile.hanging())})) as daemon:
        daemon.wait_for("trying model bad")
        wait_until(lambda: children_running(daemon.pid, "edged.infer.probe") != [], "a probe")
        (prober,) = children_running(daemon.pid, "edged.infer.probe")
        assert daemon.stop() == 0
        assert not any("vision" in line for line in daemon.log)
        wait_until(lambda: not Path(f"/proc/{prober}").exists(), "the probe to be gone")


def test_a_model_replaced_while_it_serves_is_tried_before_it_is_loaded(test_data: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "ssd", (test_data / SSD).read_bytes())
    with running(write_config(tmp_path, {"ssd": bundle})) as daemon:
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        assert vision
        (tmp_path / "new").write_bytes((test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite").read_bytes())
        (tmp_path / "new").replace(bundle / "m.tflite")
        os.kill(vision, signal.SIGKILL)
        daemon.wait_for("passed its probe", 2)
        daemon.wait_for("model ssd: m unversioned on", 2)
        assert daemon.stop() == 0


def test_an_encrypted_model_serves_and_its_key_is_shown_nowhere(tmp_path: Path) -> None:
    clear = candidates.write_candidate(tmp_path / "clear", candidates.sound())
    secret = "c0ffee" * 10 + "0123"
    key = tmp_path / "key"
    key.write_text(secret)
    key.chmod(0o600)
    encrypt_bundle(load_bundle(clear), Key(bytes.fromhex(secret)), tmp_path / "sealed")
    config = write_config(tmp_path, {"gate": tmp_path / "sealed"})
    config.write_text(config.read_text().replace("threads = 1\n", f'threads = 1\nkey_file = "{key}"\n'))
    with running(config) as daemon:
        daemon.wait_for("ready")
        vision = daemon.vision_pid
        assert vision
        for pid in (daemon.pid, vision):
            for name in ("cmdline", "environ"):
                assert secret.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        key.unlink()
        os.kill(vision, signal.SIGKILL)
        daemon.wait_for("No such file or directory")
        daemon.stop()
        assert not any(secret in line or "Traceback" in line for line in daemon.log)
    written = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    assert secret.encode() not in written
    assert bytes.fromhex(secret) not in written


async def survivors(data: bytes, directory: Path) -> dict[str, Path]:
    """Bundles of mutants that pass the probe."""
    mutator = Mutator(data, [], Random(SEED))
    found: dict[str, Path] = {}
    async with Prober() as prober:
        for number in range(1000):
            _, mutant = mutator.mutant()
            if mutant == data:
                continue
            bundle = write_bundle(directory / f"mutant{number}", mutant)
            settings = ModelSettings(bundle=str(bundle), threads=1)
            request = Request(path=str(bundle), settings=settings, memory_bytes=300 << 20, deadline_s=30.0)
            if (await prober.probe(request)).refusal is None:
                found[f"mutant{number}"] = bundle
            if len(found) == SURVIVORS:
                return found
    raise AssertionError(f"of 1000 mutants {len(found)} run")


def test_mutants_that_pass_run_under_the_daemon(test_data: Path, tmp_path: Path) -> None:
    found = asyncio.run(survivors((test_data / SSD).read_bytes(), tmp_path))
    with running(write_config(tmp_path, found)) as daemon:
        daemon.wait_for("ready")
        assert daemon.stop() == 0
        assert not any("vision process ended" in line for line in daemon.log)
