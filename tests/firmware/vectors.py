"""Reads vectors.txt: what the Python and the C++ side of the wire both have to make of the same bytes."""

from __future__ import annotations

import struct
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

from edged.mcu import demux, report
from edged.mcu.frame import Frame

FILE = Path(__file__).with_name("vectors.txt")
REPORTS = {kind.__name__.lower(): kind for kind in (report.Hello, report.Result, report.Health, report.Log, report.Bye)}


def records(kind: str) -> list[list[str]]:
    """The fields of each line of this kind."""
    lines = (line.split(" ") for line in FILE.read_text().splitlines() if not line.startswith("#"))
    return [fields for first, *fields in lines if first == kind]


def blob(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def event(text: str) -> demux.Event:
    kind, *others = text.split(":")
    match kind:
        case "packet":
            return demux.SmpPacket(blob(others[0]))
        case "text":
            return demux.Text(blob(others[0]))
        case "report":
            return demux.Report(Frame(int(others[0]), int(others[1]), blob(others[2])))
    return demux.Bad(others[0], others[1].replace("-", " "))  # type: ignore[arg-type]


def reported(name: str, values: list[str]) -> report.Report:
    kind = REPORTS[name]
    types = get_type_hints(kind)
    given = dict(value.split("=") for value in values)
    read = {str: lambda text: blob(text).decode(), bytes: blob, int: int, float: lambda text: struct.unpack("<f", blob(text))[0]}
    return kind(**{field.name: read[types[field.name]](given[field.name]) for field in fields(kind)})
