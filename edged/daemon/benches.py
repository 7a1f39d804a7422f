"""Every kind of thing that this device takes, each with its own bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edged.ota.bench import Bench
from edged.ota.judgement import Seen, Verdict
from edged.ota.target import SignedTarget


class Benches:
    """Passes on what is asked of ``<kind>/<id>`` to the bench of its kind."""

    def __init__(self, by_kind: Mapping[str, Bench]) -> None:
        self._by_kind = by_kind

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """See ``Bench``, as all that follows."""
        return await self._of(signed.path).probe(signed, bundle)

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Beside what serves."""
        await self._of(signed.path).shadow(signed, bundle, say)

    async def swap(self, path: str, bundle: Path) -> None:
        """On trial."""
        await self._of(path).swap(path, bundle)

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """To what served before."""
        return await self._of(path).go_back(path, bundle)

    def usual(self, path: str) -> tuple[Seen, ...]:
        """Of what serves."""
        return self._of(path).usual(path)

    def trial(self, path: str) -> Seen | Verdict | None:
        """Since the swap."""
        return self._of(path).trial(path)

    async def confirm(self, path: str) -> None:
        """It was good."""
        await self._of(path).confirm(path)

    async def abandon(self, path: str) -> None:
        """It does not come again."""
        await self._of(path).abandon(path)

    def wants_shadow(self, path: str) -> bool:
        """Whether it is to look on first."""
        return self._of(path).wants_shadow(path)

    def _of(self, path: str) -> Bench:
        return self._by_kind[path.partition("/")[0]]
