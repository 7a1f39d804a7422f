"""Whatever a probed model's process says, and however it ends, there is one verdict, and texts in it cannot steer a terminal."""

from __future__ import annotations

import signal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.infer.probe.records import Measures, Passed, Refusal, Remark, Request, Sealed, Stated, Verdict
from edged.infer.probe.verdict import End, judge
from edged.infer.settings import ModelSettings

REQUEST = Request(path="/m.tflite", settings=ModelSettings(bundle="m"), memory_bytes=64 << 20, deadline_s=5)
MEASURES = Measures(
    identity="ab", runtime="r", delegate="xnnpack", delegate_nodes=1, threads=1, tensors=3, load_ms=1.5, invoke_ms=2.5
)
SEALED = Sealed(("no network",), 40 << 20)
READ = (SEALED, Passed("files", ""), Passed("graph", ""), Passed("signature", ""), Passed("memory", ""))


def end(status: int = 0, *, timed_out: bool = False, babbled: bool = False, chatter: bytes = b"") -> End:
    return End(status, timed_out, babbled, 100 << 20, 1.5, chatter)


def test_a_process_that_measured_and_ended_well_passed() -> None:
    verdict = judge(REQUEST, [*READ, Passed("load", "x"), MEASURES], end())
    assert (verdict.refusal, verdict.measures, verdict.peak_bytes) == (None, MEASURES, 60 << 20)
    assert verdict.protection == ("no network",)
    assert [passed.step for passed in verdict.passed] == ["files", "graph", "signature", "memory", "load"]


def test_a_model_that_takes_more_than_was_stated_is_refused_at_the_end() -> None:
    for memory_mb, fault in ((59, "over memory"), (60, None), (None, None)):
        request = msgspec.structs.replace(REQUEST, stated=Stated(memory_mb=memory_mb))
        verdict = judge(request, [*READ, MEASURES], end())
        assert (verdict.refusal.fault if verdict.refusal else None) == fault
        assert (verdict.measures is None) == (verdict.refusal is not None)
        assert verdict.peak_bytes == 60 << 20


@pytest.mark.parametrize(
    ("how", "fault", "says"),
    [
        (end(-signal.SIGSEGV), "crashing", "SIGSEGV while it was loaded and tried once"),
        (end(-signal.SIGABRT, chatter=b"what():  std::bad_alloc\n"), "does not fit memory", "64 MB were allowed"),
        (end(-signal.SIGKILL), "does not fit memory", "64 MB"),
        (end(-signal.SIGKILL, timed_out=True), "hanging", "1.5 s|2 s"),
        (end(-signal.SIGXCPU), "hanging", "while it was loaded"),
        (end(-signal.SIGKILL, babbled=True), "crashing", "makes no sense"),
        (end(70), "crashing", "exit status 70"),
        (end(0), "crashing", "exit status 0"),
    ],
)
def test_every_death_has_a_name(how: End, fault: str, says: str) -> None:
    refusal = judge(REQUEST, READ, how).refusal
    assert refusal is not None
    assert refusal.fault == fault
    assert any(words in refusal.message for words in says.split("|"))
    assert refusal.message.startswith("/m.tflite:")


def test_a_process_that_refused_is_believed_unless_it_hung_or_crashed_on_its_way_out() -> None:
    no = Refusal("unsupported op", "no FANCY here", "take another")
    assert judge(REQUEST, [*READ, no], end()).refusal == no
    hung = judge(REQUEST, [*READ, no], end(-signal.SIGKILL, timed_out=True)).refusal
    assert hung is not None
    assert hung.fault == "hanging"


def test_measures_of_a_process_that_died_after_them_count_for_nothing() -> None:
    verdict = judge(REQUEST, [*READ, MEASURES], end(-signal.SIGSEGV))
    assert verdict.measures is None
    assert verdict.refusal is not None


TEXTS = st.text(max_size=40) | st.just("\x1b[31m" * 400)
REMARKS: st.SearchStrategy[Remark] = st.one_of(
    st.builds(Passed, TEXTS, TEXTS),
    st.builds(Sealed, st.lists(TEXTS, max_size=3).map(tuple), st.integers(0, 1 << 40)),
    st.builds(Refusal, st.sampled_from(["corrupt", "unfit", "hanging"]), TEXTS, TEXTS),
    st.just(MEASURES),
)
ENDS = st.builds(
    End,
    st.integers(-64, 255).filter(lambda status: status >= 0 or -status in set(signal.Signals)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1 << 40),
    st.floats(0, 1e6),
    st.binary(max_size=200),
)


@given(st.lists(REMARKS, max_size=8), ENDS)
def test_there_is_always_a_verdict_that_can_be_shown(remarks: list[Remark], ended: End) -> None:
    verdict = judge(REQUEST, remarks, ended)
    passes = verdict.refusal is None
    assert passes == (verdict.measures is not None)
    if passes:
        assert ended.status == 0
        assert not ended.timed_out
        assert not ended.babbled
        assert not any(isinstance(said, Refusal) for said in remarks)
    assert verdict.peak_bytes >= 0
    assert all(len(text) < 600 and text.isprintable() for text in texts_of(verdict))


def texts_of(verdict: Verdict) -> list[str]:
    said = [*verdict.protection, *verdict.chatter, *(text for passed in verdict.passed for text in (passed.step, passed.detail))]
    return said + ([verdict.refusal.message, verdict.refusal.hint] if verdict.refusal else [])
