"""Where a program was linked to run, read out of its ELF file."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.mcu.elf import Code, read_code
from edged.testing.elf import make_elf

ELF = make_elf(b"code" * 8, 0xA0000200)


@given(code=st.binary(min_size=1, max_size=64), address=st.integers(0, 0xFFFFFF00))
def test_the_code_is_found_where_it_starts(code: bytes, address: int) -> None:
    assert read_code(make_elf(code, address)) == Code(address, code)


@given(data=st.data())
def test_whatever_the_bytes_are_they_are_read_or_refused(data: st.DataObject) -> None:
    """Invariant: code that lies in the file, or ValueError."""
    at = data.draw(st.integers(0, len(ELF) - 1))
    changed = ELF[:at] + data.draw(st.binary(min_size=1, max_size=4)) + ELF[at + 1 :]
    cut = changed[: data.draw(st.integers(0, len(changed)))]
    with contextlib.suppress(ValueError):
        assert read_code(cut).data in cut


@pytest.mark.parametrize("cut", [0, 10, 51, 60, len(ELF) - 1])
def test_a_file_that_is_cut_off(cut: int) -> None:
    with pytest.raises(ValueError, match="ELF file"):
        read_code(ELF[:cut])
