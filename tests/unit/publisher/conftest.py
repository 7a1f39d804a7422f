from pathlib import Path

import pytest
from following import Device
from publishing import SECRET, Time

from edged.ota.publisher.founding import create
from edged.ota.publisher.publisher import Publisher


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def home(tmp_path: Path, clock: Time) -> Path:
    create(tmp_path / "updates", "farm", "stable", lambda name: SECRET, clock)
    return tmp_path / "updates"


@pytest.fixture
def publisher(home: Path, clock: Time) -> Publisher:
    return Publisher(home, lambda name: SECRET, clock)


@pytest.fixture
def device(home: Path, tmp_path: Path) -> Device:
    return Device(tmp_path / "tuf", (home / "channels" / "stable.root.json").read_bytes(), fleet="farm")
