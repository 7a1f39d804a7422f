"""When models leave their accelerator, when it is tried again, and that neither runs in circles."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.accelerators import CRASH_WINDOW_S, HELD_S, RETRY_MAX_S, RETRY_MIN_S, SETTLE_S, Accelerators, Death
from edged.infer.edgetpu import EdgeTpu
from edged.infer.settings import EdgeTpuSettings, ExternalSettings, ModelSettings

STICK = (EdgeTpu("usb", Path("/dev/bus/usb/001/004"), accessible=True),)
AUTO = ModelSettings(bundle="./m")
DEMANDED = ModelSettings(bundle="./m", delegate="edgetpu")
SECOND = ModelSettings(bundle="./m", edgetpu=EdgeTpuSettings(device=":1"))
PLUGIN = ModelSettings(bundle="./m", delegate="external", external=ExternalSettings(library="libnpu.so"))
HOURS_S = 6 * 3600
CPU = ModelSettings(bundle="./m", delegate="xnnpack")


def died(number: int | None = signal.SIGABRT, *inside: str, hung: bool = False) -> Death:
    return Death(f"signal {number}", number, hung, inside)


def serving(**models: ModelSettings) -> Accelerators:
    """All on their accelerators since 0 s, the stick plugged in."""
    accelerators = Accelerators(models, lambda: 0.5)
    accelerators.observe(STICK, 0)
    for name, settings in models.items():
        accelerators.on_serves(name, "external" if settings.delegate == "external" else "edgetpu", "", 0)
    return accelerators


def first_due(accelerators: Accelerators, start_s: float) -> float:
    return next(start_s + step / 10 for step in range(20_000) if accelerators.due(start_s + step / 10))


def test_who_died_inside_its_accelerator_leaves_it_with_those_that_share_it() -> None:
    accelerators = serving(a=AUTO, b=AUTO, other=SECOND, npu=PLUGIN)
    assert accelerators.on_death(died(signal.SIGABRT, "a"), 1) == ("a", "b")
    assert accelerators.avoid == {"a": "signal 6", "b": "signal 6"}


@pytest.mark.parametrize(
    "death", [died(signal.SIGKILL, "a"), died(None, "a"), died(signal.SIGTERM, "a"), died(signal.SIGSEGV, "x")]
)
def test_other_deaths_are_not_the_accelerators(death: Death) -> None:
    accelerators = serving(a=AUTO)
    assert accelerators.on_death(death, 1) == ()
    assert accelerators.avoid == {}


def test_who_hung_inside_its_accelerator_leaves_it() -> None:
    assert serving(a=AUTO).on_death(died(signal.SIGKILL, "a", hung=True), 1) == ("a",)
    assert serving(a=AUTO).on_death(died(signal.SIGKILL, hung=True), 1) == ()


def test_crashes_beside_an_accelerator_make_it_a_suspect_only_if_they_come_soon_after_each_other() -> None:
    def crash(accelerators: Accelerators, at_s: float) -> tuple[str, ...]:
        fallen = accelerators.on_death(died(signal.SIGSEGV), at_s)
        accelerators.on_serves("a", "edgetpu", "", at_s)
        return fallen

    accelerators = serving(a=AUTO, cpu=CPU)
    assert [crash(accelerators, at_s) for at_s in (0, CRASH_WINDOW_S + 1, CRASH_WINDOW_S + 2)] == [(), (), ("a",)]
    on_cpu = Accelerators({"cpu": CPU}, lambda: 0.5)
    on_cpu.on_serves("cpu", "xnnpack", "", 0)
    assert [on_cpu.on_death(died(signal.SIGSEGV), at_s) for at_s in (0, 1, 2)] == [(), (), ()]


def test_what_fell_is_tried_after_a_while_and_goes_back_only_if_that_went_well() -> None:
    accelerators = serving(a=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    accelerators.on_serves("a", "xnnpack", "signal 6", 101)
    due_s = first_due(accelerators, 100)
    assert RETRY_MIN_S <= due_s - 100 <= 3 * RETRY_MIN_S
    assert accelerators.on_tried({"a": "no device"}, due_s) == ()
    assert accelerators.avoid == {"a": "signal 6"}
    later_s = first_due(accelerators, due_s)
    assert later_s - due_s > due_s - 100  # ever longer
    assert accelerators.on_tried({"a": ""}, later_s) == ("a",)
    assert accelerators.avoid == {}
    assert accelerators.due(later_s + RETRY_MAX_S) == ()


def test_nothing_is_tried_while_the_device_is_gone_and_at_once_when_it_is_back() -> None:
    accelerators = serving(a=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    accelerators.observe((), 101)
    assert accelerators.due(100 + RETRY_MAX_S) == ()
    accelerators.observe(STICK, 102)
    assert accelerators.due(102) == ("a",)


def test_a_device_that_the_trial_itself_reset_is_not_tried_for_that() -> None:
    accelerators = serving(a=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    due_s = first_due(accelerators, 100)
    accelerators.on_tried({"a": "not yet"}, due_s)
    accelerators.observe((), due_s + 1)
    accelerators.observe(STICK, due_s + 2)
    assert accelerators.due(due_s + 2) == ()
    accelerators.observe((), due_s + 2 * SETTLE_S)
    accelerators.observe(STICK, due_s + 2 * SETTLE_S + 1)
    assert accelerators.due(due_s + 2 * SETTLE_S + 1) == ("a",)


def test_a_loose_contact_does_not_restart_the_cameras_each_time() -> None:
    accelerators = serving(a=AUTO)
    falls = 0
    for now_s in range(1, HOURS_S, 4):  # gone and back every four seconds, and every trial goes well
        if not accelerators.avoid:
            accelerators.on_death(died(signal.SIGABRT, "a"), now_s)
            falls += 1
        accelerators.observe((), now_s + 1)
        accelerators.observe(STICK, now_s + 2)
        if due := accelerators.due(now_s + 2):
            accelerators.on_tried(dict.fromkeys(due, ""), now_s + 2)
            accelerators.on_serves("a", "edgetpu", "", now_s + 3)
    assert falls < HOURS_S / RETRY_MAX_S * 2 + 20


def test_two_ways_to_name_the_first_device_mean_the_same() -> None:
    first = ModelSettings(bundle="./m", edgetpu=EdgeTpuSettings(device=":0"))
    assert serving(a=AUTO, b=first, other=SECOND).on_death(died(signal.SIGABRT, "a"), 1) == ("a", "b")


def test_a_stick_that_was_never_there_is_used_once_it_is_plugged_in() -> None:
    accelerators = Accelerators({"a": AUTO}, lambda: 0.5)
    accelerators.on_serves("a", "xnnpack", "no Edge TPU is connected", 0)
    accelerators.observe((), 1)
    assert accelerators.due(RETRY_MAX_S) == ()
    accelerators.observe(STICK, RETRY_MAX_S)
    assert accelerators.due(RETRY_MAX_S) == ("a",)


def test_a_plug_in_that_cannot_be_looked_for_is_tried_by_time_alone() -> None:
    accelerators = serving(npu=PLUGIN)
    assert accelerators.on_failed("npu", "no answer", 100) == ("npu",)
    accelerators.observe((), 101)
    assert first_due(accelerators, 100) - 100 <= 3 * RETRY_MIN_S


def test_what_is_demanded_and_never_worked_is_hopeless() -> None:
    accelerators = Accelerators({"a": DEMANDED, "b": AUTO, "npu": PLUGIN, "cpu": CPU}, lambda: 0.5)
    hopeless = [name for name in ("a", "b", "npu", "cpu", "nobody") if accelerators.is_hopeless(name)]
    assert hopeless == ["a", "npu"]
    accelerators.on_serves("a", "edgetpu", "", 0)
    accelerators.on_failed("a", "gone", 1)
    assert not accelerators.is_hopeless("a")


def test_who_serves_on_a_device_is_not_disturbed_by_a_trial_of_another_model() -> None:
    accelerators = serving(a=AUTO, b=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    due_s = first_due(accelerators, 100)
    assert accelerators.due(due_s) == ("a", "b")
    assert accelerators.on_tried({"a": "", "b": "does not fit"}, due_s) == ("a",)
    accelerators.on_serves("a", "edgetpu", "", due_s + 1)
    assert accelerators.avoid == {"b": "signal 6"}
    assert accelerators.due(due_s + RETRY_MAX_S) == ()


def test_waits_begin_small_again_only_after_it_held() -> None:
    def second_wait(held_s: float) -> float:
        accelerators = serving(a=AUTO)
        accelerators.on_death(died(signal.SIGABRT, "a"), HELD_S - 1)
        back_s = first_due(accelerators, HELD_S - 1)
        accelerators.on_tried({"a": ""}, back_s)
        accelerators.on_serves("a", "edgetpu", "", back_s)
        accelerators.on_death(died(signal.SIGABRT, "a"), back_s + held_s)
        return first_due(accelerators, back_s + held_s) - back_s - held_s

    assert second_wait(held_s=1) > second_wait(held_s=HELD_S)


def test_an_accelerator_that_passes_every_trial_and_kills_every_process_does_so_ever_more_rarely() -> None:
    accelerators = serving(a=AUTO)
    now_s, falls = 0.0, []
    while now_s < HOURS_S:
        accelerators.on_serves("a", "edgetpu", "", now_s)
        assert accelerators.on_death(died(signal.SIGABRT, "a"), now_s + 1) == ("a",)
        falls.append(now_s)
        now_s = first_due(accelerators, now_s + 1)
        accelerators.on_tried({"a": ""}, now_s)
    assert len(falls) < HOURS_S / RETRY_MAX_S * 1.5 + 10


MODELS = {"a": AUTO, "b": DEMANDED, "two": SECOND, "npu": PLUGIN, "cpu": CPU}
NAMES = st.sampled_from([*MODELS, "nobody"])
STEPS: st.SearchStrategy[Callable[[Accelerators, float], object]] = st.one_of(
    st.builds(
        lambda name, delegate, why: lambda it, now: it.on_serves(name, delegate, why, now),
        NAMES,
        st.sampled_from(["edgetpu", "external", "xnnpack", "none"]),
        st.sampled_from(["", "no device"]),
    ),
    st.builds(lambda name: lambda it, now: it.on_failed(name, "error", now), NAMES),
    st.builds(
        lambda number, hung, inside: lambda it, now: it.on_death(Death("died", number, hung, tuple(inside)), now),
        st.sampled_from([None, 6, 9, 11, 15]),
        st.booleans(),
        st.lists(NAMES, max_size=3),
    ),
    st.builds(lambda count: lambda it, now: it.observe(STICK * count, now), st.integers(0, 3)),
)
TRIALS = st.lists(st.sampled_from(["", "no"]), min_size=len(MODELS), max_size=len(MODELS))


@given(st.lists(st.tuples(st.floats(0, 400), STEPS, st.none() | TRIALS), max_size=60), st.floats(0, 1))
def test_whatever_happens_only_what_fell_is_tried_and_never_in_a_hurry(steps, jitter) -> None:
    accelerators = Accelerators(MODELS, lambda: jitter)
    now_s, tried_s = 0.0, dict.fromkeys(MODELS, -RETRY_MIN_S)
    for pause_s, step, results in steps:
        now_s += pause_s
        step(accelerators, now_s)
        lost, due = accelerators.avoid, accelerators.due(now_s)
        assert set(due) <= set(lost) <= {"a", "b", "two", "npu"}
        if due and results is not None:
            assert all(now_s - tried_s[name] >= RETRY_MIN_S for name in due)
            back = accelerators.on_tried(dict(zip(due, results, strict=False)), now_s)
            assert set(lost) - set(accelerators.avoid) == set(back)
            assert not accelerators.due(now_s) or accelerators.due(now_s) != due
            tried_s.update(dict.fromkeys(due, now_s))


def test_other_models_are_taken_on_and_what_is_known_of_the_rest_is_kept() -> None:
    accelerators = serving(a=AUTO, b=AUTO, npu=PLUGIN)
    accelerators.on_death(died(signal.SIGABRT, "npu"), 1)
    accelerators.reconfigure({"a": DEMANDED, "npu": PLUGIN, "new": AUTO, "b": CPU})
    assert accelerators.avoid == {"npu": "signal 6"}
    assert not accelerators.is_hopeless("a")  # it worked, under the settings before
    assert accelerators.on_death(died(signal.SIGABRT, "b"), 2) == ()  # on the CPU now
    accelerators.on_serves("new", "edgetpu", "", 3)
    accelerators.on_serves("a", "edgetpu", "", 3)
    assert accelerators.on_death(died(signal.SIGABRT, "new"), 4) == ("new", "a")
    accelerators.reconfigure({"npu": SECOND})
    assert accelerators.avoid == {}  # another device


def test_who_comes_to_a_device_that_has_fallen_stays_off_it_and_is_tried_with_the_others() -> None:
    accelerators = serving(a=AUTO, other=SECOND)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    models = {"a": AUTO, "new": AUTO, "other": SECOND, "second": SECOND}
    assert accelerators.expect(models) == {"a": "signal 6", "new": "signal 6"}
    accelerators.reconfigure(models)
    assert accelerators.avoid == {"a": "signal 6", "new": "signal 6"}
    accelerators.on_serves("new", "xnnpack", "signal 6", 101)
    due_s = first_due(accelerators, 100)
    assert due_s - 100 <= 3 * RETRY_MIN_S  # another model is no reason to wait longer
    assert accelerators.due(due_s) == ("a", "new")
    accelerators.on_tried({"a": "", "new": ""}, due_s)
    assert accelerators.expect(models | {"newer": AUTO}) == {}


def test_who_comes_with_a_bundle_for_the_cpu_alone_waits_for_nothing() -> None:
    accelerators = serving(a=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    accelerators.reconfigure({"a": AUTO, "cpu": AUTO})
    accelerators.on_serves("cpu", "xnnpack", "", 101)
    assert accelerators.avoid == {"a": "signal 6"}


def test_a_device_that_fell_is_remembered_while_no_model_is_on_it() -> None:
    accelerators = serving(a=AUTO)
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    accelerators.reconfigure({"a": CPU})
    accelerators.reconfigure({"b": AUTO})
    assert accelerators.avoid == {"b": "signal 6"}


def test_who_kills_the_process_that_is_to_begin_with_it_is_avoided_at_the_next_attempt() -> None:
    accelerators = serving(a=AUTO)
    assert accelerators.expect({"a": AUTO, "new": SECOND}) == {}
    assert accelerators.on_death(died(signal.SIGSEGV, "a", "new"), 1) == ("a",)
    assert accelerators.expect({"a": AUTO, "new": SECOND}) == {"a": "signal 11", "new": "signal 11"}
    alone = serving(a=SECOND)
    alone.expect({"a": SECOND, "new": AUTO})
    assert alone.on_death(died(signal.SIGSEGV, "new"), 1) == ()
    assert alone.expect({"a": SECOND, "new": AUTO}) == {"new": "signal 11"}
    assert alone.on_death(died(signal.SIGKILL, "new"), 2) == ()


def test_a_new_demand_is_unmet_by_an_accelerator_that_fell_and_an_old_one_that_once_worked_goes_on() -> None:
    accelerators = serving(a=AUTO, b=DEMANDED)
    assert accelerators.unmet({"a": DEMANDED, "b": DEMANDED, "c": DEMANDED}) == {}
    accelerators.on_death(died(signal.SIGABRT, "a"), 100)
    accelerators.on_tried({"a": "still dead", "b": "still dead"}, 100)
    assert accelerators.due(101) == ()
    assert accelerators.unmet({"a": AUTO, "b": DEMANDED, "cpu": CPU, "npu": PLUGIN}) == {}
    assert accelerators.unmet({"a": DEMANDED, "b": DEMANDED, "c": DEMANDED}) == {"a": "signal 6", "c": "signal 6"}
    assert accelerators.due(101) == ("a", "b")  # whoever asks may have mended it
    accelerators.on_tried({"a": "", "b": ""}, 102)
    assert accelerators.unmet({"a": DEMANDED, "c": DEMANDED}) == {}


def test_a_model_on_the_cpu_for_want_of_a_device_cannot_be_demanded_elsewhere() -> None:
    accelerators = Accelerators({"a": AUTO}, lambda: 0.5)
    accelerators.on_serves("a", "xnnpack", "no Edge TPU is connected", 0)
    assert accelerators.unmet({"a": DEMANDED}) == {"a": "no Edge TPU is connected"}
    assert accelerators.unmet({"a": AUTO, "new": DEMANDED}) == {}  # it says so itself when it is loaded


def test_who_demands_a_device_that_nobody_tries_again_is_let_to_it() -> None:
    accelerators = serving(a=CPU)
    accelerators.expect({"npu": PLUGIN})
    accelerators.on_death(died(signal.SIGABRT, "npu"), 1)
    assert accelerators.unmet({"npu": PLUGIN}) == {}
    assert accelerators.expect({"npu": PLUGIN}) == {}


def test_what_was_taken_on_while_the_daemon_ran_never_ends_it() -> None:
    accelerators = Accelerators({"a": DEMANDED, "b": AUTO}, lambda: 0.5)
    accelerators.reconfigure({"a": DEMANDED, "b": DEMANDED, "npu": PLUGIN})
    assert [name for name in ("a", "b", "npu") if accelerators.is_hopeless(name)] == ["a"]
    accelerators.reconfigure({"a": AUTO})
    accelerators.reconfigure({"a": DEMANDED})
    assert not accelerators.is_hopeless("a")
