from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import NAME_PATTERN
from edged.core.errors import ConfigInvalid
from edged.core.event import Event, EventId, ModelChanged, SourceLost
from edged.mqtt.topics import MAX_REPLY_LEVELS, Topics, level_problem

TOPICS = Topics("edged/v1", "home", "pi")


def test_the_topics_of_a_device() -> None:
    assert TOPICS.availability == "edged/v1/home/pi/availability"
    assert TOPICS.camera("door") == "edged/v1/home/pi/camera/door"
    assert TOPICS.model("detector") == "edged/v1/home/pi/model/detector"
    assert TOPICS.live("door") == "edged/v1/home/pi/live/door"
    identity = EventId("pi", "e", 1)
    assert TOPICS.event(Event(identity, 0, "synchronised", SourceLost("door", "", 0))) == "edged/v1/home/pi/event/source_lost/door"
    changed = ModelChanged("detector", "1", "a", "", "xnnpack", 0)
    assert TOPICS.event(Event(identity, 0, "synchronised", changed)) == "edged/v1/home/pi/event/model_changed/detector"


def test_where_a_request_may_have_its_answer() -> None:
    own = TOPICS.answer("porch")
    for topic in (own, f"{own}/console", f"{own}/a/b/c/d/e/f/g/h", f"{own}/{'x' * 255}"):
        assert TOPICS.may_answer("porch", topic), topic
    for topic in (
        "",
        "clients/me",
        "homeassistant/sensor/x/config",
        "edged/v1",
        TOPICS.availability,
        TOPICS.answer("yard"),
        f"{own}x/y",
        f"{own}/",
        f"{own}//a",
        f"{own}/+",
        f"{own}/#",
        f"{own}/a\0b",
        f"{own}/a\nb",
        own + "/a" * 9,
        own + "/a" * 301,
        f"{own}/{'x' * 256}",
        f"{own}/{'ä' * 128}",
    ):
        assert not TOPICS.may_answer("porch", topic), topic


@given(st.text(max_size=300) | st.lists(st.text("ab+#/\0", max_size=3), max_size=12).map("/".join))
def test_an_answer_goes_to_sound_topics_below_its_own_only(topic: str) -> None:
    own = TOPICS.answer("porch")
    for asked in (topic, own + topic):
        if TOPICS.may_answer("porch", asked):
            assert asked == own or asked.startswith(f"{own}/")
            assert not any(level_problem(level) for level in asked.split("/"))
            assert asked.count("/") <= own.count("/") + MAX_REPLY_LEVELS


@given(st.from_regex(NAME_PATTERN, fullmatch=True))
def test_every_name_that_the_configuration_takes_is_a_level(name: str) -> None:
    assert level_problem(name) is None
    assert TOPICS.camera(name).count("/") == TOPICS.camera("x").count("/")


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "a\0b", "a\nb", "x" * 256])
def test_a_name_that_is_no_level_says_why(name: str) -> None:
    assert level_problem(name)
    with pytest.raises(ConfigInvalid) as caught:
        Topics("edged/v1", name, "pi")
    assert caught.value.problems[0].startswith("fleet")


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Topics("$SYS//x", "a+b", "")
    assert len(caught.value.problems) == 4
