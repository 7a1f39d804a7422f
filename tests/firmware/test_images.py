"""Images that imgtool signed: read alike in Python and in C++, and refused with any one bit changed."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from building import built
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.core.errors import EdgedError, ImageRefused, OutputUnwritable, SecretUnreadable
from edged.mcu import package
from edged.mcu.image import HEADER_BYTES, Image, parse
from edged.tooling.mcu_sign import FirmwareLabel, ModelLabel, generate_key, key_hash, public_path, sign_firmware, sign_model

LARGE_BYTES = 300_000
"""As person_detect's model."""

RANDOM_FLIPS = 10_000

UNSIGNED = 8  # of Status in firmware/core/result.h


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "signing.pem"
    generate_key(path)
    return path


@pytest.fixture(scope="module")
def public_der(key: Path) -> Path:
    public = serialization.load_pem_public_key(public_path(key).read_bytes())
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = key.with_name("public.der")
    path.write_bytes(der)
    return path


@pytest.fixture(scope="module")
def firmware(key: Path) -> bytes:
    return sign_firmware(b"code " * 60, FirmwareLabel("emcraft-sf2", "1.2.3.4", 7, "loaded", 0xA0000000), key)


@pytest.fixture(scope="module")
def model(key: Path) -> bytes:
    vectors = [package.GoldenVector((b"in", b"put"), (b"out",), 1)]
    return sign_model(package.build(b"model" * 50, vectors), ModelLabel("host", "two words", "0.1.0", 0xFFFFFFFF), key)


