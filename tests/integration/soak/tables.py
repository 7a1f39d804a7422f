"""What a soak showed, as tables."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from soak.judgement import Finding
from soak.record import PROCESSES, Record


@dataclass(frozen=True, slots=True)
class Process:
    """One process: memory in the last rest (the median), the highest it was, and the share of one CPU over all."""

    rss_mb: float
    pss_mb: float
    peak_rss_mb: float
    cpu: float


def processes(record: Record) -> dict[str, Process]:
    """By name. A process that was replaced is judged by its last life."""
    found = {}
    for name in PROCESSES:
        last_pid = record.of(name)[-1].pid
        life = [sample for sample in record.of(name) if sample.pid == last_pid]
        rest = record.at_rest(record.rests[-1], name)
        found[name] = Process(
            rss_mb=statistics.median(sample.rss_mb for sample in rest),
            pss_mb=statistics.median(sample.pss_mb for sample in rest),
            peak_rss_mb=max(sample.rss_mb for sample in life),
            cpu=(life[-1].cpu_s - life[0].cpu_s) / max(life[-1].at_s - life[0].at_s, 1e-3),
        )
    return found


def show(record: Record, findings: list[Finding], console: Console) -> None:
    minutes = (record.ended_s - record.began_s) / 60
    troubles = ", ".join(f"{kind} {count} times" for kind, count in Counter(kind for _, kind in record.troubles).items())
    console.print(_judged(findings, f"scripts/soak, {minutes:.1f} minutes; trouble: {troubles}"))
    console.print(_of_cameras(record))
    console.print(_of_processes(record))
    if all(finding.kept for finding in findings):
        console.print("[green]every promise was kept")


def _judged(findings: list[Finding], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("", "measured", "promised", ""):
        table.add_column(heading)
    for finding in findings:
        table.add_row(finding.what, finding.measured, finding.promised, "[green]kept" if finding.kept else "[red]broken")
    return table


def _of_cameras(record: Record) -> Table:
    found = record.over_all()
    table = Table(title="cameras", title_justify="left")
    for heading in ("", *found):
        table.add_column(heading, justify="right" if heading else "left")
    for what, number in {
        "frames captured": lambda it: f"{it.captured}",
        "  inferred": lambda it: f"{it.inferred}",
        "  replaced by a newer one": lambda it: f"{it.dropped}",
        "pictures that came damaged": lambda it: f"{it.damaged}",
        "pictures that came too late": lambda it: f"{it.late}",
        "capture to result, mean": lambda it: f"{1e3 * it.ages_s / max(it.inferred, 1):.0f} ms",
    }.items():
        table.add_row(what, *map(number, found.values()))
    for stage in next(iter(found.values())).cpu_s:
        table.add_row(f"CPU: {stage}", *(f"{counts.cpu_s[stage] / record.observed_s:.1%}" for counts in found.values()))
    return table


def _of_processes(record: Record) -> Table:
    found = processes(record)
    table = Table(title="processes", title_justify="left")
    for heading in ("", *found):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("RSS in the last rest", *(f"{process.rss_mb:.1f} MB" for process in found.values()))
    table.add_row("PSS in the last rest", *(f"{process.pss_mb:.1f} MB" for process in found.values()))
    table.add_row("peak RSS", *(f"{process.peak_rss_mb:.1f} MB" for process in found.values()))
    table.add_row("CPU", *(f"{process.cpu:.1%}" for process in found.values()))
    return table
