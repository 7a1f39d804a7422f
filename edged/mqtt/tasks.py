"""Tasks that live and die together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from edged.core.errors import EdgedError


async def run_together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run until the first fails, then cancel the others; raises its EdgedError bare, and any other exception in its group."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in coroutines:
                tasks.create_task(coroutine)
    except BaseExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, EdgedError)]
        if len(errors) < len(group.exceptions):
            raise
        raise errors[0] from None
