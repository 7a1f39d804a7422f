"""Questions and answers between a device and a publisher, and the topics that they go to."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.ota.exchange import INDEX, decode_answer, decode_question, encode_answer, encode_question
from edged.ota.target import MAX_CHUNKS
from edged.ota.topics import UpdateTopics

TOPICS = UpdateTopics("edged/v1", "home")
SHA256 = "ab" * 32
NUMBERS = st.integers(0, MAX_CHUNKS - 1) | st.just(INDEX)


@given(st.sets(NUMBERS, max_size=20))
def test_a_question_asks_for_what_was_meant(numbers: set[int]) -> None:
    asked = decode_question(encode_question(numbers)).numbers()
    assert set(asked) == numbers and len(asked) == len(numbers)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bounded_question_or_none(payload: bytes) -> None:
    try:
        question = decode_question(payload)
    except msgspec.MsgspecError:
        return
    assert all(number == INDEX or number < MAX_CHUNKS for number in question.numbers())


@given(NUMBERS, st.none() | st.binary(min_size=1, max_size=50))
def test_an_answer_says_which_chunk_it_is(number: int, data: bytes | None) -> None:
    assert decode_answer(encode_answer(number, data)) == (number, data)


@given(st.binary(max_size=3))
def test_what_is_too_short_is_no_answer(payload: bytes) -> None:
    assert decode_answer(payload) is None


@pytest.mark.parametrize(
    "topic",
    [
        "edged/v1/home/tuf/stable",
        "edged/v1/home/ota/reply",
        "edged/v1/home//ota/reply",
        "edged/v1/home/a/b/ota/reply",
        "edged/v1/home/pi/ota/reply/x",
        "edged/v1/home/+/ota/reply",
        "edged/v1/other/pi/ota/reply",
        f"edged/v1/home/blob/{SHA256}/ota/reply",
        "$SYS/pi/ota/reply",
        "",
    ],
)
def test_a_publisher_answers_on_topics_for_answers_only(topic: str) -> None:
    assert TOPICS.is_reply(TOPICS.reply("pi"))
    assert not TOPICS.is_reply(topic)


@pytest.mark.parametrize("level", ["", "+", SHA256[:-1], SHA256.upper(), f"{SHA256}0", "../../etc/passwd", f"{SHA256}\n"])
def test_only_a_hash_names_a_blob(level: str) -> None:
    assert TOPICS.blob(TOPICS.index(SHA256)) == TOPICS.blob(TOPICS.get(SHA256)) == SHA256
    assert TOPICS.blob(TOPICS.index(level)) is None
    assert TOPICS.blob(TOPICS.chunk(SHA256, 3)) is None
    assert TOPICS.channel(TOPICS.ask("stable")) == "stable"
    assert TOPICS.channel(TOPICS.metadata("stable")) is None
