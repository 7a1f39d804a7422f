"""The table of troubles is the doctor's own: complete, unambiguous, each row produced by a test, and the page made from it."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from troubles import PRODUCED

from edged.cli.main import parser
from edged.core.errors import BrokerFault, CameraFault, DelegateFault, ModelFault, PortFault, SecretFault, StoreFault
from edged.core.problem import PROBLEMS
from edged.daemon.doctor.page import render
from edged.daemon.doctor.table import SECTIONS, TABLE, code_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCTOR = ROOT / "edged/daemon/doctor"


def test_every_row_is_produced_by_a_test_and_by_one() -> None:
    for file in sorted(HERE.glob("test_troubles_*.py")):
        importlib.import_module(file.stem)
    assert Counter(PRODUCED) == Counter(TABLE.keys())


def test_a_code_stands_once_and_is_kebab_case() -> None:
    codes = [trouble.code for troubles in SECTIONS.values() for trouble in troubles]
    assert len(codes) == len(TABLE)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", code) for code in codes)


def test_every_fault_of_an_error_has_its_row() -> None:
    of_updates = {"signature differs", "over memory", "over latency"}  # compared with what is stated in a signed update alone
    faults = {
        "broker": get_args(BrokerFault),
        "stream": get_args(CameraFault),
        "accelerator": set(get_args(DelegateFault)) - {"failing"},  # shows only while a model runs on it
        "model": set(get_args(ModelFault)) - {"changed"} - of_updates,  # a skip: its files are being replaced
        "secret": get_args(SecretFault),
        "store": get_args(StoreFault),
        "mcu": get_args(PortFault),
    }
    missing = [code_of(kind, fault) for kind, named in faults.items() for fault in named if code_of(kind, fault) not in TABLE]
    assert missing == []


def test_every_code_that_the_checks_name_is_in_the_table() -> None:
    named = {code for file in DOCTOR.glob("*.py") for code in re.findall(r'trouble\(\s*[^,()]+, "([a-z0-9-]+)"', file.read_text())}
    assert len(named) > 20
    assert named - TABLE.keys() == set()


def test_the_page_is_the_table() -> None:
    assert (DOCTOR / "TROUBLESHOOTING.md").read_text() == render(), "python -m edged.daemon.doctor.page writes it"
    assert "edged/daemon/doctor/TROUBLESHOOTING.md" in (ROOT / "README.md").read_text()


def test_every_command_that_is_named_is_one_of_ours() -> None:
    """A bare name is an action that there is; with anything behind it, it is a whole command line, and parses."""
    texts = [text for row in TABLE.values() for text in (row.seen, row.meaning, row.fix)]
    texts += [text for problem in PROBLEMS.values() for text in (problem.meaning, problem.fix)]
    named = {found for text in texts for found in re.findall(r"`(?:sudo )?edged ([a-z][^`]*)`", text)}
    assert len(named) > 12
    for command in sorted(named):
        words = shlex.split(command)
        at: argparse.ArgumentParser | None = parser()
        while words and at is not None and (below := actions(at)) is not None:
            assert words[0] in below, f"edged {command}"
            at = below[words.pop(0)]
        if words:
            try:
                parser().parse_args(shlex.split(command))
            except SystemExit:
                pytest.fail(f"edged {command} is no command line")


def actions(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser] | None:
    """The verbs that a parser goes on with, or None if it has none."""
    found = next((it for it in of._actions if isinstance(it, argparse._SubParsersAction)), None)
    return None if found is None else dict(found.choices)
