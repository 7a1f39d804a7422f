"""An encrypted bundle through everything that loads one; its key is where it is needed and nowhere else."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE_S, wait_until
from test_probe import children, open_files

from edged.cli.main import main
from edged.core.errors import SecretUnreadable
from edged.infer.bundle import load_bundle
from edged.infer.encryption import Key
from edged.infer.golden import FILE_NAME
from edged.infer.probe.prober import Prober
from edged.infer.probe.records import Request, Verdict
from edged.infer.settings import ModelSettings
from edged.testing import candidates, hostile
from edged.tooling.encrypt import encrypt_bundle
from edged.tooling.golden import make_golden

KEY = "c0ffee" * 10 + "0123"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    return path


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    clear = candidates.write_candidate(tmp_path / "clear", candidates.sound())
    (clear / FILE_NAME).write_bytes(make_golden(load_bundle(clear)))
    encrypt_bundle(load_bundle(clear), Key(bytes.fromhex(KEY)), tmp_path / "sealed")
    return tmp_path / "sealed"


async def probed(path: Path, deadline_s: float = PATIENCE_S, **settings: str) -> Verdict:
    model = ModelSettings(bundle=str(path), threads=1, **settings)  # type: ignore[arg-type]
    async with Prober() as prober:
        return await prober.probe(Request(path=str(path), settings=model, memory_bytes=300 << 20, deadline_s=deadline_s))


async def test_it_passes_the_probe_with_its_key_and_golden_vectors(sealed: Path, key_file: Path) -> None:
    verdict = await probed(sealed, key_file=str(key_file))
    assert verdict.refusal is None
    assert "are answered as" in verdict.passed[-1].detail
    assert set(verdict.protection) == {"no network", "no files written", "no processes", "no looking in"}


async def test_a_credential_reaches_the_probe_without_its_directory(
    sealed: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd lays it down: readable by its group as well, which the directory's own rights make good."""
    key_file.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key_file.parent))
    verdict = await probed(sealed, key_credential="key")
    assert verdict.refusal is None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SecretUnreadable, match="systemd gave none"):
        await probed(sealed, key_credential="key")


async def test_without_its_key_or_with_another_it_is_refused(sealed: Path, key_file: Path) -> None:
    unlocked = await probed(sealed)
    assert unlocked.refusal is not None
    assert unlocked.refusal.fault == "undecipherable"
    assert "key_file" in unlocked.refusal.hint
    for text, expected in (("00" * 32, "another key"), ("gibberish", "no key of a model")):
        key_file.write_text(text)
        other = await probed(sealed, key_file=str(key_file))
        assert other.refusal is not None
        assert other.refusal.fault == "undecipherable"
        assert expected in other.refusal.message
        assert text not in other.refusal.message


async def test_the_key_is_in_no_command_line_environment_or_descriptor(tmp_path: Path, key_file: Path) -> None:
    clear = tmp_path / "clear"
    clear.mkdir()
    (clear / "m.tflite").write_bytes(hostile.hanging())
    (clear / "model.toml").write_text('name = "m"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n')
    encrypt_bundle(load_bundle(clear), Key(bytes.fromhex(KEY)), tmp_path / "sealed")
    before = set(children(os.getpid()))
    trying = asyncio.create_task(probed(tmp_path / "sealed", key_file=str(key_file)))
    await asyncio.to_thread(wait_until, lambda: bool(set(children(os.getpid())) - before), "the probe")
    (server,) = set(children(os.getpid())) - before
    await asyncio.to_thread(wait_until, lambda: bool(children(server)), "a process for the model")
    (child,) = children(server)
    await asyncio.to_thread(wait_until, lambda: "Seccomp:\t2" in Path(f"/proc/{child}/status").read_text(), "shut in")
    for pid in (server, child):
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        # The child reads the file once it is shut in, which may be now.
        closed = functools.partial(lambda pid: str(key_file) not in open_files(pid).values(), pid)
        await asyncio.to_thread(wait_until, closed, "the key's file stays open")
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying


SERVE = """
import ctypes, json, sys
from pathlib import Path
from edged.infer.bundle import load_bundle
from edged.infer.settings import ModelSettings
from edged.tracking.settings import TrackerSettings
from edged.vision.loader import load
path, key = sys.argv[1:]
settings = ModelSettings(bundle=path, threads=1, key_file=key)
served = load("m", settings, TrackerSettings(), identity=load_bundle(Path(path)).identity)
(output,) = served.model.engine.infer(lambda tensor: tensor.fill(0.5))
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
mapped = Path("/proc/self/maps").read_text()
print(json.dumps([output.data.tolist(), dumpable, "sealed/" in mapped, repr(settings)]))
"""


def test_who_serves_it_maps_no_file_and_cannot_be_dumped(sealed: Path, key_file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SERVE, str(sealed), str(key_file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores, dumpable, mapped, shown = json.loads(done.stdout)
    assert scores == [[0.5, 0.5, 0.5]]
    assert (dumpable, mapped) == (0, False)
    assert KEY not in shown + done.stderr


def test_by_hand(tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clear = candidates.write_candidate(tmp_path / "clear", candidates.sound())
    assert main(["model", "encrypt", str(clear), "--key", str(key_file), "--to", str(tmp_path / "sealed")]) == 0
    assert "root" in capsys.readouterr().out
    assert main(["model", "verify", str(tmp_path / "sealed"), "--key", str(key_file)]) == 0
    assert main(["model", "verify", str(tmp_path / "sealed")]) == 1
    assert "refused: undecipherable" in capsys.readouterr().out
