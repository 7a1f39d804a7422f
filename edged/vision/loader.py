"""From a model's settings to something that detects."""

from __future__ import annotations

import dataclasses
import time
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


def load(
    name: str,
    settings: ModelSettings,
    tracking: TrackerSettings,
    *,
    identity: str,
    avoid: str = "",
    guard: Guard | None = None,
    root: Path = Path("/"),
) -> tuple[LoadedModel, TrackerSettings]:
    """Load the model of ``settings``; also the tracker's settings as they apply to its scores.

    The score from which a detection counts is the configuration's for its label, else for this model, else the manifest's, else
    the tracker's. The decoder reports from ``score_low`` on, because weak detections continue a track, or from the lowest threshold
    of a label. The rest is that of ``open_engine``. Raises what that raises, ModelRejected also for a bundle that is not of the
    ``identity`` that was probed, or ConfigInvalid for a label that the model does not have.
    """
    bundle = load_bundle(resolve(settings.bundle, Path.cwd()))
    if bundle.identity != identity:
        raise ModelRejected(
            f"model {name} ({settings.bundle}): changed after it was tried", hint="Start again to have it tried.", fault="changed"
        )
    stated = bundle.manifest.decoder.parameters.get("score_threshold", tracking.score_high)
    high = settings.score_threshold
    if high is None:
        high = stated if isinstance(stated, float | int) and stated > 0 else tracking.score_high
    tracking = dataclasses.replace(tracking, score_high=high, score_low=min(tracking.score_low, high))
    classes = class_ids(f"models.{name}.label_thresholds", settings.label_thresholds, bundle.manifest)
    by_class = {class_id: settings.label_thresholds[label] for label, ids in classes.items() for class_id in ids}
    model = load_bundled(name, bundle, settings, min([tracking.score_low, *by_class.values()]), avoid=avoid, guard=guard, root=root)
    return dataclasses.replace(model, label_thresholds=by_class), tracking


def load_bundled(
    name: str,
    bundle: Bundle,
    settings: ModelSettings,
    score_threshold: float | None,
    *,
    avoid: str = "",
    guard: Guard | None = None,
    root: Path = Path("/"),
) -> LoadedModel:
    """Load a bundle; ``score_threshold``, if given, replaces the manifest's for the decoder."""
    engine = open_engine(bundle, settings, avoid=avoid, guard=guard, root=root)
    spec = bundle.manifest.decoder
    if score_threshold is not None:
        spec = dataclasses.replace(spec, parameters={**spec.parameters, "score_threshold": score_threshold})
    return LoadedModel(name, bundle, engine, registry.build(spec, [engine.input], engine.outputs), {})