class Judge:
    """The loader's judgement of one image after the other."""

    def __init__(self, public_der: Path) -> None:
        command = [built("host", "boot_image_tool"), "judge", public_der]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def of(self, image: bytes) -> list[str]:
        """Why its form is refused, why it is, what it says."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(struct.pack("<I", len(image)) + image)
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().rstrip("\n").split(" ", 9)

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def judge(public_der: Path) -> Iterator[Judge]:
    one = Judge(public_der)
    yield one
    one.close()


def said(image: Image) -> list[str]:
    """As the tool of C++ says it."""
    kind, placement = ["firmware", "model"].index(image.kind), ["anywhere", "loaded", "in flash"].index(image.placement)
    version = image.version if image.version.count(".") == 3 else f"{image.version}.0"
    return [*map(str, (kind, image.board, version, image.counter, placement, image.address, len(image.payload))), image.model_name]


def agree(judge: Judge, data: bytes) -> bool:
    """Whether both accept its form; they never differ, nor in what it says."""
    form, _, *fields = judge.of(data)
    try:
        image = parse(data)
    except ImageRefused:
        assert form != "0", "only C++ accepts it"
        return False
    assert form == "0", f"only Python accepts it; C++ says {form}"
    assert fields == said(image)
    return True


def test_what_imgtool_signs_is_read(judge: Judge, key: Path, firmware: bytes, model: bytes) -> None:
    for data in (firmware, model):
        assert agree(judge, data)
        assert judge.of(data)[1] == "0"
        assert parse(data).key_hash == key_hash(key) == key_hash(public_path(key))
    image = parse(model)
    assert (image.kind, image.model_name, image.version, image.counter) == ("model", "two words", "0.1.0", 0xFFFFFFFF)
    assert package.read(image.payload).vectors == (package.StoredVector(b"in\0\0put\0", b"out\0", 1),)
    image = parse(firmware)
    assert (image.kind, image.version, image.placement, image.address) == ("firmware", "1.2.3.4", "loaded", 0xA0000000)


def test_another_key_is_not_trusted(judge: Judge, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    generate_key(other)
    data = sign_firmware(b"code", FirmwareLabel("host", "1.0.0", 1), other)
    assert agree(judge, data)
    assert judge.of(data)[1] == str(UNSIGNED)


def test_imgtool_itself_believes_them(key: Path, firmware: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(firmware)
    command = [sys.executable, "-m", "imgtool.main", "verify", "--key", str(public_path(key)), str(tmp_path / "image.bin")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Image was correctly validated" in done.stdout


@pytest.mark.parametrize("kind", ["firmware", "model"])
def test_every_flipped_bit_is_refused(kind: str, public_der: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    data: bytes = request.getfixturevalue(kind)
    assert flips(public_der, data, tmp_path) == (len(data) * 8, 0)


def test_flipped_bits_of_a_large_model_are_refused(public_der: Path, key: Path, tmp_path: Path) -> None:
    payload = package.build(random.Random(1).randbytes(LARGE_BYTES))
    data = sign_model(payload, ModelLabel("host", "large", "1.0.0", 1), key)
    assert flips(public_der, data, tmp_path, str(RANDOM_FLIPS), "1") == (RANDOM_FLIPS, 0)


def flips(public_der: Path, data: bytes, tmp_path: Path, *how: str) -> tuple[int, int]:
    """How many bits were flipped, and with how many of them the image was accepted."""
    path = tmp_path / "image.bin"
    path.write_bytes(data)
    command = [built("host", "boot_image_tool"), "flip", public_der, path, *how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    flipped, accepted = map(int, done.stdout.split())
    return flipped, accepted


@pytest.mark.parametrize("kind", ["firmware", "model"])
def test_no_flipped_bit_is_read_in_python(kind: str, request: pytest.FixtureRequest) -> None:
    """But for those that only the signature shows: the name of a key, and numbers of the signature."""
    data: bytes = request.getfixturevalue(kind)
    image = parse(data)
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse(bytes(changed))
        except ImageRefused:
            continue
        assert bit // 8 > HEADER_BYTES + len(image.payload)
        assert (other.hash, other.payload, other.counter, other.board) == (image.hash, image.payload, image.counter, image.board)


SEVERAL = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SEVERAL
@given(st.data())
def test_python_and_firmware_refuse_the_same(judge: Judge, firmware: bytes, model: bytes, data: st.DataObject) -> None:
    """Invariant: whatever is done to an image, both read the same of it, or neither reads it."""
    blob = bytearray(data.draw(st.sampled_from([firmware, model])))
    area = len(blob) - 400  # header fields and entries, which is where the rules are
    places = st.one_of(st.integers(0, 32), st.integers(area, len(blob) - 1))
    for _ in range(data.draw(st.integers(0, 4))):
        blob[data.draw(places)] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0x01, 0x10, 0x22, 0x50, 0xA0, 0xA1])))
    cut = data.draw(st.one_of(st.just(0), st.integers(0, len(blob))))
    more = data.draw(st.binary(max_size=3))
    agree(judge, bytes(blob[: len(blob) - cut]) + more)


@SEVERAL
@given(st.binary(max_size=700))
def test_arbitrary_bytes_are_no_image(judge: Judge, data: bytes) -> None:
    assert not agree(judge, data)


def test_what_cannot_be_signed(key: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="version"):
        sign_firmware(b"x", FirmwareLabel("host", "1.2", 1), key)
    with pytest.raises(ValueError, match="version"):
        sign_firmware(b"x", FirmwareLabel("host", "256.0.0", 1), key)
    with pytest.raises(ValueError, match="address"):
        sign_firmware(b"x", FirmwareLabel("host", "1.0.0", 1, "loaded"), key)
    with pytest.raises(ValueError, match="board"):
        sign_firmware(b"x", FirmwareLabel("two words", "1.0.0", 1), key)
    with pytest.raises(ValueError, match="name"):
        sign_model(b"x", ModelLabel("host", "ä", "1.0.0", 1), key)
    with pytest.raises(ValueError, match="nothing"):
        sign_firmware(b"", FirmwareLabel("host", "1.0.0", 1), key)
    with pytest.raises(SecretUnreadable) as absent:
        sign_firmware(b"x", FirmwareLabel("host", "1.0.0", 1), tmp_path / "absent.pem")
    assert absent.value.fault == "missing"


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputUnwritable):
        generate_key(key)
    assert key.read_bytes() == before


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(text)
    with pytest.raises(EdgedError, match="key"):
        key_hash(path)
