"""A model on disk: a directory with a ``model.toml``, or a bare .tflite that says about itself what the manifest would.

The rules that this file keeps:

- The decoder is declared (by the manifest, the caller, or the graph's own post-processing operator), never guessed from shapes.
- A file is what its digest says: what the manifest states is checked, what it leaves open is computed, and what is loaded later
  (``Bundle.pinned``) is the file that was hashed, whatever its name leads to by then.
- No numpy and no interpreter: the main process reads bundles too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, InputSpec, ModelManifest, Parameter
from edged.infer import catalogue
from edged.infer.anchors import MAX_BYTES as MAX_ANCHOR_BYTES
from edged.infer.anchors import PARAMETER as ANCHORS_FILE
from edged.infer.anchors import parse_anchors
from edged.infer.files import ENCRYPTED, MAX_MODEL_BYTES, Stamp, hash_model, opened, read_limited, read_stamped, unreadable
from edged.infer.golden import FILE_NAME as GOLDEN_FILE
from edged.infer.golden import MAX_BYTES as MAX_GOLDEN_BYTES
from edged.infer.golden import Golden, parse_golden
from edged.infer.graph import EDGETPU_OP, Graph
from edged.infer.labels import MAX_BYTES as MAX_LABEL_BYTES
from edged.infer.labels import parse_labels
from edged.infer.manifest import FILE_NAME, parse_manifest
from edged.infer.manifest import MAX_BYTES as MAX_MANIFEST_BYTES
from edged.infer.metadata import Metadata, read_labels, read_metadata
from edged.infer.settings import is_path

DETECTION_OPERATOR = "TFLite_Detection_PostProcess"
DETECTION_ROLES = ("boxes", "classes", "scores", "count")
"""The custom operator whose outputs are a declaration of how they read, and what its kernel puts out, in this order."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model, checked as far as that goes without running it.

    ``paths`` maps each variant of the manifest to its file; ``manifest.sha256`` holds the digests of all of them. ``digest``, that
    of the ``cpu`` variant, stands for the model in events. ``identity`` stands for every byte that the bundle consists of, that is
    manifest, labels and golden vectors too. ``vectors`` is the file of the last and its digest, ``None`` for a bundle without.
    """

    manifest: ModelManifest
    paths: dict[str, Path]
    digest: str
    identity: str
    stamps: dict[str, Stamp]
    vectors: tuple[Path, str] | None = None
    encrypted: frozenset[str] = frozenset()
    """The variants that only a key opens; ``edged.infer.encryption`` reads them."""

    def golden(self) -> Golden | None:
        """The golden vectors, ``None`` if there are none; read now, since few ever want them. Raises ModelRejected."""
        if self.vectors is None:
            return None
        path, digest = self.vectors
        content = read_limited(path, MAX_GOLDEN_BYTES)
        if hashlib.sha256(content).hexdigest() != digest:
            raise ModelRejected(
                f"{path}: changed while the model was tried", hint="Put new files in place by renaming.", fault="changed"
            )
        return parse_golden(content, str(path))

    def opened(self, variant: str) -> AbstractContextManager[BufferedReader]:
        """The very file that was hashed as ``variant``, for the length of the ``with``; raises ModelRejected."""
        return opened(self.paths[variant], self.stamps[variant])

    @contextmanager
    def pinned(self, variant: str) -> Iterator[str]:
        """A path to that file, good for the length of the ``with``; what maps the file keeps it beyond that."""
        with self.opened(variant) as file:
            yield f"/proc/self/fd/{file.fileno()}"


def load_bundle(path: Path, labels_file: Path | None = None, decoder: str | None = None) -> Bundle:
    """Read the bundle at ``path``: a directory with a ``model.toml``, or a .tflite.

    ``labels_file`` (one label a line, UTF-8) and ``decoder`` (a registered name, with its default parameters) stand in for what the
    bundle says. Raises ModelRejected.
    """
    labels = None if labels_file is None else parse_labels(read_limited(labels_file, MAX_LABEL_BYTES), str(labels_file))
    if _is_directory(path):
        bundle = _from_directory(path, labels)
        if decoder is not None and decoder != bundle.manifest.decoder.name:
            bundle = replace(bundle, manifest=replace(bundle.manifest, decoder=DecoderSpec(decoder)))
        return bundle
    return _from_file(path, labels, decoder)


def identify(path: Path) -> str:
    """The ``identity`` of the bundle at ``path`` without parsing a model file, for the main process; raises ModelRejected."""
    if _is_directory(path):
        return _from_directory(path, None).identity
    return _identity([("file", hash_model(path).digest)])


def resolve(reference: str, base: Path | None = None) -> Path:
    """Where the bundle is that ``reference`` means.

    With a "/" in it, or ending in ``.tflite``, it is a path (from ``base`` if it is relative); otherwise the name of a model of the
    catalogue that was pulled. Raises ModelRejected.
    """
    if is_path(reference):
        path = (base or Path()) / reference
        if not _is_directory(path) and path.suffix != ".tflite":
            raise ModelRejected(f"{path}: neither a bundle directory nor a .tflite file")
        return path
    entry = catalogue.ENTRIES.get(reference)
    if entry is None or entry.kind != "model":
        models = ", ".join(name for name, entry in catalogue.ENTRIES.items() if entry.kind == "model")
        raise ModelRejected(
            f"{reference!r} is no model of the catalogue (it has {models})",
            hint=f"A path holds a slash: write ./{reference} for a bundle beside you.",
        )
    path = catalogue.location(entry, catalogue.default_root())
    if not _is_directory(path):
        raise ModelRejected(f"{reference} was not pulled yet: {path} does not exist", hint=f"Run `edged model pull {reference}`.")
    return path


class _Beside:
    """The small files of a bundle's directory; ``digests`` holds the name and sha256 of each that was read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.digests: list[tuple[str, str]] = []

    def read(self, name: str, limit: int) -> tuple[bytes, str]:
        """Bytes and path; raises ModelRejected."""
        path = self.directory / name
        content = read_limited(path, limit)
        self.digests.append((name, hashlib.sha256(content).hexdigest()))
        return content, str(path)


