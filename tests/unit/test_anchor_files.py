"""Anchors listed in a file of the bundle."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.infer.anchors import MAX_BYTES, parse_anchors
from edged.infer.bundle import load_bundle
from edged.infer.manifest import format_manifest, parse_manifest
from edged.testing.tflite import make_tflite


def bundle(at: Path, decoder: str) -> Path:
    (at / "m.tflite").write_bytes(make_tflite())
    (at / "model.toml").write_text(f'name = "x"\n[files]\ncpu = "m.tflite"\n[decoder]\nname = "ssd_heads"\n{decoder}\n')
    return at


def test_the_file_becomes_the_parameter(tmp_path: Path) -> None:
    anchors = np.random.default_rng(1).uniform(0, 1, (7, 4))
    np.savetxt(tmp_path / "anchors.csv", anchors, delimiter=",")
    manifest = load_bundle(bundle(tmp_path, 'anchors_file = "anchors.csv"')).manifest
    assert manifest.decoder.parameters.keys() == {"anchors"}
    assert manifest.decoder.parameters["anchors"] == tuple(anchors.ravel())
    assert parse_manifest(format_manifest(manifest).encode(), "x") == (manifest, None)


@pytest.mark.parametrize(
    ("decoder", "says"),
    [
        ('anchors_file = "../anchors.csv"', "not the name of a file"),
        ("anchors_file = 3", "not the name of a file"),
        ('anchors_file = "absent.csv"', r"absent\.csv: cannot be read"),
        ('anchors_file = "anchors.csv"\nanchors = [1.0]', "both anchors and anchors_file"),
    ],
)
def test_a_file_that_cannot_be_meant_is_rejected(tmp_path: Path, decoder: str, says: str) -> None:
    (tmp_path / "anchors.csv").write_text("0,0,1,1\n")
    with pytest.raises(ModelRejected, match=says):
        load_bundle(bundle(tmp_path, decoder))


def test_commas_or_blanks_part_the_numbers() -> None:
    assert parse_anchors(b"0.5, .5,1,2\n\n1 2\t3 4e-1\r\n", "x") == (0.5, 0.5, 1, 2, 1, 2, 3, 0.4)


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3,4,5", "y,x,h,w", "1,2,3,nan", "1,2,3,1e999", "\u0000"])
def test_a_line_that_is_no_anchor_is_named(line: str) -> None:
    with pytest.raises(ModelRejected, match=r"a\.csv: line 2 is no anchor"):
        parse_anchors(f"0,0,1,1\n{line}\n".encode(), "a.csv")


def test_files_are_bounded() -> None:
    with pytest.raises(ModelRejected, match="at most"):
        parse_anchors(bytes(MAX_BYTES + 1), "a.csv")


@given(st.binary(max_size=100) | st.text("0123456789.,-e \n", max_size=100).map(str.encode))
def test_any_bytes_are_anchors_or_rejected(data: bytes) -> None:
    with contextlib.suppress(ModelRejected):
        assert len(parse_anchors(data, "x")) % 4 == 0
