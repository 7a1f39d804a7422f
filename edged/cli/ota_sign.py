"""``edged ota sign``: of a model what goes in, what comes out, and what it answers here are found by running it."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edged.cli import verify
from edged.cli.mcu_common import golden_vectors
from edged.cli.ota_common import add_channel, add_keys, add_rollout, change_of, channel_of, open_publisher, say

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.infer.encryption import Key
    from edged.infer.settings import RuntimeName
    from edged.tooling.article import MakeGolden


RUNTIMES = ("litert", "tflite-runtime")


def register(actions: Verbs) -> None:
    """Add the action."""
    from edged.ota.target import Kind

    kinds = [kind for kind in get_args(Kind) if kind != "config"]
    sign = actions.add_parser("sign", help="publish a bundle, or settings, as the newest of their id")
    sign.add_argument("dir", type=Path, metavar="DIR", help="the publisher's directory")
    what = sign.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "bundle",
        type=Path,
        nargs="?",
        metavar="BUNDLE",
        help="a model's directory, with its model.toml; or the signed image of a microcontroller",
    )
    what.add_argument("--config", type=Path, metavar="FILE", help="settings to lay over the file of devices (kind config)")
    sign.add_argument("--id", required=True, metavar="ID", help="what devices follow it by")
    sign.add_argument(
        "--kind",
        choices=kinds,
        default="model",
        help="what it is (default: %(default)s)",
    )
    sign.add_argument("--version", metavar="TEXT", help="for people (default: that of the model)")
    model = sign.add_argument_group("of a model")
    model.add_argument("--picture", action="append", default=[], type=Path, metavar="FILE", help="compare answers to this one too")
    model.add_argument("--no-golden", action="store_true", help="have devices compare no answers with those that it gives here")
    model.add_argument("--model-key", type=Path, metavar="FILE", help="the key of an encrypted bundle")
    only = sign.add_argument_group("only for some devices", "each may be given more than once")
    for name, of in (("device", "this name"), ("machine", "this machine, such as aarch64")):
        only.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"devices of {of}")
    only.add_argument("--runtime", action="append", default=[], choices=RUNTIMES, help="devices that run it by this one")
    only.add_argument(
        "--accelerator", action="append", default=[], metavar="NAME", help="devices that infer on one, such as edgetpu"
    )
    only.add_argument("--edged", default="0", metavar="VERSION", help="devices with this version of edged or a later one")
    limits = sign.add_argument_group("limits")
    limits.add_argument("--memory-mb", type=int, metavar="MB", help="most memory that it may take")
    limits.add_argument("--p95-ms", type=int, metavar="MS", help="longest that 95 of 100 inferences may take")
    add_rollout(sign)
    add_channel(sign)
    add_keys(sign)
    sign.set_defaults(run=run_sign)


def run_sign(arguments: argparse.Namespace) -> int:
    """Publish a bundle."""
    from edged.infer.encryption import read_key
    from edged.mcu.bundle import FILE
    from edged.mcu.image import parse
    from edged.ota.target import Constraints, Limits
    from edged.tooling.article import Wish, make_article, make_config_article

    publisher = open_publisher(arguments)
    channel = channel_of(publisher, arguments)
    wish = Wish(
        kind="config" if arguments.config else arguments.kind,
        id=arguments.id,
        version=arguments.version,
        constraints=Constraints(
            devices=tuple(arguments.device),
            machines=tuple(arguments.machine),
            runtimes=tuple(arguments.runtime),
            accelerators=tuple(arguments.accelerator),
            edged=arguments.edged,
        ),
        limits=Limits(memory_mb=arguments.memory_mb, p95_ms=arguments.p95_ms),
        key=read_key(arguments.model_key, None),
    )
    if arguments.config:
        return say(channel, publisher.sign(channel, make_config_article(arguments.config, wish), change_of(arguments)))
    golden = None if arguments.no_golden else _golden(arguments, wish.key)
    article = make_article(arguments.bundle, wish, golden)
    if arguments.kind == "mcu-model":
        golden_vectors(parse(article.files[FILE]))
    return say(channel, publisher.sign(channel, article, change_of(arguments)))


def _golden(arguments: argparse.Namespace, key: Key | None) -> MakeGolden:
    """Runs the model, first where it can do no harm; raises ModelRejected."""
    from edged.core.errors import ModelRejected
    from edged.infer.bundle import Bundle
    from edged.infer.probe.machine import free_bytes
    from edged.infer.probe.records import Request
    from edged.infer.settings import ModelSettings
    from edged.tooling.golden import make_golden

    runtime: RuntimeName = arguments.runtime[0] if len(arguments.runtime) == 1 else "litert"
    key_file = None if arguments.model_key is None else str(arguments.model_key)
    settings = ModelSettings(bundle=str(arguments.bundle), runtime=runtime, key_file=key_file)

    def make(bundle: Bundle) -> bytes:
        path = str(arguments.bundle.absolute())
        request = Request(path=path, settings=settings, memory_bytes=free_bytes(), deadline_s=verify.DEADLINE_S)
        refusal = asyncio.run(verify.probe(request)).refusal
        if refusal is not None:
            raise ModelRejected(refusal.message, hint=refusal.hint, fault=refusal.fault)
        return make_golden(bundle, arguments.picture, runtime=runtime, key=key)

    return make
