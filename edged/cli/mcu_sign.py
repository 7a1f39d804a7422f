"""``edged mcu keygen | sign``: keys, and the signed images that boards take."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cli.mcu_common import MAGIC, address, count, describe, golden_vectors, is_tflite, read_bytes, say
from edged.core.errors import ImageRefused
from edged.mcu.admission import ANYWHERE

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.mcu.image import Placement

OF_MODELS = ("name", "no_golden", "noise", "input", "raw_pixels", "tolerance")


def register(actions: Verbs) -> None:
    """Add the actions."""
    keygen = actions.add_parser("keygen", help="make a key to sign images with; its public half goes into loaders")
    keygen.add_argument("file", type=Path, metavar="FILE", help="the private key, as PEM; the public one is put beside it")
    keygen.add_argument("--json", action="store_true", help="one JSON object")
    keygen.set_defaults(run=run_keygen)

    sign = actions.add_parser("sign", help="make a signed image of a firmware (.bin) or a model (.tflite, or a bundle)")
    sign.add_argument(
        "file", type=Path, metavar="FILE", help="app.bin of `edged mcu build`, a .tflite, or the directory of a bundle"
    )
    sign.add_argument("-k", "--key", type=Path, required=True, metavar="FILE", help="the private key of `edged mcu keygen`")
    sign.add_argument("--board", required=True, metavar="BOARD", help="the only kind of board that is to take it")
    sign.add_argument("--version", required=True, metavar="X.Y.Z", help="its version")
    sign.add_argument(
        "--counter",
        type=int,
        default=1,
        metavar="N",
        help="boards refuse what counts less than the highest that they confirmed (default: %(default)s)",
    )
    sign.add_argument("-o", "--output", type=Path, metavar="FILE", help="the image (default: beside FILE, .signed.bin)")
    sign.add_argument(
        "--load-address",
        type=address,
        metavar="N",
        help="where a firmware is put (default: as the .elf beside it says)",
    )
    model = sign.add_argument_group("of a model")
    model.add_argument("--name", metavar="NAME", help="its name on the board (default: that of the file or bundle)")
    model.add_argument("--no-golden", action="store_true", help="have boards compare no answers with those that it gives here")
    model.add_argument(
        "--noise",
        type=count,
        metavar="N",
        help="compare so many answers to noise (default: 2, and 0 for a bundle with golden vectors)",
    )
    model.add_argument("--input", action="append", default=[], type=Path, metavar="FILE", help="compare the answer to this one too")
    model.add_argument("--raw-pixels", action="store_true", help="the bytes of a .bmp are the input as it stands")
    model.add_argument(
        "--tolerance", type=int, default=0, metavar="N", help="steps that an answer may be off (default: %(default)s)"
    )
    sign.add_argument("--json", action="store_true", help="one JSON object")
    sign.set_defaults(run=run_sign)


def run_keygen(arguments: argparse.Namespace) -> int:
    """Make a key."""
    from edged.tooling.mcu_sign import generate_key, key_hash

    public = generate_key(arguments.file)
    name = key_hash(public)[:8].hex()
    if arguments.json:
        print(json.dumps({"private": str(arguments.file), "public": str(public), "key": name}))
    else:
        say(f"Private key {arguments.file}: keep it where only you sign. Public key {public}: build loaders with --key {public}.")
        say(f"Boards will call it {name}.")
    return 0


def run_sign(arguments: argparse.Namespace) -> int:
    """Sign."""
    from edged.core.durable import replace_file
    from edged.core.errors import OutputUnwritable
    from edged.mcu.image import parse

    try:
        data = _model(arguments) if _is_model(arguments.file) else _firmware(arguments)
    except ValueError as error:
        raise ImageRefused(f"{arguments.file}: {error}", fault="malformed") from error
    target = arguments.output or _beside(arguments.file)
    try:
        replace_file(target, data)
    except OSError as error:
        raise OutputUnwritable(f"{target}: {error.strerror}", hint="Name another with --output.") from error
    image = parse(data)
    compared = golden_vectors(image) if image.kind == "model" else None
    if arguments.json:
        fields = {name: getattr(image, name) for name in ("kind", "board", "version", "counter", "model_name", "address")}
        hashes = {"hash": image.hash.hex(), "key_hash": image.key_hash.hex()}
        print(json.dumps({"file": str(target), "bytes": len(data), **fields, **hashes, "golden_vectors": compared}))
    else:
        say(f"{target}: {describe(image)}, {len(data):,} bytes, hash {image.hash.hex()[:12]}.")
    return 0


def _refuse_options(arguments: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raise ImageRefused rather than leave an option without effect."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) not in (None, False, 0, [])]
    if given:
        raise ImageRefused(f"{arguments.file}: no use of {', '.join(given)}: {why}", fault="malformed")


def _is_model(file: Path) -> bool:
    return file.is_dir() or file.suffix == ".tflite" or is_tflite(read_bytes(file))


def _beside(file: Path) -> Path:
    """Where the image goes: a directory's name is its whole name, dots and all."""
    place = file.resolve() if file.is_dir() else file
    return place.with_name((place.name if file.is_dir() else place.stem) + ".signed.bin")


