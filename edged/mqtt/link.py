"""Connected for as long as there is a broker: version, back-off, and what is said of it.

Rules: what goes wrong is said once, and once when it is over; a refusal, which a person has to mend, is retried slowly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from edged.core.backoff import Backoff
from edged.core.errors import BrokerRefused, BrokerUnreachable, EdgedError, SecretUnreadable
from edged.mqtt.endings import ProtocolRefused, RetainRefused, Unanswered
from edged.mqtt.endpoint import Endpoint
from edged.mqtt.session import Session
from edged.mqtt.timing import Timing
from edged.mqtt.version import VersionChoice

log = logging.getLogger(__name__)

Serve = Callable[[Session], Awaitable[None]]
"""Uses a connection until it raises BrokerUnreachable."""


class Link:
    """Outlives connections. ``endpoint`` is asked anew for each; ``meanwhile`` (what happens without one) and ``purpose`` are for
    the log."""

    def __init__(
        self,
        endpoint: Callable[[], Awaitable[Endpoint]],
        version: VersionChoice,
        timing: Timing,
        random: Callable[[], float],
        *,
        meanwhile: str,
        purpose: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._version = version
        self._timing = timing
        self._meanwhile = meanwhile
        self._purpose = purpose
        self._retains = True
        self._said: type[EdgedError] | None = None
        self._retry = Backoff(timing.retry_min_s, timing.retry_max_s, random)
        self._refused = Backoff(timing.refused_min_s, timing.refused_max_s, random)

    async def keep(self, serve: Serve) -> None:
        """Connect and have it used, for ever."""
        while True:
            pause_s = await self._attempt(serve)
            await asyncio.sleep(pause_s)

    async def _attempt(self, serve: Serve) -> float:
        """Connect once and serve until that ends; returns the pause in seconds before the next attempt."""
        try:
            endpoint = replace(await self._endpoint(), will_retained=self._retains)
            async with Session.connect(endpoint, self._version.version, self._timing) as session:
                await self._serve(serve, session, endpoint)
        except (ProtocolRefused, Unanswered) as error:
            other = self._version.on_refused() if isinstance(error, ProtocolRefused) else self._version.on_silence()
            if other:
                log.info("%s; trying MQTT %s", error.message, self._version.version)
                return 0.0
            self._say(error)
            return self._retry.next_delay_s()
        except RetainRefused as error:
            self._retains = False
            log.warning("broker%s: %s; states reach only those who listen when they are said", self._purpose, error)
            return self._retry.next_delay_s()
        except (BrokerRefused, SecretUnreadable) as error:
            self._say(error)
            return self._refused.next_delay_s()
        except BrokerUnreachable as error:
            self._say(error)
            return self._retry.next_delay_s()
        raise AssertionError("a session ends by an error")

    async def _serve(self, serve: Serve, session: Session, endpoint: Endpoint) -> None:
        since_s = asyncio.get_running_loop().time()
        self._version.on_accepted()
        self._refused.reset()
        self._said = None
        log.info("connected to the broker %s (MQTT %s)%s", endpoint.address, session.version, self._purpose)
        try:
            await serve(session)
        finally:
            if asyncio.get_running_loop().time() - since_s >= self._timing.held_s:
                self._retry.reset()

    def _say(self, error: EdgedError) -> None:
        """Log a failure once for each kind of it, until a connection succeeds."""
        if type(error) is not self._said:
            self._said = type(error)
            log.warning("broker%s: %s; %s", self._purpose, error, self._meanwhile)
