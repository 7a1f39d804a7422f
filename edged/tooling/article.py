"""What `edged ota sign` publishes, from a directory; of a model also what goes in, what comes out, and what it answers here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edged.config.load import check_pushed
from edged.config.pushed import DOCUMENT
from edged.core.errors import ImageRefused, PublisherFailed, UpdateRefused
from edged.infer.bundle import Bundle, load_bundle
from edged.infer.encryption import Key
from edged.infer.golden import FILE_NAME as GOLDEN_FILE
from edged.infer.graph import Form
from edged.infer.manifest import FILE_NAME
from edged.mcu.bundle import FILE, read_package
from edged.ota.package import read_directory
from edged.ota.publisher.release import Article
from edged.ota.target import Constraints, Kind, Limits, Tensor
from edged.tooling.golden import signature

MakeGolden = Callable[[Bundle], bytes]
"""Runs a model, and gives the content of its golden vectors: pictures, and its answers to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be said of it; without ``version`` a model's own."""

    kind: Kind
    id: str
    version: str | None
    constraints: Constraints
    limits: Limits
    key: Key | None = None
    """Of an encrypted model."""


def make_article(directory: Path, wish: Wish, golden: MakeGolden | None) -> Article:
    """Read what is to be published; a model is run if there are to be ``golden`` vectors. Raises PublisherFailed, ModelRejected."""
    if wish.kind in {"mcu-firmware", "mcu-model"}:
        return _image(directory, wish)
    if not directory.is_dir():
        hint = f"Put a model into one: `edged model inspect FILE --manifest > {FILE_NAME}` writes what it needs besides."
        raise PublisherFailed(f"{directory} is no directory", hint=hint)
    return _model(directory, wish, golden)


def make_config_article(file: Path, wish: Wish) -> Article:
    """Read settings that are to be published, and check what needs no device; raises ConfigInvalid, PublisherFailed."""
    check_pushed(file)
    if wish.version is None:
        raise PublisherFailed("settings have no version of their own", hint="Give them one: --version.")
    return Article(
        kind="config",
        id=wish.id,
        version=wish.version,
        files={DOCUMENT: file.read_bytes()},
        constraints=wish.constraints,
        limits=wish.limits,
    )


def _image(path: Path, wish: Wish) -> Article:
    """An image of a microcontroller, which is signed for its loader already; here it is checked for what a device would refuse."""
    try:
        package = read_package(path, "firmware" if wish.kind == "mcu-firmware" else "model")
    except ImageRefused as error:
        hint = error.hint or "`edged mcu sign` makes one of a firmware or a model."
        raise PublisherFailed(f"{path}: {error.message}", hint=hint) from error
    except OSError as error:
        raise PublisherFailed(f"{error.filename}: {error.strerror}") from error
    return Article(
        kind=wish.kind,
        id=wish.id,
        version=wish.version or package.version,
        files={FILE: package.data},
        constraints=wish.constraints,
        limits=wish.limits,
    )


def _model(directory: Path, wish: Wish, golden: MakeGolden | None) -> Article:
    bundle = load_bundle(directory)
    inputs, outputs = signature(bundle, wish.key)
    files = _files(directory)
    files.pop(GOLDEN_FILE, None)  # of another run, perhaps of another model
    if golden is not None:
        files[GOLDEN_FILE] = golden(bundle)
    return Article(
        kind="model",
        id=wish.id,
        version=wish.version or bundle.manifest.version,
        files=files,
        constraints=wish.constraints,
        inputs=_tensors(inputs),
        outputs=_tensors(outputs),
        limits=wish.limits,
    )


def _tensors(forms: tuple[Form, ...]) -> tuple[Tensor, ...]:
    return tuple(Tensor(shape=form.shape, dtype=form.dtype) for form in forms)


def _files(directory: Path) -> dict[str, bytes]:
    try:
        return read_directory(directory)
    except UpdateRefused as error:
        raise PublisherFailed(error.message, hint=error.hint) from error
    except OSError as error:
        raise PublisherFailed(f"{error.filename}: {error.strerror}") from error
