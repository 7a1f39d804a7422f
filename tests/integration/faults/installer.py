"""Installs, confirms, reverts and goes back in an inventory, one step after the other, and writes the number of each step to stdout
once it is done. A process of its own that is killed, or watched: ``installer.py DIRECTORY FIRST LAST [die]`` (see ``calls.py``).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from edged.ota.inventory import Inventory
from edged.ota.package import pack
from edged.ota.slots import Confirm, Event, GoBack, Install, Installed, MarkBad, Renew, Revert, Revoke

PATH = "model/m"
FILES = ("labels.txt", "model.tflite", "model.toml")


def sha(letter: str) -> str:
    return letter * 64


def content(sha256: str, name: str) -> bytes:
    """Of a file of a bundle: another for each."""
    return f"{name} of {sha256}\n".encode() * 100


def install(letter: str, sequence: int) -> Callable[[Inventory], None]:
    def step(inventory: Inventory) -> None:
        part = inventory.parts / f"{sha(letter)}.part"
        part.write_bytes(pack({name: content(sha(letter), name) for name in FILES}))
        inventory.add(sha(letter), part)
        inventory.note(PATH, Install(Installed(sha(letter), sequence, f"v{sequence}")))
        inventory.drop_parts(())

    return step


def end(event: Event) -> Callable[[Inventory], None]:
    def step(inventory: Inventory) -> None:
        inventory.note(PATH, event)
        inventory.tidy()

    return step


STEPS: tuple[Callable[[Inventory], None], ...] = (
    install("a", 1),
    end(Confirm()),
    install("b", 2),
    end(Revert("slow")),
    end(MarkBad(sha("c"), 3, "golden_differs")),
    install("d", 4),
    end(Confirm()),
    end(Renew(5, "v5")),
    end(GoBack("by_operator")),
    install("e", 6),
    end(Confirm()),
    end(Revoke(frozenset({sha("e")}))),
)


def confirm(number: int) -> None:
    os.write(1, b"%d\n" % number)
    if sys.argv[4:] and number == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


def main(directory: Path, first: int, last: int) -> None:
    inventory = Inventory(directory)
    if first:
        inventory.start()
    for number in range(first, last):
        STEPS[number](inventory)
        confirm(number + 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