def _firmware(arguments: argparse.Namespace) -> bytes:
    from edged.mcu.tools.stm32 import check_raw
    from edged.tooling.mcu_sign import FirmwareLabel, sign_firmware

    _refuse_options(arguments, OF_MODELS, "this is a firmware")
    code = read_bytes(arguments.file)
    check_raw(arguments.file)
    if code.startswith(MAGIC):
        raise ImageRefused(f"{arguments.file} is a signed image already", hint="Sign what it was made of.", fault="wrong kind")
    placement: Placement = "loaded"
    place: int | None = arguments.load_address
    if arguments.board in ANYWHERE:
        if place is not None:
            raise ImageRefused(f"--load-address: firmware for {arguments.board} runs anywhere", fault="malformed")
        placement, place = "anywhere", 0
    elif place is None:
        place = _linked_at(arguments.file, code)
    else:
        _check_named(arguments.file, code, place)
    label = FirmwareLabel(arguments.board, arguments.version, arguments.counter, placement, place)
    return sign_firmware(code, label, arguments.key)


def _linked_at(file: Path, code: bytes) -> int:
    """Where the loader is to put an image of it, as the ELF file beside it says: the header lies before the code."""
    from edged.mcu.elf import read_code
    from edged.mcu.image import HEADER_BYTES

    elf = file.with_suffix(".elf")
    if not elf.is_file():
        raise ImageRefused(
            f"where does {file} run? There is no {elf.name} beside it that would say so",
            hint="`edged mcu build` writes both. Else name the address that it is linked for, less 512, with --load-address.",
            fault="unreadable",
        )
    try:
        linked = read_code(read_bytes(elf))
    except ValueError as error:
        raise ImageRefused(f"{elf}: {error}", hint="Name the address with --load-address.", fault="malformed") from error
    if not code.startswith(linked.data):
        raise ImageRefused(
            f"{elf} is of another build than {file}", hint="Build anew, or name the address with --load-address.", fault="malformed"
        )
    return linked.address - HEADER_BYTES


def _check_named(file: Path, code: bytes, place: int) -> None:
    """Raises ImageRefused for an address that a person named, and the ELF file of this very build denies."""
    from edged.mcu.elf import read_code
    from edged.mcu.image import HEADER_BYTES

    elf = file.with_suffix(".elf")
    try:
        linked = read_code(elf.read_bytes())
    except (OSError, ValueError):
        return
    if code.startswith(linked.data) and linked.address - HEADER_BYTES != place:
        raise ImageRefused(
            f"--load-address: {elf} is linked for {linked.address - HEADER_BYTES:#x}, not for {place:#x}: a board would refuse it",
            hint="Leave --load-address out.",
            fault="malformed",
        )


def _model(arguments: argparse.Namespace) -> bytes:
    from edged.infer.bundle import load_bundle
    from edged.infer.graph import Graph
    from edged.mcu.package import build
    from edged.tooling.mcu_golden import NOISE, bundle_vectors, make_vectors
    from edged.tooling.mcu_sign import ModelLabel, sign_model

    _refuse_options(arguments, ("load_address",), "a model is not linked for an address")
    if arguments.no_golden:
        _refuse_options(arguments, ("noise", "input"), "with --no-golden nothing is compared")
    bundle = load_bundle(arguments.file) if arguments.file.is_dir() else None
    file = arguments.file if bundle is None else bundle.paths["cpu"]
    model = read_bytes(file)
    _ = Graph.read(model, str(file)).main  # refuses what is no model
    vectors = []
    if not arguments.no_golden:
        vectors = [] if bundle is None else bundle_vectors(bundle, arguments.tolerance)
        noise = arguments.noise if arguments.noise is not None else 0 if vectors else NOISE
        if noise or arguments.input:
            vectors += make_vectors(
                file, arguments.input, noise=noise, tolerance=arguments.tolerance, raw_pixels=arguments.raw_pixels
            )
    name = arguments.name or (file.stem if bundle is None else bundle.manifest.name)
    return sign_model(build(model, vectors), ModelLabel(arguments.board, name, arguments.version, arguments.counter), arguments.key)
