"""From a TOML file to ``Settings``, or every reason why not.

Rules kept here: all problems are shown at once; a value has the type it should have or is refused, nothing is converted; paths
are taken from the directory of the file, never from the working directory; the value of an unknown key is never shown.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pydantic import ValidationError

from edged.config.consistency import inconsistencies
from edged.config.lines import KeyPath, key_lines
from edged.config.problems import Problem, problems_of
from edged.config.pushed import laid_over, not_there, not_to_be_pushed, stood_in
from edged.config.schema import Settings, config_path, validator
from edged.core.errors import ConfigInvalid
from edged.infer.settings import ModelSettings, is_path
from edged.mcu.settings import read_labels

MAX_BYTES = 1 << 20
HINT = "`edged config schema` prints every key with its meaning"

NOTHING: Mapping[str, Path | None] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A text that was read and is valid TOML; ``name`` is how it is called in front of a line number."""

    path: Path
    name: str
    text: str
    data: dict[str, Any]


def read(path: Path, name: str = "") -> Document:
    """Raises ConfigInvalid."""
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for numbers of thousands of digits, and brackets as deep
        name = name or str(path)
        raise ConfigInvalid(f"{name} is no valid TOML", (_syntax_problem(name, error),)) from error
    return Document(path, name or str(path), text, data)


def load(path: Path) -> Settings:
    """Read and check the configuration at ``path``; raises ConfigInvalid with all its problems."""
    return settle(read(path))


def settle(local: Document, pushed: Mapping[str, Path | None] = NOTHING) -> Settings:
    """The settings of a device's file, and of what was pushed over it; raises ConfigInvalid with all problems.

    ``pushed`` are documents by ``config/<id>``, of which that counts which the file follows. The file has to be sound by itself,
    since it is what serves once the document is given up.
    """
    settings, problems = _check(local.data, local.path.absolute().parent)
    if problems:
        raise ConfigInvalid(f"{local.name} cannot be used", _told(problems, local), hint=HINT)
    followed = config_path(settings)
    document = pushed.get(followed) if followed else None
    if followed is None or document is None:
        return settings
    above = read(document, followed)
    problems = [*not_to_be_pushed(above.data), *not_there(local.data, above.data)]
    if not problems:
        settings, problems = _check(laid_over(local.data, above.data), local.path.absolute().parent)
    if problems:
        raise ConfigInvalid(f"{above.name} cannot be laid over {local.name}", _told(problems, local, above), hint=HINT)
    return settings


def check_pushed(path: Path) -> None:
    """Check what can be said of a document without the device that it is for; raises ConfigInvalid with all its problems."""
    document = read(path)
    problems = list(not_to_be_pushed(document.data))
    if not problems:
        problems = _check(stood_in(document.data), path.absolute().parent)[1]
    if problems:
        raise ConfigInvalid(f"{path} cannot be pushed", _told(problems, document), hint=HINT)


def explain(path: Path, problems: Iterable[Problem]) -> tuple[str, ...]:
    """Problems that showed only in use, one line of text each, placed by the text that ``path`` holds now."""
    try:
        document = Document(path, str(path), _read(path), {})
    except ConfigInvalid:  # gone or replaced meanwhile: the keys still say what is meant
        document = Document(path, str(path), "", {})
    return _told(problems, document)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigInvalid(f"{path} is larger than {MAX_BYTES} bytes: that is no configuration", ())
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror}", ()) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path} is no UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}", ()) from error


def _syntax_problem(name: str, error: Exception) -> str:
    message = str(error)
    if place := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL):
        what, line, column = place.groups()
        return f"{name}:{line}:{column}: {what}"
    return f"{name}: {message}"


def _check(data: dict[str, Any], base: Path) -> tuple[Settings, list[Problem]]:
    """The settings, as far as they are sound, and all that is wrong."""
    settings, problems = _validate(data)
    sound, broken = data, problems
    while settings is None:  # what is left is checked for consistency, so that one run tells all
        for problem in broken:
            sound = _without(sound, problem.path)
        settings, broken = _validate(sound)
    settings, unread = _labelled(_resolve(settings, base))
    problems += unread
    if not _table(data, "cameras") and not _table(data, "mcus"):
        problems.append(Problem(("cameras",), "there is no camera, expected a table [cameras.NAME]"))
    follow = [
        found
        for found in inconsistencies(settings, _table(data, "models"))
        if not any(problem.path[: len(found.path)] == found.path for problem in problems)  # else it may only follow from that
    ]
    return settings, problems + follow


def _labelled(settings: Settings) -> tuple[Settings, list[Problem]]:
    """With the labels of microcontrollers in place of the files that hold them: what these say now is what holds, and a file that
    says something else at the next reload is a change."""
    mcus, problems = dict(settings.mcus), []
    for name, mcu in settings.mcus.items():
        if mcu.labels_file is not None and not mcu.labels:
            try:
                mcus[name] = dataclasses.replace(mcu, labels=read_labels(mcu), labels_file=None)
            except ValueError as error:
                problems.append(Problem(("mcus", name, "labels_file"), str(error)))
    return dataclasses.replace(settings, mcus=mcus), problems


def _validate(data: dict[str, Any]) -> tuple[Settings | None, list[Problem]]:
    # As JSON, since that is where pydantic's strict mode takes paths from text. TOML's dates, which no setting is, become lists.
    text = json.dumps(data, default=lambda date: [str(date)])
    try:
        return validator().validate_json(text, strict=True), []
    except ValidationError as error:
        return None, problems_of(error.errors(include_url=False), data, Settings)


def _without(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    """``data`` without the key at ``path``, or without the table where that key is missing."""
    key, below = path[0], path[1:]
    if below and key in data and isinstance(data[key], dict) and (len(below) > 1 or below[0] in data[key]):
        return {**data, key: _without(data[key], below)}
    return {name: value for name, value in data.items() if name != key}


def _table(data: dict[str, Any], section: str) -> dict[str, Any]:
    value = data.get(section)
    return value if isinstance(value, dict) else {}


def _resolve(settings: Settings, base: Path) -> Settings:
    return cast(Settings, _resolved(settings, base))


def _resolved(value: object, base: Path) -> object:
    """``value`` with every path in it absolute: "~" is the user's home, and relative ones begin at ``base``."""
    if isinstance(value, Path):
        return base / _expanded(value)
    if isinstance(value, dict):
        return {key: _resolved(item, base) for key, item in value.items()}
    if isinstance(value, ModelSettings) and is_path(value.bundle):
        return dataclasses.replace(value, bundle=str(_resolved(Path(value.bundle), base)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _resolved(getattr(value, field.name), base) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except (RuntimeError, ValueError) as error:
        raise ConfigInvalid(f"{path}: this system does not know whose home that is", (), hint="write the whole path") from error


def _told(problems: Iterable[Problem], *documents: Document) -> tuple[str, ...]:
    """One line of text for each problem, in the order of the file; a key that is not there is placed at its table.

    Of several documents it is placed in the one that says most of the key, the last if they say as much.
    """
    lines = [key_lines(document.text) for document in documents]
    told = []
    for problem in problems:
        depth, which = max((_depth(problem.path, known), which) for which, known in enumerate(lines))
        number = lines[which].get(problem.path[:depth], 0)
        place = f"{documents[which].name}:{number}" if number else documents[which].name
        told.append((which, number, ": ".join(filter(None, (place, ".".join(problem.path), problem.text)))))
    return tuple(text for *_, text in sorted(told, key=lambda item: item[:2]))


def _depth(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    return next((depth for depth in range(len(path), 0, -1) if path[:depth] in lines), 0)
