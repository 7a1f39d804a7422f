"""Packages of models, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ImageRefused
from edged.mcu import package

tensors = st.lists(st.binary(max_size=20), max_size=3).map(tuple)
vectors = st.builds(package.GoldenVector, tensors, tensors, st.integers(0, 255))


def filled(tensors: tuple[bytes, ...]) -> bytes:
    return b"".join(tensor + bytes(-len(tensor) % 4) for tensor in tensors)


@given(st.binary(min_size=1, max_size=100), st.lists(vectors, max_size=4))
def test_what_is_built_is_read(model: bytes, golden: list[package.GoldenVector]) -> None:
    built = package.build(model, golden)
    found = package.read(built)
    assert found.model == model
    assert built.index(model, len(built) - len(model)) % 16 == 0
    assert [(one.input, one.output, one.tolerance) for one in found.vectors] == [
        (filled(one.inputs), filled(one.outputs), one.tolerance) for one in golden
    ]


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"EDMP\1\0" + rest))
def test_arbitrary_bytes_are_a_package_or_refused(data: bytes) -> None:
    """Invariant: read, or ImageRefused; and what is read is all of it."""
    try:
        found = package.read(data)
    except ImageRefused:
        return
    assert data.endswith(found.model)


@given(st.lists(vectors, max_size=2), st.data())
def test_no_part_of_a_package_is_one(golden: list[package.GoldenVector], data: st.DataObject) -> None:
    built = package.build(b"model", golden)
    with pytest.raises(ImageRefused):
        package.read(built[: data.draw(st.integers(0, len(built) - 1))])
    with pytest.raises(ImageRefused):
        package.read(built + b"\0")


def test_what_no_package_holds() -> None:
    with pytest.raises(ValueError, match="empty"):
        package.build(b"")
    with pytest.raises(ValueError, match="tolerance"):
        package.build(b"m", [package.GoldenVector((), (), 256)])