def _from_directory(directory: Path, labels: tuple[str, ...] | None) -> Bundle:
    if not (directory / FILE_NAME).is_file():
        raise ModelRejected(
            f"{directory}: no {FILE_NAME} in this directory",
            hint=f"`edged model inspect FILE.tflite --manifest > {FILE_NAME}` writes one to complete.",
        )
    beside = _Beside(directory)
    manifest, labels_name = parse_manifest(*beside.read(FILE_NAME, MAX_MANIFEST_BYTES))
    if labels is None and labels_name is not None:
        labels = parse_labels(*beside.read(labels_name, MAX_LABEL_BYTES))
    paths = {variant: directory / name for variant, name in manifest.files.items()}
    hashed = {variant: hash_model(file) for variant, file in paths.items()}
    found = {variant: file.digest for variant, file in hashed.items()}
    for variant, stated in manifest.sha256.items():
        if found[variant] != stated:
            raise ModelRejected(
                f"{paths[variant]}: sha256 is {found[variant]}, the manifest states {stated}",
                hint="The file is damaged, or was replaced without its manifest.",
                fault="corrupt",
            )
    manifest = replace(
        manifest,
        sha256=found,
        labels=manifest.labels if labels is None else labels,
        decoder=_with_anchors(manifest.decoder, beside),
    )
    stamps = {variant: file.stamp for variant, file in hashed.items()}
    vectors = _vectors(beside)
    identity = _identity([*beside.digests, *found.items()])
    encrypted = frozenset(variant for variant, file in hashed.items() if file.encrypted)
    return Bundle(manifest, paths, found["cpu"], identity, stamps, vectors, encrypted)


def _vectors(beside: _Beside) -> tuple[Path, str] | None:
    """Where golden vectors are, and their digest; only the probe parses them."""
    path = beside.directory / GOLDEN_FILE
    if not os.path.lexists(path):
        return None
    beside.read(GOLDEN_FILE, MAX_GOLDEN_BYTES)
    return path, beside.digests[-1][1]


