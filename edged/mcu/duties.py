"""What each microcontroller is to run, what it could not, and who has it in hand. Pure: names and paths of bundles go in.

Rules that hold after every event:

- a board is in one hand at a time, and only who took it lets go of it;
- what is due is never a board in hand, nor a thing that an update is still to settle, nor what failed on this board before;
- what is due is due once, however often it is asked for, and what waits is done in the order in which it came;
- a failure is forgotten only once something else is wanted of the board, or the board was plugged in, and may be another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

MAX_AWAY = 3
"""Starts of one image that may end with the board gone. One is a plug that was pulled; what crashes and takes its port with it each
time leaves no other trace."""

MAX_GIVEN_UP = 32
"""Images that are remembered of one path, the newest: a board that runs an older one was away while so many were given up."""


class Claim:
    """Boards in one hand, until ``release`` or the end of a ``with`` block. Those that are in another are in ``refused``."""

    def __init__(self, holders: dict[str, Claim], boards: Collection[str]) -> None:
        self._holders = holders
        self.refused = tuple(board for board in boards if board in holders)
        if not self.refused:
            holders.update(dict.fromkeys(boards, self))

    def release(self) -> None:
        """Let go of all of them; once more does nothing."""
        for board in [board for board, holder in self._holders.items() if holder is self]:
            del self._holders[board]

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


class Duties:
    """``wanted`` is what is confirmed under each path (``<kind>/<id>``), ``None`` where that is whatever a board has."""

    def __init__(self) -> None:
        self.wanted: dict[str, Path | None] = {}
        self._given_up: dict[str, dict[bytes, None]] = {}
        self._open: dict[str, bytes] = {}
        self._holders: dict[str, Claim] = {}
        self._due: dict[tuple[str, str], None] = {}
        self._failed: dict[tuple[str, str], Path | None] = {}
        self._away: Counter[tuple[str, Path]] = Counter()

    def settle(self, wanted: Mapping[str, Path | None]) -> None:
        """What the slots say now: no update is under way any more."""
        self._open.clear()
        for path in {*self.wanted, *wanted}:
            self.want(path, wanted.get(path))

    def want(self, path: str, bundle: Path | None) -> None:
        """This is confirmed from now on."""
        if self.wanted.get(path) != bundle:
            self._failed = {task: failed for task, failed in self._failed.items() if task[1] != path}
        self.wanted[path] = bundle

    def give_up(self, path: str, image_hash: bytes) -> None:
        """No board is to run this image for ``path`` any more."""
        hashes = self._given_up.setdefault(path, {})
        hashes.pop(image_hash, None)
        hashes[image_hash] = None
        if len(hashes) > MAX_GIVEN_UP:
            del hashes[next(iter(hashes))]
        self._failed = {task: failed for task, failed in self._failed.items() if task[1] != path}

    def take_up(self, path: str, image_hash: bytes) -> None:
        """It is good after all."""
        self._given_up.get(path, {}).pop(image_hash, None)

    @property
    def given_up(self) -> dict[str, tuple[bytes, ...]]:
        """The images that no board is to run, by path, the oldest first."""
        return {path: tuple(hashes) for path, hashes in self._given_up.items() if hashes}

    def leave_open(self, path: str, image_hash: bytes) -> None:
        """An update of this is not over: some boards kept the image, some did not, and it is tried again."""
        self._open[path] = image_hash

    def close(self, path: str) -> None:
        """It is over, and the image confirmed."""
        self._open.pop(path, None)

    def close_badly(self, path: str) -> bool:
        """It is over, and the image is not to be kept by those that did; whether any did."""
        image_hash = self._open.pop(path, None)
        if image_hash is not None:
            self.give_up(path, image_hash)
        return image_hash is not None

    def claim(self, boards: Collection[str]) -> Claim:
        """Take all of them in hand, or none."""
        return Claim(self._holders, boards)

    def in_hand(self, board: str) -> bool:
        """Whether somebody has it."""
        return board in self._holders

    def look(self, board: str, path: str) -> None:
        """See whether this board runs what it is to."""
        self._due[board, path] = None

    def forget(self, board: str) -> None:
        """There is none of this name any more."""
        self._due = {task: None for task in self._due if task[0] != board}
        self._failed = {task: failed for task, failed in self._failed.items() if task[0] != board}
        for key in [key for key in self._away if key[0] == board]:
            del self._away[key]

    def follows(self, board: str, paths: Collection[str]) -> None:
        """It follows these from now on, and nothing else."""
        self._due = {task: None for task in self._due if task[0] != board or task[1] in paths}
        self._failed = {task: failed for task, failed in self._failed.items() if task[0] != board or task[1] in paths}

    def plugged_in(self, board: str) -> None:
        """It may be another. What each time ended with the board gone is not tried again: it may be what takes its power."""
        self._failed = {task: it for task, it in self._failed.items() if task[0] != board or (it and self._is_away(board, it))}

    def next(self) -> tuple[str, str] | None:
        """A board and a path to see to; ``None`` for nothing yet. What failed on that board is dropped, the rest waits its turn."""
        for task in [task for task in self._due if self.has_failed(*task)]:
            del self._due[task]
        for board, path in self._due:
            if board not in self._holders and path not in self._open:
                del self._due[board, path]
                return board, path
        return None

    def failed(self, board: str, path: str, wanted: Path | None) -> None:
        """What was wanted, or was to be given up, cannot be had on this board."""
        self._failed[board, path] = wanted

    def has_failed(self, board: str, path: str) -> bool:
        """Whether that holds for what is wanted now."""
        return (board, path) in self._failed and self._failed[board, path] == self.wanted.get(path)

    def went_away(self, who: str, bundle: Path) -> bool:
        """A board (``who``: its name, or the path of an update on several) was gone while it started this; whether too often."""
        self._away[who, bundle] += 1
        return self._is_away(who, bundle)

    def _is_away(self, who: str, bundle: Path) -> bool:
        return self._away[who, bundle] >= MAX_AWAY

    def stayed(self, who: str, bundle: Path) -> None:
        """It started this, and stayed."""
        del self._away[who, bundle]
