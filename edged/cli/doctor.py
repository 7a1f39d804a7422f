"""``edged doctor``: what on this machine, or in a configuration, would keep edged from its work, and how to mend it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.terminal import err, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.cli.terminal import Verbs
    from edged.daemon.doctor.finding import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("doctor", help="check this machine, and all that a configuration names")
    verb.add_argument("--config", type=Path, metavar="FILE", help="also check the cameras, models and broker of this configuration")
    verb.add_argument("--json", action="store_true", help="one JSON object")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and print; 1 if something fails."""
    from edged.daemon.doctor.examination import examine

    findings: list[Finding] = []
    with err.status("looking") as status:
        for finding in examine(arguments.config):
            findings.append(finding)
            status.update(f"looked at {finding.name}")
    failed = any(finding.status == "fail" for finding in findings)
    if arguments.json:
        print(json.dumps({"ok": not failed, "findings": [dataclasses.asdict(finding) for finding in findings]}))
    else:
        _print(findings)
    return int(failed)


def _print(findings: Sequence[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "", "found", box=None, pad_edge=False, header_style="bold")
    for finding in findings:
        text = escape(finding.what) + (f"\n[dim]{escape(finding.fix)}[/]" if finding.fix else "")
        text += f"\n[dim]{finding.code}[/]" if finding.code else ""
        table.add_row(escape(finding.name), f"[{STYLES[finding.status]}]{finding.status}[/]", text)
    out.print(table)
