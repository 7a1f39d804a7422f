"""The engine on real models through the real interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged.core.errors import ModelRejected
from edged.core.tensor import RawOutput
from edged.infer.bundle import load_bundle
from edged.infer.engine import Engine, default_threads

CLASSIFIER = "models/mobilenet_v1_0.25_128_quant.tflite"
SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"


def outputs_of(engine: Engine, value: int) -> list[RawOutput]:
    return engine.infer(lambda tensor: tensor.fill(value))


def test_xnnpack_is_proven_by_its_nodes_and_can_be_left_out(test_data: Path) -> None:
    bundle = load_bundle(test_data / CLASSIFIER, decoder="unused")
    with_it, without = Engine(bundle, threads=1), Engine(bundle, threads=1, delegate="none")
    assert with_it.info.delegate == "xnnpack"
    assert with_it.info.delegate_nodes > 0
    assert (without.info.delegate, without.info.delegate_nodes) == ("none", 0)
    for one, other in zip(outputs_of(with_it, 128), outputs_of(without, 128), strict=True):
        assert np.allclose(one.real(), other.real(), atol=0.05)


def test_threads_are_recorded(test_data: Path) -> None:
    bundle = load_bundle(test_data / SSD)
    assert Engine(bundle, threads=2).info.threads == 2
    assert Engine(bundle).info.threads == default_threads() >= 1


def test_outputs_outlive_the_next_inference(test_data: Path) -> None:
    engine = Engine(load_bundle(test_data / CLASSIFIER, decoder="unused"), threads=1)
    (first,) = outputs_of(engine, 0)
    kept = first.data.copy()
    (second,) = outputs_of(engine, 200)
    assert (first.data == kept).all()
    assert (second.data != kept).any()
    assert first.spec.quantised
    assert 0 < first.real().max() <= 1  # a softmax, once dequantised by its own parameters
    assert first.data.max() > 1


@pytest.mark.parametrize("name", ["person_detect.tflite", "model_invoking_error.tflite"])
def test_model_that_litert_refuses_is_a_clear_error(test_data: Path, name: str) -> None:
    path = test_data / "models" / name
    with pytest.raises(ModelRejected) as caught:
        Engine(load_bundle(path, decoder="ssd_postprocess"), threads=1)
    assert name in caught.value.message
    assert "Traceback" not in str(caught.value)


def test_truncated_model_is_a_clear_error(test_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.tflite"
    path.write_bytes((test_data / SSD).read_bytes()[:100_000])
    with pytest.raises(ModelRejected, match="short"):
        Engine(load_bundle(path, decoder="ssd_postprocess"), threads=1)
