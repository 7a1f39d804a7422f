"""Which devices take part in a rollout, and when."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.clock import ClockReading
from edged.ota.rollout import CLOCK_AGAIN_S, Answer, Device, draw, judge, takes_part
from edged.ota.target import Chunks, Constraints, Rollout, Target

DEVICE = Device("gate-1", "aarch64", "0.2.1", frozenset({"north"}), frozenset({"litert"}), frozenset({"xnnpack"}))
NOW_S = 1_800_000_000
SET = ClockReading(0, NOW_S * 10**9, "synchronised")
UNSET = dataclasses.replace(SET, quality="unsynchronised")
BOOT = ClockReading(0, 0, "unsynchronised")


ANYWHERE = Constraints()


def target(constraints: Constraints = ANYWHERE, **rollout: object) -> Target:
    chunks = Chunks(count=1, index_sha256="0" * 64)
    made = Rollout(**rollout)
    return Target(kind="model", id="m", sequence=1, version="v1", chunks=chunks, constraints=constraints, rollout=made)


@pytest.mark.parametrize(
    ("constraints", "code"),
    [
        ({}, "ok"),
        ({"devices": ("gate-1",)}, "ok"),
        ({"devices": ("gate-2", "gate")}, "not_for_device"),
        ({"machines": ("x86_64",)}, "not_for_device"),
        ({"machines": ("x86_64", "aarch64")}, "ok"),
        ({"runtimes": ("tflite-runtime",)}, "not_for_device"),
        ({"accelerators": ("edgetpu",)}, "not_for_device"),
        ({"accelerators": ("xnnpack",), "runtimes": ("litert",)}, "ok"),
        ({"edged": "0.2"}, "ok"),
        ({"edged": "0.2.1"}, "ok"),
        ({"edged": "0.10"}, "not_for_device"),
        ({"edged": "1"}, "not_for_device"),
    ],
)
def test_constraints(constraints: dict[str, object], code: str) -> None:
    answer = judge(target(Constraints(**constraints)), DEVICE, SET)
    assert answer.code == code
    assert bool(answer.detail) == (code != "ok")


def test_a_thing_without_a_runtime_fits_no_constraint_on_it() -> None:
    bare = dataclasses.replace(DEVICE, runtimes=frozenset())
    assert judge(target(Constraints(runtimes=("litert",))), bare, SET).code == "not_for_device"
    assert judge(target(), bare, SET).code == "ok"


def test_a_draw_never_changes() -> None:
    """Devices in the field have drawn: another rule would make other devices the first ones."""
    assert [draw("", "gate-1"), draw("a", "gate-1"), draw("a", "gate-2")] == [58, 25, 91]


@given(st.text(max_size=64), st.integers(0, 99))
def test_a_share_grows_without_leaving_anyone_behind(seed: str, percent: int) -> None:
    for number in range(20):
        device = dataclasses.replace(DEVICE, name=f"gate-{number}")
        if takes_part(Rollout(seed=seed, percent=percent), device):
            assert takes_part(Rollout(seed=seed, percent=percent + 1), device)
        assert takes_part(Rollout(seed=seed, percent=100), device)
        assert takes_part(Rollout(seed=seed, percent=0, groups=("north",)), device)
        assert not takes_part(Rollout(seed=seed, percent=0, groups=("south",)), device)


def test_a_tenth_is_about_a_tenth_and_another_seed_draws_others() -> None:
    def first(seed: str) -> set[int]:
        devices = {number: dataclasses.replace(DEVICE, name=f"gate-{number}") for number in range(1000)}
        return {number for number, device in devices.items() if takes_part(Rollout(seed=seed, percent=10), device)}

    one, other = first("a"), first("b")
    assert 70 < len(one) < 130
    assert len(one & other) < 30


def test_left_out_says_so() -> None:
    answer = judge(target(percent=0), DEVICE, SET)
    assert (answer.code, answer.again_s) == ("not_in_rollout", None)


def test_a_date_waits_for_a_clock_that_is_set() -> None:
    dated = target(not_before=NOW_S + 90)
    assert judge(dated, DEVICE, SET) == Answer("not_yet", "it is to be installed in 90 s", 90.0)
    assert judge(dated, DEVICE, BOOT).again_s == CLOCK_AGAIN_S
    past = target(not_before=NOW_S - 90)
    assert judge(past, DEVICE, SET).code == "ok"
    assert judge(past, DEVICE, UNSET).code == "not_yet", "it may be any time"
    assert judge(target(), DEVICE, BOOT).code == "ok", "without a date any clock will do"


def test_what_is_not_for_the_device_is_said_before_what_is_not_now() -> None:
    never = msgspec.structs.replace(target(percent=0, not_before=NOW_S + 90), constraints=Constraints(devices=("other",)))
    assert judge(never, DEVICE, SET).code == "not_for_device"
