from __future__ import annotations

import hashlib
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.infer.bundle import identify, load_bundle
from edged.infer.golden import (
    FILE_NAME,
    ITEM_BYTES,
    MAX_BYTES,
    Answer,
    Generated,
    Golden,
    Stored,
    Vector,
    encode,
    parse_golden,
    pixels,
)
from edged.testing.tflite import make_tflite

ANSWER = Answer(tensor=7, shape=(1, 3), dtype="uint8", values=b"\x01\x02\x03", tolerance=0.5)
SAMPLE = Answer(
    tensor=8, shape=(1, 100), dtype="float32", values=struct.pack("<2f", 1, 2), tolerance=0.1, positions=struct.pack("<2I", 0, 99)
)


NOISE = Generated("noise-1", 1)


def golden(*answers: Answer, picture: Generated | Stored = NOISE) -> Golden:
    return Golden(made_by="litert", vectors=(Vector(picture=picture, answers=answers),))


def changed(**fields: object) -> bytes:
    return encode(golden(msgspec.structs.replace(SAMPLE, **fields)))


def test_what_was_written_is_read() -> None:
    written = golden(ANSWER, SAMPLE, picture=Stored(b"abc"))
    assert parse_golden(encode(written), "g") == written


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no golden vectors"),
        (b"\x80", "no golden vectors"),
        (b"\x80" * (MAX_BYTES + 1), "at most"),
        (b"\x91" * 100_000, "no golden vectors"),
        (encode({**msgspec.structs.asdict(golden(ANSWER)), "v": 2}), "version 1"),
        (encode({**msgspec.structs.asdict(golden(ANSWER)), "surprise": 1}), "surprise"),
        (encode(Golden(made_by="x", vectors=())), "length"),
        (encode(golden()), "length"),
        (changed(dtype="object"), "type 'object'"),
        (changed(dtype="float64"), "as many values"),
        (changed(values=b""), "as many values"),
        (changed(values=b"\0" * 9), "as many values"),
        (changed(positions=b""), "as many values"),
        (changed(positions=b"\0" * 9), "as many values"),
        (changed(positions=struct.pack("<2I", 0, 100)), "position outside"),
        (changed(shape=(-1,)), "no golden vectors"),
        (changed(shape=(2,) * 9), "no golden vectors"),
        (changed(tolerance=math.nan), "no tolerance"),
        (changed(tolerance=math.inf), "no tolerance"),
        (changed(tolerance=-1.0), "no tolerance"),
        (encode(golden(ANSWER, picture=Generated("noise-1", 1 << 32))), "no golden vectors"),
        (encode(golden(ANSWER)).replace(b"noise-1", b"noise-2"), "noise-2"),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ModelRejected, match=words):
        parse_golden(data, "g")


@given(
    st.binary(max_size=200) | st.just(encode(golden(ANSWER, SAMPLE))),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4),
)
def test_anything_is_read_or_refused(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    """It parses, or raises ModelRejected, never anything else; and what parses holds what it says."""
    for at, put in changes:
        data = data[:at] + put + data[at + len(put) :]
    try:
        read = parse_golden(data, "g")
    except ModelRejected:
        return
    for vector in read.vectors:
        for answer in vector.answers:
            held = len(answer.values) // ITEM_BYTES[answer.dtype]
            assert held == (len(answer.positions) // 4 or math.prod(answer.shape)) > 0


@pytest.mark.parametrize(
    ("picture", "digest"),
    [
        (Generated("noise-1", 1), "f075dcca809627b8"),
        (Generated("blocks-1", 1), "34a9c2b14fe1323b"),
        (Generated("gradient-1"), "3958a7c0bb46092a"),
        (Generated("flat-1", 1), "4af8233afc431928"),
    ],
)
def test_a_recipe_makes_the_same_picture_for_ever(picture: Generated, digest: str) -> None:
    """Vectors that were signed years ago must still mean what they meant: another recipe needs another name."""
    made = pixels(picture, 40, 30, 3)
    assert len(made) == 40 * 30 * 3
    assert hashlib.sha256(made).hexdigest()[:16] == digest


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
    st.sampled_from(["noise-1", "blocks-1", "gradient-1", "flat-1"]),
)
def test_a_recipe_fills_a_picture_of_any_size(height: int, width: int, channels: int, pattern: str) -> None:
    assert len(pixels(Generated(pattern), height, width, channels)) == height * width * channels  # type: ignore[arg-type]


def test_a_stored_picture_has_the_size_that_the_model_takes() -> None:
    assert pixels(Stored(b"abcdef"), 1, 2, 3) == b"abcdef"
    with pytest.raises(ModelRejected, match="6 bytes"):
        pixels(Stored(b"abcdef"), 2, 2, 3)


def test_golden_vectors_belong_to_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(make_tflite())
    (tmp_path / "model.toml").write_text('name = "x"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n')
    without = load_bundle(tmp_path)
    assert without.golden() is None
    (tmp_path / FILE_NAME).write_bytes(encode(golden(ANSWER)))
    found = load_bundle(tmp_path)
    assert found.golden() == golden(ANSWER)
    assert len({without.identity, found.identity}) == 2
    assert identify(tmp_path) == found.identity
    assert found.digest == without.digest
    (tmp_path / FILE_NAME).write_bytes(encode(golden(SAMPLE)))
    with pytest.raises(ModelRejected, match="changed") as caught:
        found.golden()
    assert caught.value.fault == "changed"
    (tmp_path / FILE_NAME).unlink()
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(ModelRejected, match="not a file"):
        load_bundle(tmp_path)


def test_reading_them_takes_no_numpy() -> None:
    code = "import sys, edged.infer.golden, edged.infer.bundle; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
