"""What the tests of troubles share: each produces the state of a row of the table, and hands back what the doctor found in it."""

from __future__ import annotations

import functools
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import PATIENCE_S

from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import TABLE

PRODUCED: list[str] = []
"""The codes that some test produces, as far as its file was imported."""

NOBODY = 65534


def produces(code: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The test returns a finding, which has to be that of ``code``."""
    PRODUCED.append(code)

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def checked_async(**fixtures: Any) -> None:
                expect(await test(**fixtures), code)

            return checked_async

        @functools.wraps(test)
        def checked(**fixtures: Any) -> None:
            expect(test(**fixtures), code)

        return checked

    return decorate


def expect(found: Finding, code: str) -> None:
    row = TABLE[code]
    assert found.code == code, found
    assert found.status in row.severity.split(" or ")
    assert found.what
    assert found.fix
    kinds = {check.removesuffix(" NAME") for check in row.check.split(", ")}
    assert row.check == "any" or found.name.split(" ")[0] in kinds, found.name


def examined(config: Path, prefix: Sequence[str] = ()) -> dict[str, Finding]:
    """What ``edged doctor --json`` prints of ``config``, by the names of the checks; ``prefix`` is a command that becomes it."""
    command = [*prefix, sys.executable, "-m", "edged", "doctor", "--json", "--config", str(config)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=4 * PATIENCE_S, check=False)
    answer = json.loads(done.stdout)
    findings = {finding["name"]: Finding(**finding) for finding in answer["findings"]}
    assert done.returncode == int(any(finding.status == "fail" for finding in findings.values()))
    return findings


@contextmanager
def somebody() -> Iterator[None]:
    """Another user than root, who may open everything; whoever is none stays who they are."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def shown_to_all() -> Iterator[Path]:
    """A directory that every user can look into."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
