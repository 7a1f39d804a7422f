"""From a signed image to a board that runs it: checked before the first byte is sent, tried before it is kept.

Each step may be interrupted and done again: a slot that holds the image already is not sent to again, an upload goes on
where it was if the board has kept its power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edged.core.errors import BoardRefused, BoardSilent, ImageRefused
from edged.mcu.admission import admit
from edged.mcu.board import Board
from edged.mcu.image import Image
from edged.mcu.info import KINDS, MODEL, BoardInfo, ImageNumber, SlotImage
from edged.mcu.restarting import Away, restart_until
from edged.mcu.transport import Patience
from edged.mcu.upload import Progress

BACK_S = 60.0
"""After a reset a board verifies two images, and its application runs its self-test: seconds on a slow one."""

_GOES_BACK = "It goes back to the one before by itself; `edged mcu revert` does so at once."

_ASKED_OFTEN = Patience(answer_s=0.5, attempts=1)

Outcome = Literal["runs already", "was there", "sent"]


@dataclass(frozen=True, slots=True)
class Brought:
    """An image in a slot; ``progress`` is None where nothing had to be sent."""

    outcome: Outcome
    image: ImageNumber
    hash: bytes
    progress: Progress | None


async def bring(board: Board, image: Image, data: bytes, report: Callable[[Progress], None] = lambda progress: None) -> Brought:
    """Have a slot hold it; raises ImageRefused before anything is sent, or if it arrived damaged; BoardRefused, BoardSilent."""
    number = admit(image, len(data), await board.info())
    held = _holding(await board.images(), number, image.hash)
    if held is not None:
        return Brought("runs already" if held.active else "was there", number, image.hash, None)
    progress = await board.upload(number, data, image.hash, report)
    if _holding(await board.images(), number, image.hash) is None:
        raise ImageRefused(
            "the board holds no such image after all of it was sent: it arrived damaged, or the board does not trust it",
            hint="What runs was not touched. Try again.",
            fault="damaged",
        )
    return Brought("sent", number, image.hash, progress)


async def try_out(board: Board, brought: Brought, within_s: float = BACK_S, away: Away | None = None) -> BoardInfo:
    """Reset into it, on trial; what the board says then. Raises BoardRefused if it runs something else or failed its self-test.

    ``away`` hears of a port that goes away with the reset, which is then waited for.
    """
    before = await board.info()
    await board.test(brought.hash)
    info = await restart(board, before, within_s, away)
    running = next((slot for slot in await board.images() if slot.image == brought.image and slot.active), None)
    kind = KINDS[brought.image]
    if running is None or running.hash != brought.hash:
        raise BoardRefused(f"the board did not start the new {kind}, and runs what it ran before", hint=info.diagnosis)
    if info.diagnosis:
        what = "the new model" if brought.image == MODEL else "the model, with the new firmware"
        raise BoardRefused(f"the board refuses {what}: {info.diagnosis}", hint=_GOES_BACK)
    if info.self_test == "failed":
        vector = "" if info.failed_vector is None else f" at golden vector {info.failed_vector}"
        raise BoardRefused(f"the new {kind} fails its self-test{vector}", hint=_GOES_BACK)
    return info


async def confirm(board: Board) -> tuple[SlotImage, ...]:
    """Have it keep what is on trial; raises BoardRefused where nothing is, or a self-test has not passed."""
    before = await board.info()
    if "trial" not in {before.state, before.model.state}:
        model = f" and model {before.model.name} {before.model.version}" if before.model.hash else ""
        raise BoardRefused(f"nothing is on trial: the board keeps firmware {before.version}{model}")
    if before.self_test in {"failed", "not run"}:
        vector = "" if before.failed_vector is None else f" at golden vector {before.failed_vector}"
        raise BoardRefused(f"what is on trial must not be kept: self-test {before.self_test}{vector}", hint=_GOES_BACK)
    return await board.confirm()


async def restart(board: Board, before: BoardInfo, within_s: float = BACK_S, away: Away | None = None) -> BoardInfo:
    """Reset it, and wait until its application has started and tested itself; raises BoardSilent, BoardRefused, PortLost."""
    info: BoardInfo | None = None

    async def ask() -> BoardInfo | None:
        nonlocal info
        info = await board.info(_ASKED_OFTEN)
        return info if info.boots != before.boots and info.mode == "app" and info.self_test != "not run" else None

    started = await restart_until(board, ask, within_s, away)
    if started is not None:
        return started
    if info is not None and info.mode == "loader":
        raise BoardRefused("the board stays in its loader", hint="Its firmware does not start: flash one that does.")
    raise BoardSilent(
        f"the board did not come back within {within_s:g} s", hint="Cut its power, and look with `edged mcu monitor`."
    )


def _holding(slots: tuple[SlotImage, ...], number: ImageNumber, image_hash: bytes) -> SlotImage | None:
    return next((slot for slot in slots if slot.image == number and slot.hash == image_hash), None)
