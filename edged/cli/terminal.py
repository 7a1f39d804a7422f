"""What the verbs share: the consoles, and how an error reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from edged.core.errors import ConfigInvalid, EdgedError, OutputUnwritable

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def make_directory(path: Path) -> None:
    """Make a directory that a person named for results; raises OutputUnwritable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{path}: {error.strerror}", hint="name a directory that can be written") from error


def print_error(error: EdgedError) -> None:
    """Say on stderr what is wrong, every problem of it, and what to do."""
    err.print(f"[bold red]edged:[/] {escape(error.message)}")
    if isinstance(error, ConfigInvalid):
        for problem in error.problems:
            err.print(f"  [red]-[/] {escape(problem)}")
    if error.hint:
        err.print(f"  [dim]{escape(error.hint)}[/]")
