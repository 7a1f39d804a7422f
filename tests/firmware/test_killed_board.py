"""A sample of ``scripts/faults mcu``: a board whose power goes in the midst of an update always starts again."""

from __future__ import annotations

from pathlib import Path

import killed_board


async def test_a_board_whose_power_goes_starts_again_with_the_old_or_the_new(tmp_path: Path, test_data: Path) -> None:
    outcome = await killed_board.run(12, 20, tmp_path, test_data)
    assert outcome.problems == []
    assert sum(outcome.cuts.values()) == 12
    assert outcome.started_old + outcome.started_new == 12
