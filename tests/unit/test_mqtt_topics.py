from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import NAME_PATTERN
from edged.core.errors import ConfigInvalid
from edged.core.event import Event, EventId, ModelChanged, SourceLost
from edged.mqtt.topics import Topics, level_problem

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
