"""A publisher in a test: its secret, its clock, what it signs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from edged.ota.publisher.publisher import Publisher
from edged.ota.publisher.release import Article, RolloutChange

SECRET = "correct horse"
EVERYONE = RolloutChange()


class Time:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def model(version: str = "1", data: bytes = b"weights", **fields: object) -> Article:
    return Article(kind="model", id="ssd", version=version, files={"model.toml": b"", "model.tflite": data}, **fields)  # type: ignore[arg-type]


def published(publisher: Publisher, channel: str = "stable") -> bytes:
    return publisher.directory.bundle(channel)


def everything(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
