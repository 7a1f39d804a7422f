"""The transfer's rules: whatever comes, only signed chunks count, a window bounds what is underway, and it ends."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.target import CHUNK_BYTES, Chunks, SignedTarget, Target
from edged.ota.transfer import FRUITLESS_ROUNDS, MAX_DAMAGED, WINDOW, Transfer, check_cut, read_index
from edged.ota.upload import Blob


def signed_for(blob: Blob, count: int | None = None) -> SignedTarget:
    chunks = Chunks(count=count or len(blob.chunks), index_sha256=hashlib.sha256(blob.index).hexdigest())
    target = Target(kind="model", id="detector", sequence=1, version="1", chunks=chunks)
    return SignedTarget(target=target, length=len(blob.data), sha256=blob.sha256)


def blob_of(count: int, last_bytes: int = CHUNK_BYTES) -> Blob:
    return Blob(random.Random(count).randbytes((count - 1) * CHUNK_BYTES + last_bytes))


BLOBS = {count: blob_of(count, 100 + count) for count in range(1, 30)}


def transfer_of(blob: Blob, held: set[int] = frozenset()) -> Transfer:  # type: ignore[assignment]
    signed = signed_for(blob)
    return Transfer(signed, read_index(signed, blob.index), held)


ANSWERS = ("right", "right", "right", "wrong", "short", "long", "absent", "lost", "other", "again")


@given(st.data())
def test_whatever_is_answered_only_signed_chunks_are_stored_and_it_ends(data: st.DataObject) -> None:
    blob = BLOBS[data.draw(st.integers(1, 29))]
    held = data.draw(st.sets(st.integers(0, len(blob.chunks) - 1)))
    transfer, stored, answers = transfer_of(blob, held), set(held), st.sampled_from(ANSWERS)
    rng, arrived, asked = data.draw(st.randoms(use_true_random=False)), [], []
    try:
        for _ in range(10_000):
            if transfer.complete:
                break
            while (number := transfer.ask()) is not None:
                assert number not in stored and number not in asked and number not in arrived
                asked.append(number)
            assert len(asked) + len(arrived) == transfer.underway <= WINDOW
            if arrived and (not asked or rng.random() < 0.3):
                transfer.on_stored(arrived)
                stored.update(arrived)
                arrived.clear()
            elif asked:
                number = asked.pop(rng.randrange(len(asked)))
                answer(transfer, blob, number, data.draw(answers), arrived, asked)
            else:
                transfer.next_round()
        else:
            pytest.fail("it does not end")
    except UpdateFailed as failure:
        assert failure.code in {"chunk_missing", "chunk_damaged"}
    assert transfer.held == len(stored)
    assert transfer.complete == (stored == set(range(len(blob.chunks))))


def answer(transfer: Transfer, blob: Blob, number: int, how: str, arrived: list[int], asked: list[int]) -> None:
    chunk = blob.chunks[number]
    payloads = {
        "right": chunk,
        "wrong": bytes(len(chunk)),
        "short": chunk[:-1],
        "long": chunk + b"\0",
        "again": chunk,
        "other": b"",
    }
    if how == "lost":
        transfer.on_lost(number)
    elif how == "absent":
        transfer.on_absent(number)
    else:
        if transfer.on_chunk(number, payloads[how]):
            assert payloads[how] == chunk
            arrived.append(number)
        assert not transfer.on_chunk(number, chunk), "nobody asked a second time"


def test_a_broker_that_has_nothing_is_asked_for_a_window_in_each_of_a_few_rounds() -> None:
    transfer, asked = transfer_of(BLOBS[29]), 0
    with pytest.raises(UpdateFailed) as failure:
        while True:
            while (number := transfer.ask()) is not None:
                transfer.on_absent(number)
                asked += 1
            transfer.next_round()
    assert failure.value.code == "chunk_missing"
    assert asked <= FRUITLESS_ROUNDS * WINDOW


def test_wrong_chunks_are_read_so_many_times_and_named_when_the_rest_is_missing() -> None:
    transfer, blob, damaged = transfer_of(BLOBS[29]), BLOBS[29], 0
    with pytest.raises(UpdateFailed) as failure:
        while True:
            while (number := transfer.ask()) is not None:
                damaged += 1
                assert not transfer.on_chunk(number, bytes(len(blob.chunks[number])))
            transfer.next_round()
    assert failure.value.code == "chunk_damaged"
    assert damaged <= MAX_DAMAGED


def test_one_wrong_chunk_does_not_keep_the_others_away_and_is_taken_when_it_is_mended() -> None:
    transfer, blob, mended = transfer_of(BLOBS[12]), BLOBS[12], False
    while not transfer.complete:
        while (number := transfer.ask()) is not None:
            if transfer.on_chunk(number, blob.chunks[number] if number or mended else b"poison"):
                transfer.on_stored([number])
        if not transfer.complete:
            assert transfer.held == 11
            transfer.next_round()
            mended = True


def test_after_a_lost_connection_others_have_their_turn_first_and_each_that_was_asked_for_goes_alone() -> None:
    transfer, blob = transfer_of(BLOBS[20]), BLOBS[20]
    first = [transfer.ask() for _ in range(WINDOW)]
    for number in first:
        assert number is not None
        transfer.on_lost(number)
    for number in range(WINDOW, 20):
        assert transfer.ask() == number
        assert transfer.on_chunk(number, blob.chunks[number])
        transfer.on_stored([number])
    for number in range(WINDOW):
        assert (transfer.ask(), transfer.ask()) == (number, None)
        assert transfer.on_chunk(number, blob.chunks[number])
        transfer.on_stored([number])
    assert transfer.complete


def test_a_chunk_with_which_every_connection_ends_counts_as_wrong_and_takes_no_other_with_it() -> None:
    transfer, blob, losses = transfer_of(BLOBS[12]), BLOBS[12], 0
    with pytest.raises(UpdateFailed) as failure:
        while True:
            asked = []
            while (number := transfer.ask()) is not None:
                asked.append(number)
            if 5 in asked:
                losses += 1
            for number in asked:
                if 5 in asked:
                    transfer.on_lost(number)
                elif transfer.on_chunk(number, blob.chunks[number]):
                    transfer.on_stored([number])
            if not asked:
                transfer.next_round()
    assert failure.value.code == "chunk_damaged"
    assert transfer.held == 11 and losses <= 2 * (FRUITLESS_ROUNDS + 2)


@given(st.integers(1, 29), st.data())
def test_an_index_that_is_not_the_signed_one_is_refused(count: int, data: st.DataObject) -> None:
    blob, signed = BLOBS[count], signed_for(BLOBS[count])
    assert read_index(signed, blob.index) == tuple(hashlib.sha256(chunk).digest() for chunk in blob.chunks)
    at = data.draw(st.integers(0, len(blob.index) - 1))
    changed = bytearray(blob.index)
    changed[at] ^= 1
    for wrong in (bytes(changed), blob.index[:-1], blob.index + b"\0", blob.index[:-32], b""):
        with pytest.raises(UpdateFailed) as failure:
            read_index(signed, wrong)
        assert failure.value.code == "chunk_damaged"


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_of_chunks_that_does_not_make_the_length_is_refused(count: int) -> None:
    check_cut(signed_for(BLOBS[2]))
    with pytest.raises(UpdateRefused) as refusal:
        check_cut(signed_for(BLOBS[2], count))
    assert refusal.value.code == "malformed"