def _with_anchors(decoder: DecoderSpec, beside: _Beside) -> DecoderSpec:
    """``decoder`` with the anchors of the file that it names, if it names one."""
    parameters = dict(decoder.parameters)
    name = parameters.pop(ANCHORS_FILE, None)
    if name is None:
        return decoder
    if "anchors" in parameters:
        raise ModelRejected(f"{beside.directory / FILE_NAME}: both anchors and {ANCHORS_FILE} are given; keep one of them")
    return DecoderSpec(decoder.name, {**parameters, "anchors": parse_anchors(*beside.read(str(name), MAX_ANCHOR_BYTES))})


def _from_file(path: Path, labels: tuple[str, ...] | None, decoder: str | None) -> Bundle:
    data, stamp = read_stamped(path, MAX_MODEL_BYTES)
    what = str(path)
    if data.startswith(ENCRYPTED):
        raise ModelRejected(f"{path}: encrypted, so that it says nothing about itself", hint=f"It needs a {FILE_NAME} beside it.")
    graph = Graph.read(data, what)
    if EDGETPU_OP in graph.custom_operators():
        raise ModelRejected(
            f"{path}: compiled for the Edge TPU, which is only one variant of a model",
            hint=f"Make a directory of this file, the one it was compiled from, and a {FILE_NAME} that names both.",
        )
    metadata = read_metadata(data, what)
    if labels is None:
        labels = read_labels(data, metadata, what) if metadata else ()
    digest = hashlib.sha256(data).hexdigest()
    manifest = ModelManifest(
        name=(metadata.name if metadata else "") or path.stem,
        version=(metadata.version if metadata else "") or f"sha256:{digest[:12]}",
        licence=(metadata.licence if metadata else "") or "unknown",
        description=metadata.description if metadata else "",
        files={"cpu": path.name},
        sha256={"cpu": digest},
        input=_input(metadata),
        decoder=_decoder(declared_decoder(graph) or _declared_by(metadata), metadata, decoder, path),
        labels=labels,
    )
    return Bundle(manifest, {"cpu": path}, digest, _identity([("file", digest)]), {"cpu": stamp})


def _input(metadata: Metadata | None) -> InputSpec:
    if metadata is None or not metadata.inputs or not metadata.inputs[0].mean:
        return InputSpec()
    return InputSpec(mean=metadata.inputs[0].mean, std=metadata.inputs[0].std)


def declared_decoder(graph: Graph) -> DecoderSpec | None:
    """The decoder that the graph itself declares, by ending in the detection operator; ``None`` if it does not.

    Exporters list and name the operator's outputs as they like; the graph tells which is which.
    """
    if DETECTION_OPERATOR not in graph.custom_operators():
        return None
    order = graph.outputs_of(DETECTION_OPERATOR)
    known = sorted(order) == list(range(len(DETECTION_ROLES)))
    return DecoderSpec("ssd_postprocess", {"output_order": ",".join(DETECTION_ROLES[place] for place in order)} if known else {})


def _declared_by(metadata: Metadata | None) -> DecoderSpec | None:
    """The decoder that metadata declares, by naming the class that each element of the only output scores."""
    return DecoderSpec("classification") if metadata and metadata.scores_classes else None


def _decoder(declared: DecoderSpec | None, metadata: Metadata | None, asked: str | None, path: Path) -> DecoderSpec:
    parameters: dict[str, Parameter] = {}
    if metadata is not None and metadata.score_threshold is not None:
        parameters["score_threshold"] = metadata.score_threshold
    name = asked or (declared.name if declared else None)
    if declared is not None and name == declared.name:
        parameters |= declared.parameters
    if name is None:
        raise ModelRejected(
            f"{path}: the file does not say how its outputs read",
            hint=f"`edged model inspect {path}` proposes a decoder; state it with --decoder NAME or in a {FILE_NAME}.",
            fault="undeclared",
        )
    return DecoderSpec(name, parameters)


def _identity(parts: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the roles and digests of the files that make up a bundle."""
    return hashlib.sha256("".join(f"{role} {digest}\n" for role, digest in parts).encode()).hexdigest()


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
