"""Text out of files that nobody vouches for, made fit for logs, terminals and error messages."""

from __future__ import annotations

MAX_CHARACTERS = 512
"""What a message may quote of a file."""


def shown(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def quoted(text: str) -> str:
    """``shown``, cut to what a message has room for."""
    line = shown(text[: 2 * MAX_CHARACTERS])
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}..."
