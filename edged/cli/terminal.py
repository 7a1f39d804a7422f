"""What the verbs share: the consoles, and how an error reads."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from edged.core.errors import ConfigInvalid, EdgedError

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(error: EdgedError) -> None:
    """Say on stderr what is wrong, every problem of it, and what to do."""
    err.print(f"[bold red]edged:[/] {escape(error.message)}")
    if isinstance(error, ConfigInvalid):
        for problem in error.problems:
            err.print(f"  [red]-[/] {escape(problem)}")
    if error.hint:
        err.print(f"  [dim]{escape(error.hint)}[/]")
