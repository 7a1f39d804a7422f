"""Nothing is lost over many kills of everything. ``scripts/faults kills`` is the same at full size."""

from __future__ import annotations

from pathlib import Path

from faults.kills import Plan, run


async def test_nothing_is_lost_and_little_repeated_over_random_kills(tmp_path: Path) -> None:
    plan = Plan(main=7, vision=5, broker=3, seed=20)
    print(plan)
    outcome = await run(plan, tmp_path, lambda done, tally: print(done, tally.repeats[-2]))
    print(outcome)
    assert outcome.problems == []
    assert outcome.kills == {"main": 7, "vision": 5, "broker": 3}
    assert outcome.events == outcome.delivered > 1000
    assert outcome.repeats_total > 0  # kills met events on their way
