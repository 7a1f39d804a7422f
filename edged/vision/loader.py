"""From a model's settings to something that detects."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.core.model import ModelManifest
from edged.decode import registry
from edged.decode.registry import Decoder
from edged.infer.bundle import Bundle, load_bundle, resolve
from edged.infer.delegate import Guard
from edged.infer.engine import Engine
from edged.infer.open import open_engine
from edged.infer.settings import ModelSettings
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.labels import class_ids


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that passed its self-test."""

    name: str
    bundle: Bundle
    engine: Engine
    decoder: Decoder
    label_thresholds: dict[int, float]
    """By class id, where a detection counts from another score than the rest."""

    @property
    def manifest(self) -> ModelManifest:
        """What its bundle says about it."""
        return self.bundle.manifest

    @property
    def digest(self) -> str:
        """sha256 of the file that serves, in hex."""
        return self.bundle.digest

    def serves(self) -> ipc.ModelServes:
        """The report that it does."""
        info = self.engine.info
        return ipc.ModelServes(
            model_name=self.name,
            bundle=self.manifest.name,
            version=self.manifest.version,
            digest=self.digest,
            runtime=info.runtime,
            delegate=info.delegate,
            delegate_nodes=info.delegate_nodes,
            threads=info.threads,
            self_test_ms=info.self_test_ms,
            fallback=info.fallback,
            at_ns=time.monotonic_ns(),
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A model as its cameras use it; ``tracking`` is the tracker's settings as they apply to its scores.

    ``settings`` and ``stated`` are the model's and the tracker's settings that it was made by.
    """

    model: LoadedModel
    tracking: TrackerSettings
    settings: ModelSettings
    stated: TrackerSettings


def load(
    name: str,
    settings: ModelSettings,
    tracking: TrackerSettings,
    *,
    identity: str,
    avoid: str = "",
    guard: Guard | None = None,
    root: Path = Path("/"),
    before: Served | None = None,
    make_room: Callable[[Bundle], None] | None = None,
) -> Served:
    """Load the model of ``settings``, or take of ``before``, which serves now, what would be the same: all of it, or its engine.

    The score from which a detection counts is the configuration's for its label, else for this model, else the manifest's, else
    the tracker's. The decoder reports from ``score_low`` on, because weak detections continue a track, or from the lowest threshold
    of a label. ``make_room`` is called before an engine is made. The rest is that of ``open_engine``. Raises what that raises,
    ModelRejected also for a bundle that is not of the ``identity`` that was probed, or ConfigInvalid for a label that the model
    does not have.
    """
    if before and before.model.bundle.identity != identity:
        before = None
    if before and (settings, tracking) == (before.settings, before.stated):
        return before
    if before and not _same_engine(settings, before.settings):
        before = None
    bundle = before.model.bundle if before else load_bundle(resolve(settings.bundle, Path.cwd()))
    if bundle.identity != identity:
        raise ModelRejected(
            f"model {name} ({settings.bundle}): changed after it was tried", hint="Start again to have it tried.", fault="changed"
        )
    stated = bundle.manifest.decoder.parameters.get("score_threshold", tracking.score_high)
    high = settings.score_threshold
    if high is None:
        high = stated if isinstance(stated, float | int) and stated > 0 else tracking.score_high
    fitted = dataclasses.replace(tracking, score_high=high, score_low=min(tracking.score_low, high))
    classes = class_ids(settings.label_thresholds, bundle.manifest)
    by_class = {class_id: settings.label_thresholds[label] for label, ids in classes.items() for class_id in ids}
    if make_room and not before:
        make_room(bundle)
    engine = before.model.engine if before else open_engine(bundle, settings, avoid=avoid, guard=guard, root=root)
    model = _decoded(name, bundle, engine, min([fitted.score_low, *by_class.values()]))
    return Served(dataclasses.replace(model, label_thresholds=by_class), fitted, settings, tracking)


def _same_engine(one: ModelSettings, other: ModelSettings) -> bool:
    """Whether the settings differ at most in what is made of the outputs."""
    return dataclasses.replace(one, score_threshold=other.score_threshold, label_thresholds=other.label_thresholds) == other


def load_bundled(name: str, bundle: Bundle, settings: ModelSettings, score_threshold: float | None) -> LoadedModel:
    """Load a bundle; ``score_threshold``, if given, replaces the manifest's for the decoder."""
    return _decoded(name, bundle, open_engine(bundle, settings), score_threshold)


def _decoded(name: str, bundle: Bundle, engine: Engine, score_threshold: float | None) -> LoadedModel:
    spec = bundle.manifest.decoder
    if score_threshold is not None:
        spec = dataclasses.replace(spec, parameters={**spec.parameters, "score_threshold": score_threshold})
    return LoadedModel(name, bundle, engine, registry.build(spec, [engine.input], engine.outputs), {})
