"""What one microcontroller says, made into occurrences and a state. Pure: reports and times go in.

Rules: what did not come is counted and never invented; what came twice is told once; an event's time is that of the result's
arrival, since the board has no clock that could be compared with ours; whatever a board sends, the worst that it does is to be
counted as unread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from edged.core.event import InferenceMade, InferenceSource, McuBack, McuLost, Occurrence
from edged.core.mcu import POWER_ON, McuCondition, McuState, TrialState
from edged.core.problem import ProblemCode
from edged.mcu.burst import Burst
from edged.mcu.info import BoardInfo
from edged.mcu.reading import read_top
from edged.mcu.report import HASH_BYTES, SELF_TESTS, Bye, Health, Hello, Report, Result

T = TypeVar("T")

RESTARTS, RESTARTS_WITHIN_S = 3, 180.0
"""A board that starts so often by itself does not work. Longer than its trial window: one that goes back once is not meant."""

DAMAGED, DAMAGED_WITHIN_S = 10, 60.0
"""A line that is in order damages nothing for days; one packet in a thousand would be a few a minute."""

WRAP = 1 << 32
SOURCES: dict[int, InferenceSource] = {0: "sensor", 1: "injected"}
TRIALS: tuple[TrialState, ...] = ("none", "trial", "confirmed")


@dataclass(frozen=True, slots=True)
class Policy:
    """Which results become events, and how they read."""

    labels: Sequence[str] = ()
    publish: Literal["every", "change"] = "every"
    min_score: float = 0.0


class Gateway:
    """``state`` is how the board is; everything else makes it so."""

    def __init__(self, name: str, policy: Policy, now_ns: int) -> None:
        self._policy = policy
        self.state = McuState(name, "starting", now_ns)
        self.plugs = 0
        """How often a board was plugged in: got its power, or is of another kind than before."""
        self._boots: int | None = None
        self._expected = self._reopened = False
        self._inference: int | None = None
        self._uptime_ms = 0
        self._label: str | None = None
        self._wire = (0, 0, 0)
        self._restarts = Burst(RESTARTS, RESTARTS_WITHIN_S)
        self._damaged = Burst(DAMAGED, DAMAGED_WITHIN_S)

    def opened(self) -> None:
        """The port is open: whoever is there may be another than before, or have started anew.

        What crashes on a board with USB of its own takes the port with it: how often it had started is remembered.
        """
        self._inference = None
        self._reopened = True
        self._wire = (0, 0, 0)

    def follow(self, policy: Policy) -> None:
        """Results become events by other rules from now on."""
        self._policy = policy

    def lost(self, reason: str, now_ns: int) -> McuLost | None:
        """It is not there; an occurrence if that is news."""
        news = self.state.state != "lost"
        since_ns = now_ns if news else self.state.since_ns
        self.state = replace(self.state, state="lost", since_ns=since_ns, reason=reason)
        if not news:
            return None
        self._count(losses=1)
        return McuLost(self.state.mcu, reason, now_ns)

    def tells(self, info: BoardInfo, now_ns: int) -> tuple[Occurrence, ...]:
        """It answered who it is."""
        found = self._is_there("online" if info.mode == "app" else "loader", now_ns)
        self._note_boots(info.boots, now_ns, info.reset_reason, info.board)
        self.state = replace(
            self.state,
            board=info.board,
            engine=info.engine,
            firmware_version=info.version,
            firmware=short(info.hash),
            firmware_state=_of(TRIALS, info.state, "none"),
            model_name=info.model.name,
            model_version=info.model.version,
            model=short(info.model.hash) if info.model.name or any(info.model.hash) else "",
            model_state=_of(TRIALS, info.model.state, "none"),
            self_test=_of(SELF_TESTS, info.self_test, "not run"),
            diagnosis=info.diagnosis,
            reset_reason=info.reset_reason,
            arena_used_bytes=info.arena_used_bytes,
            arena_size_bytes=info.arena_size_bytes,
        )
        return found

    def heard(self, report: Report, now_ns: int) -> tuple[Occurrence, ...]:
        """It sent a report."""
        self._count(reports=1)
        match report:
            case Hello():
                found = self._is_there("online" if report.mode else "loader", now_ns)
                self._note_boots(report.boots, now_ns, report.reset_reason, report.board)
                self._note_hello(report)
                return found
            case Health():
                found = self._is_there("online" if report.mode else "loader", now_ns)
                self._note_boots(report.boots, now_ns, report.reset_reason, self.state.board)
                self._note_health(report)
                return found
            case Result():
                return (*self._is_there("online", now_ns), *self._result(report, now_ns))
            case Bye():
                return ()
            case _:
                return self._is_there(self.state.state if self.state.state in {"online", "loader"} else "online", now_ns)

    def expect_restart(self, *, expected: bool = True) -> None:
        """It was told to start anew: that is nothing to worry about. Or it did not come to that."""
        self._expected = expected

    def samples(self, period_ms: int | None) -> None:
        """Its sensor is read so often now, until it starts anew; ``None``: as its firmware has it."""
        self.state = replace(self.state, sample_ms=period_ms)

    def wire(self, damaged: int, missed: int, dropped: int, now_ns: int) -> None:
        """What was lost on the way since the port was opened."""
        before, self._wire = self._wire, (damaged, missed, dropped)
        grown = [now - then for now, then in zip(self._wire, before, strict=True)]
        if any(grown):
            self._count(damaged=grown[0], missed=grown[1], dropped=grown[2])
        if grown[0]:
            self._damaged.note(now_ns, grown[0])

    def commanded(self, *, refused: bool) -> None:
        """Somebody told it to do something."""
        self._count(commands=1, commands_refused=int(refused))

    def problems(self, now_ns: int) -> Iterator[tuple[ProblemCode, str]]:
        """What is wrong with it, by code and detail."""
        state = self.state
        if state.state == "lost":
            yield "mcu_lost", state.reason
        if state.state == "loader":
            yield "mcu_in_loader", f"{state.board or 'the board'} waits for an application"
        if self._restarts.holds(now_ns):
            yield "mcu_restarting", f"{state.counters.restarts} restarts by itself, reset reason {state.reset_reason}"
        if self._damaged.holds(now_ns):
            yield "mcu_noisy", f"{state.counters.damaged} damaged, {state.counters.missed} missed since edged started"
        if state.state == "online":
            yield from self._problems_of_model()

    def _problems_of_model(self) -> Iterator[tuple[ProblemCode, str]]:
        state = self.state
        if state.diagnosis:  # it has failed its self-test by that
            yield "mcu_model_refused", state.diagnosis
            return
        if state.self_test == "failed":
            yield "mcu_self_test_failed", f"model {state.model_name} {state.model_version}"
        if not state.model:
            yield "mcu_no_model", ""

    def _is_there(self, condition: McuCondition, now_ns: int) -> tuple[Occurrence, ...]:
        before = self.state
        if before.state == condition:
            return ()
        self.state = replace(before, state=condition, since_ns=now_ns, reason="")
        if before.state != "lost":
            return ()
        return (McuBack(before.mcu, max(0.0, (now_ns - before.since_ns) / 1e9), now_ns),)

    def _note_boots(self, boots: int, now_ns: int, reason: int, board: str) -> None:
        before, self._boots = self._boots, boots
        reopened, self._reopened = self._reopened, False
        plugged_in = reopened and not self._expected and (reason == POWER_ON or board != self.state.board)
        if plugged_in:
            self.plugs += 1
            self.samples(None)
        elif before is not None and before != boots:
            self._restarted(now_ns)
        self.state = replace(self.state, boots=boots)

    def _restarted(self, now_ns: int) -> None:
        self._inference = None
        self.state = replace(self.state, self_test="not run", diagnosis="")  # what it found was of the start before
        self.samples(None)
        self._count(restarts=1)
        if self._expected:
            self._expected = False
        else:
            self._restarts.note(now_ns)

    def _note_hello(self, hello: Hello) -> None:
        model = short(hello.model_hash) if any(hello.model_hash) else ""
        self.state = replace(
            self.state,
            board=hello.board,
            engine=hello.engine,
            firmware_version=hello.fw_version,
            firmware=short(hello.fw_hash),
            model_name=hello.model_name,
            model_version=hello.model_version,
            model=model,
            reset_reason=hello.reset_reason,
        )

    def _note_health(self, health: Health) -> None:
        counters = replace(self.state.counters, device_bad=health.rx_bad + health.rx_overruns, device_dropped=health.tx_dropped)
        self.state = replace(
            self.state,
            self_test=_at(SELF_TESTS, health.self_test, "not run"),
            firmware_state=_at(TRIALS, health.fw_state, "none"),
            model_state=_at(TRIALS, health.model_state, "none"),
            reset_reason=health.reset_reason,
            arena_used_bytes=health.arena_used,
            arena_size_bytes=health.arena_size,
            stack_free_bytes=health.stack_free,
            invoke_us_mean=health.invoke_us_mean,
            invoke_us_max=health.invoke_us_max,
            uptime_ms=health.uptime_ms,
            counters=counters,
        )

    def _result(self, result: Result, now_ns: int) -> tuple[Occurrence, ...]:
        source = SOURCES.get(result.source)
        if source is None or result.output != 0:  # of its self-test; or a further output, which no decoder reads
            return ()
        if self._is_repeated(result, now_ns):
            self._count(repeated=1)
            return ()
        if result.status:
            self._count(failed=1)
            return ()
        self._count(results=1)
        whole = len(result.data) == result.total
        top = read_top(result.data if whole else b"", result.dtype, result.scale, result.zero_point, self._policy.labels)
        if top is None:
            self._count(unread=1)
            return ()
        if source == "sensor" and not self._is_wanted(top.label, top.score):
            return ()
        model = short(result.model_hash)
        return (
            InferenceMade(
                mcu=self.state.mcu,
                inference=result.inference,
                source=source,
                label=top.label,
                index=top.index,
                score=top.score,
                outputs=top.outputs,
                outputs_total=top.total,
                model=model,
                model_version=self.state.model_version if model == self.state.model else "",
                invoke_us=result.invoke_us,
                uptime_ms=result.uptime_ms,
                at_ns=now_ns,
            ),
        )

    def _is_repeated(self, result: Result, now_ns: int) -> bool:
        """Whether this inference was told already. One that is earlier, at an earlier time, is of a board that started anew."""
        last, before_ms = self._inference, self._uptime_ms
        if last is not None and result.inference <= last:
            if (result.uptime_ms - before_ms) % WRAP < WRAP // 2:
                return True
            self._boots = None  # whatever it counts to, this restart is counted
            self._restarted(now_ns)
        self._inference, self._uptime_ms = result.inference, result.uptime_ms
        return False

    def _is_wanted(self, label: str, score: float) -> bool:
        if score < self._policy.min_score:
            return False
        before, self._label = self._label, label
        return self._policy.publish == "every" or label != before

    def _count(self, **by: int) -> None:
        counters = self.state.counters
        self.state = replace(
            self.state, counters=replace(counters, **{name: getattr(counters, name) + more for name, more in by.items()})
        )


def short(image_hash: bytes) -> str:
    """As states and events name an image."""
    return image_hash[:HASH_BYTES].hex()


def _of(table: Sequence[T], text: str, otherwise: T) -> T:
    return next((state for state in table if state == text), otherwise)


def _at(table: Sequence[T], index: int, otherwise: T) -> T:
    return table[index] if 0 <= index < len(table) else otherwise
