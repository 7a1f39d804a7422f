"""Settings that have to be served, whatever the vision process says to them: what is open for events stays open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edged.config.load import load
from edged.config.schema import SinkSettings
from edged.core.event import Event
from edged.daemon.admission import Admission
from edged.daemon.app import Daemon
from edged.daemon.clock import read_clock
from edged.daemon.outputs import View
from edged.store.store import Store
from edged.testing.detector import write_bundle
from edged.vision import ipc


class Watcher:
    """Remembers which kinds of events there were."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def on_report(self, report: ipc.Report) -> None: ...

    def on_event(self, event: Event) -> None:
        self.kinds.add(event.kind)


async def test_other_settings_are_served_by_the_next_process_and_no_output_is_opened_again(tmp_path: Path) -> None:
    bundle, pictures, lines = write_bundle(tmp_path / "light", 1), tmp_path / "pictures", tmp_path / "events.jsonl"
    pictures.mkdir()
    for number in range(3):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((48, 64, 3), 230, np.uint8))
    config = tmp_path / "edged.toml"
    config.write_text(f"""
        [device]
        state_directory = "{tmp_path}"
        [models.m]
        bundle = "{bundle}"
        [tracking]
        appear_after_s = 0
        [cameras.door]
        model = "m"
        file = {{ path = "{pictures}", pace = "fast" }}
        [sinks]
        jsonl = "{lines}"
    """)
    made: list[Watcher] = []

    def make_views(_: SinkSettings) -> Sequence[View]:
        made.append(Watcher())
        return made[-1:]

    settings = load(config)
    async with Store.open(tmp_path / "events.db", "pi", settings.store, read_clock, publish=False) as store:
        daemon = Daemon(settings, store, make_views, config, admission=Admission(tmp_path), root=tmp_path)
        config.write_text(config.read_text().replace("cameras.door", "cameras.gate"))
        lines.rename(tmp_path / "rotated.jsonl")
        await daemon.taking.reconfigure_surely(load(config))
        await daemon.run()
    assert not lines.exists(), "it was opened once more"
    written = [json.loads(line) for line in (tmp_path / "rotated.jsonl").read_text().splitlines()]
    assert {event["camera"] for event in written if event["kind"] == "object_appeared"} == {"gate"}
    (watcher,) = made
    assert watcher.kinds == {event["kind"] for event in written}
