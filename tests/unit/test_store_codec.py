from __future__ import annotations

import dataclasses
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import StoreFailed
from edged.core.event import (
    KINDS,
    InferenceMade,
    InferenceSource,
    LeaveReason,
    McuBack,
    McuLost,
    ModelChanged,
    ObjectAppeared,
    ObjectLeft,
    Occurrence,
    SourceBack,
    SourceLost,
    UpdateChanged,
    UpdateState,
    kind_of,
)
from edged.store import codec

number = st.floats(allow_nan=False)
box = st.tuples(number, number, number, number)
ns = st.integers(0, 2**63 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.lists(number, max_size=64).map(tuple)
occurrences: st.SearchStrategy[Occurrence] = st.one_of(
    st.builds(ObjectAppeared, text, text, text, number, box, ns, st.none() | number, text),
    st.builds(
        ObjectLeft, text, text, text, st.sampled_from(get_args(LeaveReason)), number, number, box, box,
        st.lists(st.tuples(number, number), max_size=64).map(tuple), ns, st.none() | number, text,
    ),
    st.builds(SourceLost, text, text, ns),
    st.builds(SourceBack, text, number, ns),
    st.builds(ModelChanged, text, text, text, text, text, ns),
    st.builds(
        InferenceMade, text, ns, st.sampled_from(get_args(InferenceSource)), text, ns, number, numbers,
        ns, text, text, ns, ns, ns,
    ),
    st.builds(McuLost, text, text, ns),
    st.builds(McuBack, text, number, ns),
    st.builds(UpdateChanged, text, text, ns, text, text, st.sampled_from(get_args(UpdateState)), text, text, ns),
)  # fmt: skip


@given(occurrences)
def test_every_occurrence_comes_back_as_it_was(occurrence: Occurrence) -> None:
    kind, body = codec.encode(occurrence)
    assert kind == kind_of(occurrence)
    assert codec.decode(kind, body, "row 1") == occurrence


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_row(kind: str, body: bytes) -> None:
    try:
        assert isinstance(codec.decode(kind, body, "row 7"), KINDS[kind])
    except StoreFailed as error:
        assert "row 7" in error.message


def test_an_unknown_kind_names_the_row_and_the_kind() -> None:
    with pytest.raises(StoreFailed, match=r"row 9 .*'door_opened'"):
        codec.decode("door_opened", b"\x80", "row 9")


def test_a_missing_field_is_named() -> None:
    fields = dataclasses.asdict(SourceLost("door", "cable", 5))
    del fields["reason"]
    with pytest.raises(StoreFailed, match="reason"):
        codec.decode("source_lost", msgspec.msgpack.encode(fields), "row 1")


@pytest.mark.parametrize(
    "wrong",
    [
        SourceLost("door", 3, 5),  # type: ignore[arg-type]
        SourceLost("door", "\ud800", 5),
        SourceLost("door", "cable", 2**80),
        ObjectLeft("a", "b", "c", "bored", 1, 1, (0, 0, 1, 1), (0, 0, 1, 1), (), 1, None, "m"),  # type: ignore[arg-type]
    ],
    ids=["type", "surrogate", "too large", "not in the set"],
)
def test_a_value_that_could_not_be_read_back_is_not_stored(wrong: Occurrence) -> None:
    with pytest.raises(StoreFailed):
        codec.encode(wrong)
