"""What is confirmed and is to serve no more: its publisher revoked it, or an operator goes back.

Rule: what was before serves first, and the slot says so afterwards: where nothing can take its place now, all stays as it is.
"""

from __future__ import annotations

from edged.core.errors import UpdateCode, UpdateFailed, UpdateRefused
from edged.ota.attempt import Kit
from edged.ota.local import as_signed
from edged.ota.slots import GoBack, Revoke, advance
from edged.ota.target import SignedTarget


class Leaving:
    """Of everything that ``kit`` has slots for."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def heed(self, signed: SignedTarget) -> None:
        """Leave what this target says is revoked, if that serves; raises UpdateFailed where it cannot be left now."""
        slot = self._kit.inventory.slot(signed.path)
        event = Revoke(frozenset(signed.target.revoked))
        after = advance(slot, event)
        if after == slot:
            return
        if after.serves != slot.serves:
            await self._leave(signed.path, event, "revoked", "its publisher revoked it")
        else:
            await self._kit.note(signed.path, event)
            await self._kit.tidy()

    async def go_back(self, path: str) -> None:
        """An operator says so; raises UpdateRefused where there is nothing, UpdateFailed where it did not leave everywhere."""
        if self._kit.inventory.slot(path).current is None:
            raise UpdateRefused("unknown_id", f"{path}: it is at the bundle of the configuration")
        if stays := await self._leave(path, GoBack("by_operator"), "by_operator", "an operator went back"):
            raise UpdateFailed("not_gone_back", stays)

    async def _leave(self, path: str, event: GoBack | Revoke, code: UpdateCode, detail: str) -> str:
        """Where it did not go, in words, which its status says then."""
        slot = self._kit.inventory.slot(path)
        stays = await self._kit.bench.go_back(path, self._kit.bundle(advance(slot, event).serves))
        await self._kit.note(path, event)
        given_up = as_signed(path, slot.current)
        if stays:
            self._kit.say(given_up, "failed", "not_gone_back", f"{detail}; {stays}")
        else:
            self._kit.say(given_up, "reverted", code, detail)
        await self._kit.tidy()
        return stays
