"""The address of a network camera: what may be one, how it is shown, and how a secret gets into it at the last moment.

Nothing but scheme, host and port of an address is ever shown: paths and queries of cameras carry tokens and passwords.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

SCHEMES = ("rtsp", "rtsps", "http", "https")

MAX_LENGTH = 2048

_BRACES = re.compile(r"[{}]")
_PLACES = re.compile(r"\{(?:username|password)\}")

_SECRET = re.compile(r"(?:password|passwd|passw|pwd|secret)=(?!\{password\})", re.IGNORECASE)


def url_problems(url: str) -> tuple[str, ...]:
    """Why ``url`` cannot be a camera's, one sentence each; empty if it can. None of them repeats it: it may hold a password."""
    if len(url) > MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return (f"url: expected at most {MAX_LENGTH} printable ASCII characters without blanks; write others as %XX",)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return (f"url: {error}",)
    if parts.scheme not in SCHEMES or not url.startswith(f"{parts.scheme}://"):
        return (f"url: expected it to begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}",)
    problems = []
    if not parts.hostname or port == 0:
        problems.append("url: expected a host after ://, and a port of 1 to 65535 if one is named")
    if "@" in parts.netloc:
        problems.append("url: no credentials are written here; use username and password_file or password_credential")
    elif _BRACES.search(parts.netloc):
        problems.append("url: {username} and {password} have their places in the path and the query alone")
    elif _BRACES.search(_PLACES.sub("", url)):
        problems.append("url: expected nothing in braces but {username} and {password}; write others as %7B and %7D")
    if _SECRET.search(url):
        problems.append(
            "url: no password is written here; put {password} in its place, and use password_file or password_credential"
        )
    return tuple(problems)


def scheme_of(url: str) -> str:
    """``rtsp``, ``rtsps``, ``http`` or ``https``."""
    return urlsplit(url).scheme


def host_of(url: str) -> str:
    """Name or address, without port and brackets."""
    return urlsplit(url).hostname or ""


def is_playlist(url: str) -> bool:
    """Whether the path says that HLS is there; it may be where none says so."""
    return urlsplit(url).path.lower().endswith((".m3u8", ".m3u"))


def shown(url: str) -> str:
    """``scheme://host:port``, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def with_login(url: str, username: str | None, password: str | None) -> str:
    """The address as FFmpeg wants it, never to be shown.

    ``{username}`` and ``{password}`` are filled in. Where the latter has no place both stand before the host: the camera asks.
    """
    name, secret = quote(username or "", safe=""), quote(password or "", safe="")
    filled = url.replace("{username}", name).replace("{password}", secret)
    if username is None or "{password}" in url:
        return filled
    scheme, _, rest = filled.partition("://")
    return f"{scheme}://{name}:{secret}@{rest}"
