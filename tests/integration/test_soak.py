"""Two cameras on one accelerator, through trouble and rest: nothing is left behind, and both get their share.

``scripts/soak`` is the same for a quarter of an hour, and judges the memory too.
"""

from __future__ import annotations

from pathlib import Path

from soak.judgement import judge
from soak.scene import TROUBLES, Plan, Scene
from support import require_rtsp_server


def test_trouble_leaves_nothing_behind_and_cameras_share(test_data: Path, tmp_path: Path) -> None:
    require_rtsp_server()
    plan = Plan(seconds=0, rest_s=2, away_s=0.3, sample_s=0.2, fps=60)  # more than any machine infers, so that they have to share
    with Scene(plan, tmp_path, test_data, print) as scene:
        record = scene.run()
    findings = judge(record)
    assert [finding for finding in findings if not finding.kept] == []
    assert [kind for _, kind in record.troubles] == [*TROUBLES, *TROUBLES]
    assert [rest.after for rest in record.rests] == ["start", *TROUBLES, *TROUBLES]
    assert all(record.at_rest(rest, process) for rest in record.rests for process in ("main", "vision"))
    counts = record.over_all()
    assert counts.keys() == {"gate", "hall"}
    assert all(0 < of.inferred < of.captured and of.cpu_s["invoke"] > 0 for of in counts.values())
