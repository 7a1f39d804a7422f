"""``scripts/soak [--minutes N] [--json]``: does a daemon with two cameras, one accelerator and some trouble stay as it is?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from soak.chart import draw
from soak.judgement import Finding, judge
from soak.record import Record
from soak.scene import Plan, Scene
from soak.tables import processes, show

DEFAULT_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def main() -> int:
    top = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Run the daemon with two cameras on one accelerator while a camera, the broker and the configuration change.",
    )
    top.add_argument("--minutes", type=float, default=15, help="for how long (default %(default)s); then the round is finished")
    top.add_argument("--rest", type=float, default=40, metavar="SECONDS", help="between two troubles (default %(default)s)")
    top.add_argument("--fps", type=int, default=30, help="pictures a second of each camera (default %(default)s)")
    top.add_argument("--chart", type=Path, metavar="FILE", help="draw the memory over time into this SVG")
    top.add_argument("--json", action="store_true", help="one JSON object, nothing else, on stdout")
    arguments = top.parse_args()
    data = Path(os.environ.get("EDGED_TEST_DATA", DEFAULT_DATA))
    if not (data / "models").is_dir():
        raise SystemExit(f"no test data in {data}: set EDGED_TEST_DATA")
    plan = Plan(arguments.minutes * 60, arguments.rest, away_s=3.0, sample_s=min(2.0, arguments.rest / 10), fps=arguments.fps)
    record = run(plan, data)
    findings = judge(record)
    if arguments.chart:
        arguments.chart.write_text(draw(record))
    if arguments.json:
        print(json.dumps(result(record, findings)))
    else:
        show(record, findings, Console())
    return 0 if all(finding.kept for finding in findings) else 1


def run(plan: Plan, data: Path) -> Record:
    console, began_s = Console(stderr=True), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edged-soak-") as name, console.status("start") as status:

        def tell(what: str) -> None:
            status.update(f"{(time.monotonic() - began_s) / 60:.1f} of {plan.seconds / 60:g} minutes: {what}")

        with Scene(plan, Path(name), data, tell) as scene:
            return scene.run()


def result(record: Record, findings: list[Finding]) -> dict[str, Any]:
    return {
        "seconds": record.ended_s - record.began_s,
        "troubles": len(record.troubles),
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "cameras": {name: dataclasses.asdict(counts) for name, counts in record.over_all().items()},
        "processes": {name: dataclasses.asdict(process) for name, process in processes(record).items()},
    }


if __name__ == "__main__":
    sys.exit(main())
