from __future__ import annotations

from edged.mqtt.reason import describe, is_refusal
from edged.mqtt.version import VersionChoice


def test_silence_alternates_until_something_answers() -> None:
    choice = VersionChoice("auto")
    assert choice.version == "5"
    assert choice.on_silence()
    assert choice.version == "3.1.1"
    assert not choice.on_silence()
    assert choice.version == "5"


def test_an_outage_does_not_cost_a_version_that_was_answered() -> None:
    choice = VersionChoice("auto")
    choice.on_accepted()
    assert not choice.on_silence()
    assert choice.version == "5"


def test_a_broker_that_was_exchanged_is_followed() -> None:
    choice = VersionChoice("auto")
    choice.on_accepted()
    assert choice.on_refused()
    assert choice.version == "3.1.1"
    choice.on_accepted()
    choice.on_refused()
    assert choice.version == "5"


def test_a_version_that_was_set_stays() -> None:
    choice = VersionChoice("3.1.1")
    assert not choice.on_refused()
    assert not choice.on_silence()
    assert choice.version == "3.1.1"


def test_reasons_read_as_the_specification_says_them() -> None:
    assert describe(0x97) == "Quota exceeded (0x97)"
    assert describe(0xEE) == "unknown reason 0xee"
    assert is_refusal(0x80)
    assert not is_refusal(0x10)  # no matching subscribers: taken all the same
