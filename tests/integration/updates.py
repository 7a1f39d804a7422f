"""What the tests of updates share: a blob, what is signed of it, a carrier on a broker, a download with nothing in its way."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from broker import FAST, running, settings_for

from edged.core.backoff import Backoff
from edged.mqtt.carrier import MqttCarrier
from edged.ota.carrier import Carrier
from edged.ota.download import Progress, download
from edged.ota.target import Chunks, SignedTarget, Target
from edged.ota.topics import UpdateTopics
from edged.ota.upload import Blob

TOPICS = UpdateTopics("edged/v1", "home")
GRACE_S = 0.3


class Open:
    """A gate that nothing is late at."""

    async def wait(self) -> None:
        pass


def make_blob(size_bytes: int, seed: int = 1) -> Blob:
    return Blob(random.Random(seed).randbytes(size_bytes))


def signed_for(blob: Blob, **changes: Any) -> SignedTarget:
    chunks = Chunks(count=len(blob.chunks), index_sha256=hashlib.sha256(blob.index).hexdigest())
    target = Target(kind="model", id="detector", sequence=1, version="1", chunks=chunks)
    return SignedTarget(**({"target": target, "length": len(blob.data), "sha256": blob.sha256} | changes))


@asynccontextmanager
async def carrier_on(port: int, name: str = "pi", **changes: Any) -> AsyncIterator[MqttCarrier]:
    settings = settings_for(port, **changes)
    carrier = MqttCarrier(settings, f"edged-home-{name}", TOPICS.reply(name), timing=FAST, grace_s=GRACE_S)
    async with running(carrier.run()):
        yield carrier


async def fetch_blob(
    carrier: Carrier, signed: SignedTarget, parts: Path, progress: Progress = lambda held, count: None, patience_s: float = 600.0
) -> Path:
    return await download(
        carrier,
        TOPICS,
        signed,
        parts,
        progress=progress,
        gate=Open(),
        pauses=Backoff(0.01, 0.1, random.random),
        patience_s=patience_s,
    )
