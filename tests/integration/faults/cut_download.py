"""A blob that is being fetched, as what a power cut leaves (see ``powercut.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faults.downloader import BLOB, CHUNKS, DIGESTS, INDEX, SHA256, STEPS, part_in


class CutDownload:
    """The directory of parts."""

    worker = Path(__file__).with_name("downloader.py")
    steps = len(STEPS)
    starts = {"new": 0, "crashed": 4}  # noqa: RUF012 - never changed
    calls = ()

    def place(self, directory: Path) -> Path:
        """The directory."""
        return directory / "parts"

    def only(self, place: Path) -> list[str]:
        """All that the worker does."""
        return []

    def states(self, scratch: Path) -> list[object]:
        """After each step."""
        place = scratch / "reference-parts"
        part = part_in(place)
        states: list[object] = [self.snapshot(place)]
        for step in STEPS:
            step(part)
            states.append(self.snapshot(place))
        return states

    def snapshot(self, place: Path) -> tuple[bool, set[int]]:
        """Whether there is an index, and the chunks that are there. A file without any is none: it is made again."""
        part = part_in(place)
        return part.read_index() is not None, part.scan(DIGESTS) if part.path.exists() else set()

    def damage(self, place: Path) -> Iterator[str]:
        """An index is the one that was kept; chunks are believed by their digests alone."""
        if part_in(place).read_index() not in {None, INDEX}:
            yield "the index is another"

    def go_on(self, place: Path) -> Iterator[str]:
        """Fetch what is missing."""
        part = part_in(place)
        part.prepare()
        part.store((number, CHUNKS[number]) for number in set(range(len(CHUNKS))) - part.scan(DIGESTS))
        if part.sha256() != SHA256 or part.path.read_bytes() != BLOB:
            yield "the blob is not the one that was fetched"


SUBJECT = CutDownload()
