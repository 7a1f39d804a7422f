"""``scripts/mcu_demo``: the commands that a person would type, typed by a program, and what they say."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack
from pathlib import Path

import aiomqtt
from qemu import Qemu, blank_flash
from rich.console import Console

from edged.testing.broker import Mosquitto

BOARD = "emcraft-sf2"
LABELS = ("no person", "person")
NEEDED = ("models/person_detect.tflite", "media/person.bmp", "media/no_person.bmp")
PIXELS = 96 * 96
PATIENCE_S = 120
"""How long the daemon may take until it has heard the board, which has looked at both pictures; no measure of speed."""

console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/mcu_demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="directory with the model and the pictures (default: $EDGED_TEST_DATA)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo-output/mcu"), help="where key, images and flash go (default: %(default)s)"
    )
    arguments = parser.parse_args()
    data = arguments.data or Path(os.environ.get("EDGED_TEST_DATA", "data"))
    missing = [str(data / name) for name in NEEDED if not (data / name).is_file()]
    if missing:
        console.print(
            f"Not there: {', '.join(missing)}.\nperson_detect.tflite, person.bmp and no_person.bmp are files of TensorFlow Lite "
            "Micro's repository (its person_detection example, Apache-2.0), and of no package. Put them there, or name another "
            "directory with --data."
        )
        return 2
    with ExitStack() as stack:
        arguments.out.mkdir(parents=True, exist_ok=True)
        demonstrate(data, arguments.out, stack)
    return 0


def demonstrate(data: Path, work: Path, stack: ExitStack) -> None:
    """Everything, in the order in which a person would do it."""
    key, model = work / "demo.pem", data / NEEDED[0]
    pictures = [data / name for name in NEEDED[1:]]
    build = Path("build/firmware/demo")
    if not key.exists():
        edged("mcu", "keygen", key)
    edged("mcu", "build", BOARD, "--key", work / "demo.pub.pem", "--output", build)
    app, person = work / "app.signed.bin", work / "person_detect.signed.bin"
    signing = ("--board", BOARD, "--key", key, "--version", "1.0.0")
    edged("mcu", "sign", build / "app.bin", *signing, "--output", app)
    golden = [option for picture in pictures for option in ("--input", picture)]
    edged("mcu", "sign", model, *signing, *golden, "--raw-pixels", "--output", person)

    title(f"an {BOARD} in QEMU, its flash empty")
    board = stack.enter_context(Qemu(BOARD, build / "loader.elf", flash=blank_flash(work / "flash.bin")))
    board.power_on()
    port = ("--port", board.port)
    edged("mcu", "flash", app, *port)
    edged("mcu", "model", person, *port)
    edged("mcu", "info", *port)
    (work / "labels.txt").write_text("\n".join(LABELS) + "\n")
    for picture in pictures:
        edged("mcu", "run", picture, "--raw-pixels", "--labels", work / "labels.txt", *port)
    forward(board.port, pictures, work, stack)


def forward(port: Path, pictures: list[Path], work: Path, stack: ExitStack) -> None:
    """The daemon owns the port now: what it is asked over MQTT, and what it publishes."""
    title("the daemon, with that board and no camera, and a broker")
    broker = stack.enter_context(Mosquitto(work.resolve()))
    config = work / "edged.toml"
    config.write_text(
        f'[device]\nname = "demo"\nstate_directory = "{work.resolve() / "state"}"\n\n'
        f'[mcus.porch]\nport = "{port}"\nlabels = {json.dumps(LABELS)}\nrequired = true\ncommands = true\n\n'
        f'[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n'
    )
    console.print(config.read_text().rstrip(), style="dim", markup=False, highlight=False)
    asyncio.run(beside_the_daemon(config, ask(broker, pictures)))


async def beside_the_daemon(config: Path, work: Coroutine[None, None, None]) -> None:
    """Does ``work`` while ``edged run`` runs; raises ChildProcessError if that ends first."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "edged", "run", str(config))
    ended, done = asyncio.create_task(process.wait()), asyncio.create_task(work)
    try:
        await asyncio.wait({ended, done}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            done.cancel()
            raise ChildProcessError(f"edged run {config}: no events within {PATIENCE_S} s, or it ended")
        await done
    finally:
        if not ended.done():
            process.terminate()
        await ended


async def ask(broker: Mosquitto, pictures: list[Path]) -> None:
    """Have the board look at each picture, by a command over MQTT, and print the event that comes of it."""
    base = "edged/v1/home/demo"
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(f"{base}/#")
        messages = aiter(client.messages)
        await heard(messages, f"{base}/mcu/porch")
        for picture in pictures:
            content = picture.read_bytes()
            begin, side = int.from_bytes(content[10:14], "little"), 96
            rows = [content[begin + row * side :][:side] for row in reversed(range(side))]
            command = {"command": "run", "input": base64.b64encode(b"".join(rows)).decode()}
            console.print(f"\n[bold]$ publish {base}/mcu/porch/command[/]  run, with the {PIXELS:,} pixels of {picture.name}")
            await client.publish(f"{base}/mcu/porch/command", json.dumps(command), qos=1)
            event = await heard(messages, f"{base}/event/inference/porch")
            console.print(f"[green]{event['label']}[/] {event['score']:.3f}  {base}/event/inference/porch", highlight=False)


async def heard(messages: AsyncIterator[aiomqtt.Message], topic: str) -> dict[str, object]:
    """The next message on a topic."""
    async for message in messages:
        if message.topic.value == topic:
            return dict(json.loads(bytes(message.payload)))  # type: ignore[arg-type]
    raise ConnectionError("the broker is gone")


def edged(*words: str | Path) -> None:
    """Types a command."""
    title(" ".join(["edged", *map(str, words)]))
    subprocess.run([sys.executable, "-m", "edged", *map(str, words)], check=True)


def title(text: str) -> None:
    console.print(f"\n[bold]$ {text}[/]", highlight=False)


sys.exit(main())
