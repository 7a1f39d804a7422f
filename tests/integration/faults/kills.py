"""SIGKILL at random moments to the main process, the vision process and the broker of a running daemon, while events flow.

Between daemon and broker stands a gate that opens only when the subscriber is back: what the subscriber misses is then the daemon's
fault, not the broker's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from broker import Gate, Listener, clock, settings_for
from broker import running as running_beside
from support import Daemon, stored_ids

from edged.mqtt.publisher import Publisher
from edged.store.settings import StoreSettings
from edged.store.store import Store
from edged.testing.broker import Mosquitto
from faults.lights import write_config
from faults.tally import Tally

FLOW = 50
"""New events that a subscriber must see before the next fault."""

PAUSE_S = 1.0
"""A fault comes at a random moment of this time after that."""

PATIENCE_S = 180
"""How long events may stay away on a busy machine: restart, back-off, backlog. No measure of speed."""

MAX_REPEATS = 20
CAMERAS = ("door", "gate", "yard")


@dataclass(frozen=True)
class Plan:
    """How many SIGKILLs go to whom, in an order and at moments that ``seed`` decides."""

    main: int
    vision: int
    broker: int
    seed: int

    def faults(self, rng: random.Random) -> list[str]:
        faults = ["main"] * self.main + ["vision"] * self.vision + ["broker"] * self.broker
        rng.shuffle(faults)
        return faults


@dataclass
class Outcome:
    """What came of it. ``problems`` says in words what was promised and not kept."""

    kills: dict[str, int]
    seed: int
    seconds: float = 0.0
    events: int = 0
    delivered: int = 0
    lost: int = 0
    dropped: int = 0
    repeats_total: int = 0
    repeats_max: int = 0
    problems: list[str] = field(default_factory=list)


class Scene:
    """A daemon, its broker, and a subscriber who counts."""

    def __init__(self, directory: Path, mosquitto: Mosquitto, gate: Gate) -> None:
        self.tally = Tally()
        self.problems: list[str] = []
        self.state = directory / "state"
        self.jsonl = directory / "events.jsonl"
        self.gate = gate
        self._mosquitto = mosquitto
        self._listener = Listener()
        self._listening = AsyncExitStack()
        self._taken = 0
        self._daemon = Daemon(write_config(directory, self.state, CAMERAS, gate.port, self.jsonl))

    async def start(self) -> None:
        await self._listen()
        self._daemon.start()

    async def stop(self) -> None:
        """In good order; then whatever the broker did not take in time."""
        self._daemon.signal(signal.SIGTERM)
        status, _ = await asyncio.to_thread(self._daemon.wait)
        if status:
            self.problems.append(f"exit status {status} after SIGTERM: {self._daemon.log[-1:]}")
        async with Store.open(self.state / "events.db", "pi", StoreSettings(), clock, publish=True) as store:
            publisher = Publisher(settings_for(self.gate.port), "home", "pi", store, clock)
            async with asyncio.timeout(PATIENCE_S), running_beside(publisher.run()):
                await publisher.drained()
        await self.flow(lambda: self.tally.ids >= stored_ids(self.state))
        await self._listening.aclose()

    async def kill_everything(self) -> None:
        await self._listening.aclose()
        await asyncio.to_thread(self._daemon.abandon)

    async def flow(self, enough: Callable[[], bool]) -> None:
        """Count what arrives until it is enough."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                arrived = self._listener.messages[self._taken :]
                self._taken += len(arrived)
                for message in arrived:
                    if "/event/" in str(message.topic):
                        self.tally.take(bytes(message.payload))
                if enough():
                    return
                await asyncio.sleep(0.01)

    async def strike(self, fault: str) -> None:
        await {"main": self._kill_main, "vision": self._kill_vision, "broker": self._kill_broker}[fault]()
        self.check_balance(f"after a kill of {fault}")

    async def _kill_main(self) -> None:
        vision = self._daemon.vision_pid
        await asyncio.to_thread(self._daemon.kill)
        self.check_balance("while nothing runs")
        async with asyncio.timeout(PATIENCE_S):
            while vision is not None and Path(f"/proc/{vision}").exists():
                await asyncio.sleep(0.01)
        self._daemon.log.clear()
        self._daemon.start()

    async def _kill_vision(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (vision := self._daemon.vision_pid) is None:
                await asyncio.sleep(0.01)
        os.kill(vision, signal.SIGKILL)

    async def _kill_broker(self) -> None:
        self.gate.open = False
        self._mosquitto.kill()
        async with asyncio.timeout(PATIENCE_S):
            await self._listener.cut.wait()
        await self._listening.aclose()
        self._mosquitto.start()
        await self._listen()
        self.gate.open = True

    async def _listen(self) -> None:
        await self._listening.enter_async_context(self._listener.listening(self._mosquitto.port))

    def check_balance(self, when: str) -> None:
        with closing(sqlite3.connect(f"file:{self.state}/events.db?mode=ro", uri=True)) as db:
            query = "SELECT produced, delivered, dropped, (SELECT count(*) FROM outbox), last_seq FROM ledger"
            produced, delivered, dropped, queued, last_seq = db.execute(query).fetchone()
        if not produced == delivered + dropped + queued == last_seq:
            self.problems.append(f"{when}: produced {produced} of {last_seq}, delivered {delivered} + {dropped} + {queued}")


async def run(plan: Plan, directory: Path, on_fault: Callable[[int, Tally], None]) -> Outcome:
    """Carry out the plan; ``on_fault`` is told how many faults are done."""
    started, rng = time.monotonic(), random.Random(plan.seed)
    faults = plan.faults(rng)
    broker_directory = directory / "broker"
    broker_directory.mkdir()
    with Mosquitto(broker_directory, options="max_queued_messages 0") as mosquitto:
        async with Gate(mosquitto.port) as gate:
            scene = Scene(directory, mosquitto, gate)
            await scene.start()
            try:
                for done, fault in enumerate(faults, start=1):
                    enough = len(scene.tally.ids) + FLOW
                    await scene.flow(lambda enough=enough: len(scene.tally.ids) >= enough)
                    at = time.monotonic() + rng.uniform(0, PAUSE_S)
                    await scene.flow(lambda at=at: time.monotonic() >= at)
                    await scene.strike(fault)
                    scene.tally.next_window()
                    on_fault(done, scene.tally)
                enough = len(scene.tally.ids) + FLOW
                await scene.flow(lambda: len(scene.tally.ids) >= enough)
                await scene.stop()
            finally:
                await scene.kill_everything()
    outcome = judge(scene, Outcome(kills=dict(Counter(faults)), seed=plan.seed))
    outcome.seconds = time.monotonic() - started
    return outcome


def judge(scene: Scene, outcome: Outcome) -> Outcome:
    """Compare what the store holds, what the subscriber got and what the sink wrote."""
    tally, problems = scene.tally, scene.problems + scene.tally.problems
    scene.check_balance("at the end")
    stored = stored_ids(scene.state)
    sunk = [json.loads(line)["id"] for line in scene.jsonl.read_text().splitlines()]
    outcome.events, outcome.delivered, outcome.lost = len(stored), len(tally.ids), len(stored - tally.ids)
    outcome.repeats_total, outcome.repeats_max = sum(tally.repeats), max(tally.repeats)
    with closing(sqlite3.connect(f"file:{scene.state}/events.db?mode=ro", uri=True)) as db:
        first, last, outcome.dropped, verdict = db.execute(
            "SELECT min(seq), max(seq), (SELECT dropped FROM ledger), (SELECT * FROM pragma_integrity_check) FROM event"
        ).fetchone()
    promises = {
        f"{outcome.lost} events were committed and not delivered": outcome.lost == 0,
        f"{len(tally.ids - stored)} events were delivered and never committed": tally.ids <= stored,
        f"{len(set(sunk) - stored)} events of the sink were never committed": set(sunk) <= stored,
        "the sink wrote an event twice": len(set(sunk)) == len(sunk),
        f"numbers {first} to {last} of {len(stored)} events": (first, last) == (1, len(stored)) and outcome.dropped == 0,
        f"{outcome.repeats_max} repeats after one kill": outcome.repeats_max <= MAX_REPEATS,
        f"{tally.unfinished()} objects did not appear once and leave once": tally.unfinished() == 0,
        f"the database is damaged: {verdict}": verdict == "ok",
    }
    outcome.problems = problems + [problem for problem, kept in promises.items() if not kept]
    return outcome
