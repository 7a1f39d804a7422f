"""Labels of the configuration and the classes that they mean."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from edged.core.errors import ConfigInvalid
from edged.core.model import ModelManifest


def class_ids(labels: Collection[str], manifest: ModelManifest) -> dict[str, tuple[int, ...]]:
    """The class ids of each of ``labels``: a model may have several classes of one name.

    Raises ConfigInvalid for labels that the model does not have.
    """
    known = manifest.labels
    if unknown := [label for label in labels if label not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:8]) or 'no labels'}"
        raise ConfigInvalid(f"model {manifest.name} has no label {unknown[0]!r}", tuple(unknown), hint=hint)
    return {label: tuple(class_id for class_id, name in enumerate(known) if name == label) for label in labels}


def counterpart(class_id: int, before: ModelManifest, after: ModelManifest) -> int | None:
    """The number that a class of the model ``before`` has in the model ``after``: that of the same name, ``None`` if there is none.

    Of several classes of one name it is the one with the same number, or the first. A class without a name is called by its number.
    """
    name = before.label(class_id)
    if after.label(class_id) == name:
        return class_id
    return next((number for number, label in enumerate(after.labels) if label == name), None)
