"""What a publisher's updates are followed by."""

from __future__ import annotations

import re

FOLLOWED = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""An id of a publisher: a level of topics, a file name and a word on a command line."""
