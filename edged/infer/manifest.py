"""``model.toml``, the manifest of a bundle: text to ``ModelManifest`` and back. DESIGN.md shows the format."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Literal

import msgspec

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, InputSpec, ModelManifest, Parameter, StateSpec
from edged.infer.anchors import PARAMETER as ANCHORS_FILE
from edged.infer.attachments import is_plain_name
from edged.infer.labels import checked_labels
from edged.infer.text import quoted

FILE_NAME = "model.toml"
"""What the manifest of a bundle is called."""

MAX_BYTES = 1 << 20
"""Room for the labels of any model that is not given a label file."""

Variant = Literal["cpu", "edgetpu"]
"""For whom a file was compiled."""

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""

Line = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""Text without line breaks or anything else that a terminal would obey."""

Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*\Z")]
"""The same with tabs and line breaks, or nothing."""

Channels = Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=4)]

_DEEP_KEY = re.compile(rb"""(?<![^\s\[{,])(?:(?:"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+){16}""")
"""A key of so many parts that ``tomllib`` takes minutes and gigabytes (it grows with their number's cube); ours have two."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """The tables and keys of a ``model.toml``."""

    class Input(msgspec.Struct, frozen=True, kw_only=True):
        """``[input]``: see ``core.model.InputSpec``."""

        resize: Literal["letterbox", "stretch"] = "stretch"
        colour: Literal["rgb", "bgr"] = "rgb"
        mean: Channels | None = None
        std: Channels | None = None
        padding: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0

    class State(msgspec.Struct, frozen=True, kw_only=True):
        """``[[state]]``: see ``core.model.StateSpec``."""

        input: str | int
        output: str | int
        initial: float = 0.0

    name: Line
    files: dict[Variant, str]
    decoder: dict[str, Parameter]
    version: Line = "unversioned"
    licence: Line = "unknown"
    description: Text = ""
    labels: list[str] | None = None
    labels_file: str | None = None
    sha256: dict[Variant, Digest] = {}
    input: Input = Input()
    state: Annotated[tuple[State, ...], msgspec.Meta(max_length=64)] = ()


def parse_manifest(data: bytes, where: str) -> tuple[ModelManifest, str | None]:
    """The manifest in ``data`` and the name of its label file, which the caller reads; raises ModelRejected, naming ``where``."""
    if len(data) > MAX_BYTES:
        raise ModelRejected(f"{where}: {len(data)} bytes; at most {MAX_BYTES} are read", fault="oversized")
    if deep := _DEEP_KEY.search(data):
        raise ModelRejected(f"{where}: byte {deep.start()}: more dots in a row than any key needs", fault="corrupt")
    try:
        raw = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not TOML, or a number of too many digits
        raise ModelRejected(f"{where}: this is not TOML: {quoted(str(error))}", fault="wrong type") from error
    _refuse_unknown(raw, ManifestFile.__struct_fields__, "", where)
    if isinstance(raw.get("input"), dict):
        _refuse_unknown(raw["input"], (field.name for field in fields(InputSpec)), "input.", where)
    for table in raw["state"] if isinstance(raw.get("state"), list) else ():
        if isinstance(table, dict):
            _refuse_unknown(table, (field.name for field in fields(StateSpec)), "state.", where)
    try:
        file = msgspec.convert(raw, ManifestFile)
    except msgspec.ValidationError as error:
        reason = quoted(str(error))
        raise ModelRejected(f"{where}: {reason}", hint="edged/infer/DESIGN.md shows every key of model.toml.") from error
    return _manifest(file, where), file.labels_file


def _refuse_unknown(table: dict[str, object], known: Iterable[str], prefix: str, where: str) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {prefix}{near[0]}?" if near else f"Known keys: {', '.join(known)}."
            raise ModelRejected(f"{where}: unknown key {prefix}{quoted(key)}", hint=hint)


def _manifest(file: ManifestFile, where: str) -> ModelManifest:
    if "cpu" not in file.files:
        raise ModelRejected(
            f"{where}: [files] names no cpu variant",
            hint="Every bundle needs one: edged falls back to it when the accelerator is lost.",
        )
    names = [*file.files.values(), file.labels_file, file.decoder.get(ANCHORS_FILE)]
    for name in names:
        if name is not None and not (isinstance(name, str) and is_plain_name(name)):
            raise ModelRejected(f"{where}: {quoted(str(name))!r} is not the name of a file beside {FILE_NAME}")
    if extra := set(file.sha256) - set(file.files):
        raise ModelRejected(f"{where}: [sha256] states {', '.join(sorted(extra))}, which [files] does not have")
    if file.labels is not None and file.labels_file is not None:
        raise ModelRejected(f"{where}: both labels and labels_file are given; keep one of them")
    if not all(math.isfinite(state.initial) for state in file.state):
        raise ModelRejected(f"{where}: a [[state]] begins with a finite number")
    return ModelManifest(
        name=file.name,
        version=file.version,
        licence=file.licence,
        description=file.description,
        files=dict(file.files.items()),
        sha256=dict(file.sha256.items()),
        input=checked_input(InputSpec(**msgspec.structs.asdict(file.input)), where),
        decoder=_decoder(file.decoder, where),
        labels=checked_labels(file.labels or [], where),
        states=tuple(StateSpec(state.input, state.output, state.initial) for state in file.state),
    )


def checked_input(spec: InputSpec, where: str) -> InputSpec:
    """``spec`` if something can be normalised by it; otherwise ModelRejected."""
    if (spec.mean is None) != (spec.std is None):
        raise ModelRejected(f"{where}: mean and std of the input go together; one of them is missing")
    if spec.mean is not None and spec.std is not None:
        finite = all(map(math.isfinite, spec.mean + spec.std))
        if len(spec.mean) != len(spec.std) or not finite or not all(spec.std):
            raise ModelRejected(f"{where}: nothing can be normalised by mean {spec.mean} and std {spec.std}")
    return spec


def _decoder(table: dict[str, Parameter], where: str) -> DecoderSpec:
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise ModelRejected(
            f"{where}: [decoder] has no name",
            hint="Write name = ... below it; `edged model inspect FILE` proposes one.",
        )
    return DecoderSpec(name, {key: value for key, value in table.items() if key != "name"})


def format_manifest(manifest: ModelManifest) -> str:
    """``manifest`` as the text of a ``model.toml`` that reads back as the same."""
    head = {"name": manifest.name, "version": manifest.version, "licence": manifest.licence, "description": manifest.description}
    lines = [f"{key} = {_value(value)}" for key, value in head.items()]
    lines.append(f"labels = {_value(manifest.labels)}")
    shape = {name: getattr(manifest.input, name) for name in ("resize", "colour", "mean", "std")}
    shape["padding"] = manifest.input.padding or None
    tables: dict[str, dict[str, Parameter | tuple[str, ...]]] = {
        "files": {**manifest.files},
        "sha256": {**manifest.sha256},
        "input": {key: value for key, value in shape.items() if value is not None},
        "decoder": {"name": manifest.decoder.name, **manifest.decoder.parameters},
    }
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
    for state in manifest.states:
        lines += ["", "[[state]]", *(f"{name} = {_value(getattr(state, name))}" for name in ("input", "output", "initial"))]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Parameter | tuple[str, ...]) -> str:
    """A TOML value. JSON's strings are TOML's as long as nothing but what JSON must escape is escaped; DEL is left to us."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
