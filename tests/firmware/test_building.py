"""What CMake asks scripts for: the key that a loader trusts, and the sources of BearSSL."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from building import FIRMWARE, need_tools

from edged.cli.main import main
from edged.tooling.mcu_sign import generate_key, key_hash, public_path


def embed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, FIRMWARE / "cmake" / "embed_key.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_public_key_becomes_a_header(tmp_path: Path) -> None:
    key, header = tmp_path / "key.pem", tmp_path / "made" / "key.h"
    generate_key(key)
    assert embed(public_path(key), header).returncode == 0
    assert key_hash(key).hex() in header.read_text()
    before = header.stat().st_mtime_ns
    assert embed(public_path(key), header).returncode == 0
    assert header.stat().st_mtime_ns == before, "nothing is compiled again"


def test_a_private_key_is_not_built_with(tmp_path: Path) -> None:
    key, header = tmp_path / "key.pem", tmp_path / "key.h"
    generate_key(key)
    done = embed(key, header)
    assert done.returncode == 1
    assert "no PEM public key" in done.stderr
    assert not header.exists()


def test_a_key_for_development_is_made_once(tmp_path: Path) -> None:
    key, header = tmp_path / "key.pem", tmp_path / "key.h"
    assert embed("--develop", key, header).returncode == 0
    made = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert embed("--develop", key, header).returncode == 0
    assert key.read_bytes() == made


def test_each_build_trusts_the_key_that_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CMake remembers what it was told before: a build without a key must not go on with the last one."""
    need_tools("host")
    sources, built = tmp_path / "firmware", tmp_path / "built"
    (sources / "ports" / "host").mkdir(parents=True)
    (sources / "ports" / "host" / "CMakeLists.txt").touch()
    preset = {"name": "host", "generator": "Ninja", "cacheVariables": {"EDGED_PORT": "host"}}
    (sources / "CMakePresets.json").write_text(json.dumps({"version": 3, "configurePresets": [preset]}))
    script = (
        'cmake_minimum_required(VERSION 3.20)\nproject(none NONE)\nfile(WRITE ${CMAKE_BINARY_DIR}/app.bin "trusts ${EDGED_KEY}")\n'
    )
    (sources / "CMakeLists.txt").write_text(script)
    words = ["mcu", "build", "host", "--firmware", str(sources), "--output", str(built)]
    generate_key(tmp_path / "key.pem")
    public = public_path(tmp_path / "key.pem")
    assert main([*words, "--key", str(public)]) == 0
    assert (built / "app.bin").read_text() == f"trusts {public}"
    assert main(words) == 0
    assert (built / "app.bin").read_text() == "trusts "
    (sources / "CMakeLists.txt").write_text(script + 'message(FATAL_ERROR "no compiler for it")\n')
    capsys.readouterr()
    assert main(words) == 1
    assert "host does not build: no compiler for it" in capsys.readouterr().err.replace("\n", " ")


@pytest.fixture(scope="module")
def third_party() -> ModuleType:
    spec = importlib.util.spec_from_file_location("third_party", FIRMWARE / "third_party.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_source_lists(third_party: ModuleType) -> None:
    assert doctest.testmod(third_party).failed == 0
    lines = ["# deb http://no/ x main", "deb [ arch=amd64,i386 signed-by=/k.gpg ] http://a/ x main", "deb http://a/ x main"]
    lines += ["deb-src http://a/ x main", ""]
    assert third_party.source_list({"a.list": "\n".join(lines), "b.list": "# nothing\n"}) == {
        "a.list": "deb-src [ signed-by=/k.gpg ] http://a/ x main\ndeb-src http://a/ x main\n"
    }


def test_another_archive_is_refused(third_party: ModuleType, tmp_path: Path) -> None:
    archive = tmp_path / "bearssl.tar.xz"
    archive.write_bytes(b"something else")
    with pytest.raises(third_party.Unavailable, match="has the SHA-256"):
        third_party.unpack(archive, tmp_path / "into")


NO_NETWORK = """\
Dir::Etc::parts "/nowhere"; Dir::Etc::main "/nowhere";
Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::https::Proxy "http://127.0.0.1:9";
"""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BEARSSL_DIR": "/nowhere"}, "BEARSSL_DIR=/nowhere holds no inc/bearssl.h"),
        ({"XDG_CACHE_HOME": "{work}", "PATH": "{work}"}, "no apt-get here to fetch it with; BEARSSL_DIR may name"),
        ({"XDG_CACHE_HOME": "{work}", "APT_CONFIG": "{work}/apt.conf"}, "BEARSSL_DIR may name"),
    ],
)
def test_what_to_do_without_it(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "apt.conf").write_text(NO_NETWORK)
    changed = {name: value.format(work=tmp_path) for name, value in environment.items()}
    command = [sys.executable, FIRMWARE / "third_party.py"]
    done = subprocess.run(command, env={**os.environ, **changed}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
