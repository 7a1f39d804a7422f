from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.errors import ModelRejected, OutputUnwritable, SecretUnreadable
from edged.core.model import StateSpec
from edged.infer.bundle import identify, load_bundle
from edged.infer.encryption import CHUNK_BYTES, HEADER, Key, decrypt, encrypt, parse_key, read_key, read_model
from edged.testing.tflite import make_tflite
from edged.tooling.encrypt import encrypt_bundle

KEY = Key(bytes(range(32)))
MODEL = make_tflite()
SEALED = encrypt(MODEL, KEY)
LARGE = MODEL + bytes(2 * CHUNK_BYTES)


def opened(data: bytes, key: Key | None = KEY) -> bytes:
    return decrypt(io.BytesIO(data), key, "m")


def rejected(data: bytes, key: Key | None = KEY) -> str:
    with pytest.raises(ModelRejected) as caught:
        opened(data, key)
    return caught.value.fault


@pytest.mark.parametrize("size", [8, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_encrypted_is_read(size: int) -> None:
    data = (MODEL + bytes(size))[:size]
    sealed = encrypt(data, KEY)
    assert opened(sealed) == data
    assert MODEL[:64] not in sealed
    assert encrypt(data, KEY) != sealed  # another salt, and so another key of the file


@given(st.data())
@settings(max_examples=200)
def test_a_changed_bit_is_noticed_wherever_it_is(data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(SEALED) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(SEALED)
    changed[at] ^= 1 << bit
    with pytest.raises(ModelRejected):
        opened(bytes(changed))


@given(
    st.binary(max_size=100)
    | st.integers(0, len(SEALED) - 1).map(lambda n: SEALED[:n])
    | st.binary(min_size=1).map(lambda b: SEALED + b)
)
def test_anything_else_is_refused(data: bytes) -> None:
    """It is what was encrypted, or raises ModelRejected, never anything else."""
    with pytest.raises(ModelRejected):
        opened(data)


def test_chunks_cannot_be_moved_repeated_or_left_out() -> None:
    sealed = encrypt(LARGE, KEY)
    part = CHUNK_BYTES + 16
    head, chunks = sealed[: HEADER.size], [sealed[at : at + part] for at in range(HEADER.size, len(sealed), part)]
    assert len(chunks) == 3
    for order in ((1, 0, 2), (0, 0, 2), (0, 2), (0, 1)):
        assert rejected(head + b"".join(chunks[n] for n in order)) in {"corrupt", "truncated", "undecipherable"}
    magic, version, salt, _ = HEADER.unpack(head)
    shorter = HEADER.pack(magic, version, salt, 2 * CHUNK_BYTES)
    assert rejected(shorter + chunks[0] + chunks[1]) == "undecipherable"  # the length is authenticated too
    assert rejected(head + chunks[0] + bytes(part) + chunks[2]) == "corrupt"


def test_each_fault_has_its_name() -> None:
    assert rejected(SEALED, None) == "undecipherable"
    assert rejected(SEALED, Key(bytes(32))) == "undecipherable"
    assert rejected(SEALED[:10]) == "truncated"
    assert rejected(SEALED[:-20]) in {"truncated", "undecipherable"}
    assert rejected(MODEL + bytes(100)) == "wrong type"
    assert rejected(SEALED[:8] + b"\2" + SEALED[9:]) == "wrong type"
    huge = bytearray(SEALED)
    struct.pack_into("<Q", huge, HEADER.size - 8, 1 << 62)
    assert rejected(bytes(huge)) == "wrong type"  # and not a reservation of memory
    assert rejected(encrypt(b"no model at all", KEY)) == "wrong type"


def test_a_key_is_hexadecimal_private_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.secret.hex() + "\n")
    file.chmod(0o640)
    with pytest.raises(SecretUnreadable, match="open to others"):
        read_key(file, None)
    file.chmod(0o600)
    assert parse_key(KEY.secret.hex().upper(), "k") == KEY
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in f"{KEY}"
    for text in ("", "00" * 31, "00" * 33, "zz" * 32):
        with pytest.raises(SecretUnreadable) as caught:
            parse_key(text, "k")
        assert not text or text not in str(caught.value)
    assert read_key(None, None) is None


def test_an_encrypted_bundle_says_the_same_and_hides_the_model(tmp_path: Path) -> None:
    clear = tmp_path / "clear"
    clear.mkdir()
    (clear / "m.tflite").write_bytes(MODEL)
    (clear / "names.txt").write_text("person\ndog\n")
    (clear / "model.toml").write_text(
        'name = "gate"\nlabels_file = "names.txt"\n[files]\ncpu = "m.tflite"\n'
        '[decoder]\nname = "blazeface"\nscore_threshold = 0.5\n'
        "[[state]]\ninput = 1\noutput = 1\ninitial = 2.0\n"
    )
    bundle = load_bundle(clear)
    encrypt_bundle(bundle, KEY, tmp_path / "sealed")
    sealed = load_bundle(tmp_path / "sealed")
    assert sealed.encrypted == {"cpu"}
    assert sealed.manifest.labels == ("person", "dog")
    assert (sealed.manifest.decoder, sealed.manifest.states) == (bundle.manifest.decoder, (StateSpec(1, 1, 2.0),))
    assert read_model(sealed, "cpu", KEY) == read_model(bundle, "cpu", None) == MODEL
    assert identify(tmp_path / "sealed") == sealed.identity != bundle.identity
    assert not [file for file in (tmp_path / "sealed").iterdir() if MODEL[100:200] in file.read_bytes()]
    with pytest.raises(OutputUnwritable, match="there is a bundle already"):
        encrypt_bundle(bundle, KEY, tmp_path / "sealed")
    with pytest.raises(ModelRejected, match="encrypted already"):
        encrypt_bundle(sealed, KEY, tmp_path / "again")
    (tmp_path / "bare.tflite").write_bytes(SEALED)
    with pytest.raises(ModelRejected, match=r"needs a model\.toml"):
        load_bundle(tmp_path / "bare.tflite")
