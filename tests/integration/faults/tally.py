"""What a subscriber got: which events, in which order, and how many came again after each fault."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


class Tally:
    """Takes in events as they arrive; ``next_window`` begins to count repeats anew."""

    def __init__(self) -> None:
        self.repeats = [0]
        self.problems: list[str] = []
        self._payloads: dict[str, bytes] = {}
        self._last = 0

    def take(self, payload: bytes) -> None:
        event = json.loads(payload)
        known = self._payloads.setdefault(event["id"], payload)
        if known is not payload:
            self.repeats[-1] += 1
            if known != payload:
                self.problems.append(f"two events are called {event['id']}")
        elif event["seq"] < self._last:
            self.problems.append(f"event {event['seq']} came for the first time after {self._last}")
        else:
            self._last = event["seq"]

    def next_window(self) -> None:
        self.repeats.append(0)

    @property
    def ids(self) -> set[str]:
        return set(self._payloads)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self._payloads.values()]

    def unfinished(self) -> int:
        """Objects that did not appear once and leave once."""
        moves = Counter((event["object_id"], event["kind"]) for event in self.events() if "object_id" in event)
        objects = {object_id for object_id, _ in moves}
        return sum(moves[name, "object_appeared"] != 1 or moves[name, "object_left"] != 1 for name in objects)
