"""A publisher that answers: for brokers that keep no retained messages, or lost these.

Rules: anybody may ask, so that an answer goes only to a topic that is for answers, carries only what is public to the fleet anyhow,
and no more than a window of chunks for one question. Questions are answered one after the other, and those that come too fast are
dropped: whoever is not answered asks again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from edged.core.errors import BrokerRefused, BrokerUnreachable
from edged.core.tasks import run_together
from edged.ota.carrier import Depot, Heard
from edged.ota.exchange import INDEX, decode_question, encode_answer
from edged.ota.topics import UpdateTopics
from edged.ota.transfer import WINDOW
from edged.ota.upload import Blob

log = logging.getLogger(__name__)

FindBlob = Callable[[str], Blob | None]
"""By its sha256."""

FindBundle = Callable[[str], bytes | None]
"""What is signed of a channel, by its name."""


async def serve(depot: Depot, topics: UpdateTopics, blob: FindBlob, bundle: FindBundle) -> None:
    """Answer for ever; raises BrokerRefused if the broker does not let us hear the questions."""
    await run_together(_serve_blobs(depot, topics, blob), _serve_bundles(depot, topics, bundle))


async def _serve_blobs(depot: Depot, topics: UpdateTopics, find: FindBlob) -> None:
    async with depot.requests(topics.get("+")) as requests:
        async for request in requests:
            sha256 = topics.blob(request.topic)
            found = None if sha256 is None else find(sha256)
            if found is not None and _may_answer(topics, request):
                for number in _asked(request)[:WINDOW]:
                    await _answer(depot, request, encode_answer(number, _part(found, number)))


async def _serve_bundles(depot: Depot, topics: UpdateTopics, find: FindBundle) -> None:
    async with depot.requests(topics.ask("+")) as requests:
        async for request in requests:
            channel = topics.channel(request.topic)
            found = None if channel is None else find(channel)
            if found is not None and _may_answer(topics, request):
                await _answer(depot, request, found)


def _may_answer(topics: UpdateTopics, request: Heard) -> bool:
    return request.reply_to is not None and topics.is_reply(request.reply_to)


def _asked(request: Heard) -> list[int]:
    try:
        return decode_question(request.payload).numbers()
    except (msgspec.MsgspecError, UnicodeDecodeError):  # the latter for names that are no UTF-8
        return []


def _part(blob: Blob, number: int) -> bytes | None:
    if number == INDEX:
        return blob.index
    return blob.chunks[number] if number < len(blob.chunks) else None


async def _answer(depot: Depot, request: Heard, payload: bytes) -> None:
    try:
        await depot.answer(request, payload)
    except BrokerRefused as error:
        log.warning("no answer to %s: %s", request.reply_to, error)
    except BrokerUnreachable:
        pass  # it asks again
