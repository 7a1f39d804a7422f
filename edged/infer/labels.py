"""Label files: one class a line, the first line is class 0."""

from __future__ import annotations

from edged.core.errors import ModelRejected

MAX_BYTES = 1 << 20
"""The 21,841 labels of the whole ImageNet take 0.5 MB."""

_NO_CLASS = "???"
"""How TensorFlow's label maps mark a number that stands for no class (COCO has ten of them)."""

MAX_LABELS = 65_536
MAX_CHARACTERS = 256
"""ImageNet's longest label, a list of synonyms, has 121."""


def parse_labels(data: bytes, where: str) -> tuple[str, ...]:
    """The labels in ``data`` (UTF-8); ``labels[class_id]`` names a class, "" leaves it without a name.

    Blank lines at the end mean nothing. Raises ModelRejected, which names ``where``, for what is too large, is not text, or
    holds control characters (labels reach terminals and logs).
    """
    if len(data) > MAX_BYTES:
        raise ModelRejected(f"{where}: {len(data)} bytes of labels; at most {MAX_BYTES} are read", fault="oversized")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelRejected(
            f"{where}: byte {error.start} is not UTF-8", hint="Save the labels as UTF-8, one a line.", fault="wrong type"
        ) from error
    lines = (line.strip() for line in text.rstrip().split("\n"))
    return checked_labels(["" if line == _NO_CLASS else line for line in lines], where)


def checked_labels(labels: list[str], where: str) -> tuple[str, ...]:
    """``labels`` if there are not too many, none is too long, and all can be shown; otherwise ModelRejected."""
    if len(labels) > MAX_LABELS:
        raise ModelRejected(f"{where}: {len(labels)} labels; at most {MAX_LABELS} are read", fault="oversized")
    for number, label in enumerate(labels):
        if len(label) > MAX_CHARACTERS:
            raise ModelRejected(
                f"{where}: the label of class {number} has {len(label)} characters; at most {MAX_CHARACTERS} are read",
                fault="oversized",
            )
        if label and not label.isprintable():
            raise ModelRejected(f"{where}: the label of class {number} holds control characters")
    return tuple(labels)
