"""A copy of a part of edged with a fault put in, to see that a test notices it."""

from __future__ import annotations

import shutil
from pathlib import Path

import edged

SOURCE = Path(edged.__file__).parent


def mutate(directory: Path, file: str, old: str, new: str) -> dict[str, str]:
    """Copy what store and updates need, with ``old`` replaced in ``file``; the environment in which a worker imports the copy."""
    for part in ("core", "store", "ota"):
        shutil.copytree(SOURCE / part, directory / "edged" / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCE / "__init__.py", directory / "edged")
    text = (directory / "edged" / file).read_text()
    assert text.count(old) == 1
    (directory / "edged" / file).write_text(text.replace(old, new))
    return {"PYTHONPATH": str(directory)}
