"""``edged model verify``: try a model in a sandbox, as the daemon does before it loads one it does not know."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.terminal import err, out

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.infer.probe.records import Request, Verdict

DEADLINE_S = 60.0


def register(actions: Verbs) -> None:
    """Add the action."""
    action = actions.add_parser("verify", help="load and run a model in a sandbox, and say whether it can be trusted to run here")
    action.add_argument("model", metavar="BUNDLE", help="a bundle directory, a .tflite file, or a name of `edged model list`")
    action.add_argument("--labels", type=Path, help="label file, one a line, in place of the model's own")
    action.add_argument("--decoder", help="how the model's outputs read, if neither it nor a manifest says")
    action.add_argument("--key", metavar="FILE", help="the key of an encrypted bundle")
    action.add_argument("--threads", type=_above_zero, metavar="N", help="threads for an inference (default: what suits the CPUs)")
    action.add_argument("--memory", type=_above_zero, metavar="MB", help="what the model may take (default: what is free)")
    action.add_argument("--deadline", type=_seconds, metavar="S", default=DEADLINE_S, help="for all of it (default: %(default)g)")
    action.add_argument("--json", action="store_true", help="one JSON object")
    action.set_defaults(run=run)


def _above_zero(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0 and up to a day")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; the exit status is 1 for a model that is refused."""
    from edged.infer.bundle import resolve
    from edged.infer.probe.machine import free_bytes
    from edged.infer.probe.records import Request
    from edged.infer.settings import ModelSettings

    request = Request(
        path=str(resolve(arguments.model).absolute()),
        settings=ModelSettings(bundle=arguments.model, threads=arguments.threads, key_file=arguments.key),
        memory_bytes=arguments.memory << 20 if arguments.memory else free_bytes(),
        deadline_s=arguments.deadline,
        labels=str(arguments.labels.absolute()) if arguments.labels else None,
        decoder=arguments.decoder,
    )
    verdict = asyncio.run(probe(request))
    if arguments.json:
        print(json.dumps(_record(request, verdict)))
    else:
        _print(request, verdict)
    return 0 if verdict.refusal is None else 1


async def probe(request: Request) -> Verdict:
    """The verdict, with what goes on shown meanwhile."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from edged.infer.probe.prober import Prober
    from edged.infer.probe.records import STEPS, Passed

    steps = list(STEPS)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task("starting the sandbox")

        def heed(passed: Passed) -> None:
            following = steps[steps.index(passed.step) + 1 :] if passed.step in steps else []
            progress.update(task, description=f"{passed.step} passed; {following[0] if following else 'judging'}")

        async with Prober() as prober:
            return await prober.probe(request, heed)


def _print(request: Request, verdict: Verdict) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "outcome", "what was seen", box=None, pad_edge=False, header_style="bold")
    colours = {"passed": "green", "failed": "red"}
    for name, outcome, seen in _rows(verdict):
        table.add_row(name, f"[{colours.get(outcome, 'dim')}]{outcome}[/]", escape(seen))
    out.print(table)
    if verdict.refusal is None:
        out.print(f"[bold green]passed[/] {escape(request.path)}")
        return
    out.print(f"[bold red]refused: {verdict.refusal.fault}[/]")
    for line in verdict.chatter:
        out.print(f"  [dim]{escape(line)}[/]")
    if verdict.refusal.hint:
        out.print(f"  [dim]{escape(verdict.refusal.hint)}[/]")


def _rows(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Every check with its outcome and what was seen, then the measures."""
    from edged.infer.probe.records import STEPS

    seen = {passed.step: passed.detail for passed in verdict.passed}
    guarded = ", ".join(verdict.protection) or "limits alone: this kernel takes no filter of system calls"
    rows = [("sandbox", "passed" if verdict.protection else "-", guarded)]
    failed = verdict.refusal is not None
    for step in STEPS:
        if step in seen:
            rows.append((step, "passed", seen[step]))
        else:
            rows.append((step, "failed" if failed else "-", verdict.refusal.message if failed and verdict.refusal else ""))
            failed = False
    if verdict.measures is not None:
        speed = f"loaded in {verdict.measures.load_ms:.1f} ms, one inference {verdict.measures.invoke_ms:.1f} ms"
        rows.append(("measures", "", f"{speed}, {verdict.peak_bytes / 2**20:.1f} MB at most"))
    return rows


def _record(request: Request, verdict: Verdict) -> dict[str, Any]:
    import msgspec

    fields = msgspec.to_builtins(verdict)
    fields.pop("type")
    return {"path": request.path, "ok": verdict.refusal is None, **_untagged(fields)}


def _untagged(value: Any) -> Any:
    """``value`` without the tags by which messages tell each other apart."""
    if isinstance(value, dict):
        return {key: _untagged(item) for key, item in value.items() if key != "type"}
    if isinstance(value, list | tuple):
        return [_untagged(item) for item in value]
    return value
