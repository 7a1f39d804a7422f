"""``scripts/faults NAME [--json]``: faults at full size, too slow for every run of the tests."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from faults import calls, killed_install, killed_store, kills, powercut, transfer
from faults.tally import Tally

if TYPE_CHECKING:
    import boot_mutants
    import killed_board

    McuOutcome = killed_board.Outcome | boot_mutants.Outcome
    Outcome = McuOutcome | kills.Outcome | calls.Outcome | transfer.Outcome | powercut.Outcome | powercut.Mutants


def main() -> int:
    top = argparse.ArgumentParser(prog="scripts/faults", description="See whether edged keeps its promises under faults.")
    names = top.add_subparsers(dest="name", metavar="NAME", required=True, title="faults")
    one = names.add_parser("kills", help="SIGKILL at random moments to a running daemon and its broker, while events flow")
    one.add_argument("--count", type=int, default=100, help="kills of the main and the vision process (default %(default)s)")
    one.add_argument("--broker", type=int, default=20, help="kills of the broker (default %(default)s)")
    one.add_argument("--seed", type=int, help="decides who is killed when; one is drawn and printed if none is given")
    two = names.add_parser("calls", help="SIGKILL at every system call by which the store changes its files")
    three = names.add_parser("install", help="SIGKILL at every system call by which an update is installed, confirmed or reverted")
    for parser in (two, three):
        parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th of each call (default %(default)s)")
    four = names.add_parser("transfer", help="SIGKILL to a process that downloads an update, and restarts of its broker")
    four.add_argument("--count", type=int, default=100, help="faults, a fifth of them the broker's (default %(default)s)")
    four.add_argument("--bytes", type=int, default=6_000_000, help="size of the update (default %(default)s)")
    four.add_argument("--seed", type=int, help="decides what happens when; one is drawn and printed if none is given")
    five = names.add_parser("powercut", help="a power cut at every write to the disk, under updates and the store (as root)")
    five.add_argument("--every", type=int, default=1, metavar="N", help="only after every N-th write (default %(default)s)")
    five.add_argument("--mutants", action="store_true", help="leave out one sync after the other; each must be noticed")
    five.add_argument("--seed", type=int, help="decides what is lost; one is drawn and printed if none is given")
    six = names.add_parser("mcu", help="power cuts to an emulated microcontroller that is updated (needs EDGED_TEST_DATA)")
    six.add_argument("--count", type=int, default=200, help="power cuts (default %(default)s)")
    six.add_argument("--seed", type=int, help="decides what is cut when; one is drawn and printed if none is given")
    six.add_argument(
        "--mutants", action="store_true", help="make the loader wrong in one way after the other; each must be noticed"
    )
    for parser in (one, two, three, four, five, six):
        parser.add_argument("--json", action="store_true", help="one JSON object, nothing else, on stdout")
    arguments = top.parse_args()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory(prefix="edged-faults-") as name, Progress(*columns, console=Console(stderr=True)) as progress:
        outcome = RUNS[arguments.name](arguments, Path(name), progress)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(outcome)))
    else:
        show(arguments.name, outcome)
    return 1 if outcome.problems else 0


def run_kills(arguments: argparse.Namespace, directory: Path, progress: Progress) -> kills.Outcome:
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    plan = kills.Plan(arguments.count // 2, arguments.count - arguments.count // 2, arguments.broker, seed)
    task = progress.add_task(f"kills, seed {seed}", total=arguments.count + arguments.broker)

    def tell(done: int, tally: Tally) -> None:
        events, repeats = len(tally.ids), max(tally.repeats)
        progress.update(task, completed=done, description=f"kills, seed {seed}: {events} events, {repeats} repeats at most")

    return asyncio.run(kills.run(plan, directory, tell))


def run_calls(arguments: argparse.Namespace, directory: Path, progress: Progress) -> calls.Outcome:
    task = progress.add_task(arguments.name)
    subject: calls.Subject = killed_install.SUBJECT if arguments.name == "install" else killed_store.SUBJECT
    return calls.run(directory, arguments.every, lambda done, of: progress.update(task, completed=done, total=of), None, subject)


def run_transfer(arguments: argparse.Namespace, directory: Path, progress: Progress) -> transfer.Outcome:
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    restarts = arguments.count // 5
    plan = transfer.Plan(arguments.count - restarts, restarts, arguments.bytes, seed)
    task = progress.add_task(f"transfer, seed {seed}", total=arguments.count)

    def tell(done: int, held: int) -> None:
        progress.update(task, completed=done, description=f"transfer, seed {seed}: {held} chunks are there")

    return asyncio.run(transfer.run(plan, directory, tell))


def run_powercut(arguments: argparse.Namespace, directory: Path, progress: Progress) -> powercut.Outcome | powercut.Mutants:
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    task = progress.add_task("formatting a disk")

    def tell(what: str, done: int, of: int) -> None:
        progress.update(task, completed=done, total=of, description=f"{what}, seed {seed}")

    logging.disable()  # what is found broken is told as such
    with powercut.in_memory(directory):
        return (powercut.run_mutants if arguments.mutants else powercut.run)(directory, arguments.every, seed, tell)


def run_mcu(arguments: argparse.Namespace, directory: Path, progress: Progress) -> McuOutcome:
    import boot_mutants  # lie with the tests of firmware, which no other fault needs
    import killed_board

    if arguments.mutants:
        mutants = boot_mutants.MUTANTS
        task = progress.add_task("loaders that are wrong", total=len(mutants))
        return boot_mutants.run(mutants, directory, lambda done: progress.update(task, completed=done))
    seed = secrets.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    task = progress.add_task(f"power cuts, seed {seed}", total=arguments.count)
    data = Path(os.environ.get("EDGED_TEST_DATA", ""))
    if not (data / "models" / "hello_world_int8.tflite").is_file():
        sys.exit("EDGED_TEST_DATA names no folder of test data: models/hello_world_int8.tflite is missing")
    run = killed_board.run(arguments.count, seed, directory, data, lambda done: progress.update(task, completed=done))
    return asyncio.run(run)


RUNS = {
    "kills": run_kills,
    "calls": run_calls,
    "install": run_calls,
    "transfer": run_transfer,
    "powercut": run_powercut,
    "mcu": run_mcu,
}


def show(name: str, outcome: Outcome) -> None:
    table = Table(title=f"scripts/faults {name}", title_justify="left", show_header=False)
    for field, value in dataclasses.asdict(outcome).items():
        if isinstance(value, dict):
            for part, count in sorted(value.items()):
                table.add_row(f"{field}: {part}", str(count))
        elif field != "problems":
            table.add_row(field.replace("_", " "), f"{value:.0f}" if isinstance(value, float) else str(value))
    console = Console()
    console.print(table)
    for problem in outcome.problems:
        console.print(f"[red]broken promise:[/] {problem}")
    if not outcome.problems:
        mutants = hasattr(outcome, "noticed")
        console.print("[green]every mutant was noticed" if mutants else "[green]every promise was kept")


sys.exit(main())
