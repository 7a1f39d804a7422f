"""Golden vectors of real models: they hold between kernels and runtimes, and notice a model that is another."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edged.core.errors import ModelRejected
from edged.infer.answers import check, judged_tensors
from edged.infer.bundle import Bundle, load_bundle
from edged.infer.engine import CpuDelegate, Engine
from edged.infer.golden import Answer, Generated, Golden, Stored, parse_golden
from edged.infer.graph import Graph
from edged.infer.settings import RuntimeName
from edged.testing import candidates
from edged.testing.network import Network
from edged.tooling.golden import MAX_VALUES, make_golden

MODELS = {
    "ssd_mobilenet_v1_coco_quant": "ssd_postprocess",
    "ssd_mobilenet_v2_fpnlite_256_int8": "ssd_corners",
    "blazeface_128x128_quant": "blazeface",
    "mobilenet_v1_0.25_128_quant": "classification",
}


def bundle(test_data: Path, name: str) -> Bundle:
    return load_bundle(test_data / f"models/{name}.tflite", None, MODELS[name])


def ask(bundle: Bundle, golden: Golden, delegate: CpuDelegate = "auto", runtime: RuntimeName = "litert") -> str:
    graph = Graph.read(bundle.paths["cpu"].read_bytes(), "m")
    engine = Engine(bundle, threads=2, delegate=delegate, runtime=runtime)
    return check(engine, judged_tensors(graph), golden, "g")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("delegate", ["auto", "none"])
def test_a_real_model_answers_the_same_by_other_kernels_and_threads(
    test_data: Path, runtime: RuntimeName, name: str, delegate: CpuDelegate
) -> None:
    model = bundle(test_data, name)
    golden = parse_golden(make_golden(model, [test_data / "media/pets.jpg"]), "g")
    assert "as ai-edge-litert" in ask(model, golden, delegate, runtime)
    assert isinstance(golden.vectors[0].picture, Stored)
    assert len(golden.vectors) > 1


@pytest.mark.parametrize(
    "name", ["ssd_mobilenet_v1_coco_quant", "ssd_mobilenet_v2_fpnlite_256_int8", "mobilenet_v1_0.25_128_quant"]
)
def test_weights_that_were_changed_are_noticed(test_data: Path, tmp_path: Path, name: str) -> None:
    """Ten thousand bytes in the middle of the weights: the file still runs, and answers something else."""
    model = bundle(test_data, name)
    golden = parse_golden(make_golden(model), "g")
    data = bytearray(model.paths["cpu"].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 10_000] = bytes(255 - value for value in data[middle : middle + 10_000])
    (tmp_path / "m.tflite").write_bytes(data)
    with pytest.raises(ModelRejected, match="on average") as caught:
        ask(load_bundle(tmp_path / "m.tflite", None, MODELS[name]), golden)
    assert caught.value.fault == "golden differs"


def test_what_goes_into_a_suppression_is_judged_and_not_its_list(test_data: Path) -> None:
    model = bundle(test_data, "ssd_mobilenet_v1_coco_quant")
    golden = parse_golden(make_golden(model), "g")
    graph = Graph.read(model.paths["cpu"].read_bytes(), "m")
    shapes = [answer.shape for answer in golden.vectors[0].answers]
    assert shapes == [(1, 1917, 4), (1, 1917, 91)]
    assert not {answer.tensor for answer in golden.vectors[0].answers} & set(graph.output_numbers())
    assert all(len(answer.values) <= MAX_VALUES for answer in golden.vectors[0].answers)


def test_a_picture_is_asked_in_the_models_own_order_of_colours(tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), np.full((50, 70, 3), (0, 0, 255), np.uint8))
    model = load_bundle(candidates.write_candidate(tmp_path / "m", candidates.sound()))
    golden = parse_golden(make_golden(model, [picture]), "g")
    (red,) = [vector for vector in golden.vectors if isinstance(vector.picture, Stored)]
    assert np.frombuffer(red.answers[0].values, "<f4").round(3).tolist() == [1, 0, 0]


def test_models_that_say_nothing_get_no_vectors(tmp_path: Path) -> None:
    for number, (content, words) in enumerate([(candidates.blind(), "prove nothing"), (candidates.not_finite(), "not finite")]):
        path = candidates.write_candidate(tmp_path / str(number), content)
        with pytest.raises(ModelRejected, match=words):
            make_golden(load_bundle(path))
    path = candidates.write_candidate(tmp_path / "sound", candidates.sound())
    with pytest.raises(ModelRejected, match="no picture that can be read"):
        make_golden(load_bundle(path), [path / "model.toml"])
    with pytest.raises(ModelRejected, match="at most 4"):
        make_golden(load_bundle(path), [path / "p.png"] * 5)


def test_a_lone_score_has_a_tolerance_too(tmp_path: Path) -> None:
    """Nothing in it differs from the rest of it, and kernels of one machine may agree to the last bit."""
    network = Network((1, 32, 32, 3))
    grey = network.convolution(network.average(network.input, 32), [[1 / 3, 1 / 3, 1 / 3]], [0.0])
    path = candidates.write_candidate(tmp_path, network.build([network.reshape(grey, (1, 1))]))
    golden = parse_golden(make_golden(load_bundle(path)), "g")
    for vector in golden.vectors:
        (answer,) = vector.answers
        (score,) = np.frombuffer(answer.values, "<f4")
        assert answer.tolerance >= 0.001 * score > 0


def test_an_answer_that_is_off_by_more_than_is_allowed_says_by_how_much(tmp_path: Path) -> None:
    model = load_bundle(candidates.write_candidate(tmp_path, candidates.sound()))
    golden = parse_golden(make_golden(model), "g")
    for vector in golden.vectors:
        (answer,) = vector.answers
        assert answer.tolerance > 0
        assert isinstance(vector.picture, Generated)
    strict = [msgspec.structs.replace(v, answers=(shifted(v.answers[0]),)) for v in golden.vectors]
    with pytest.raises(ModelRejected, match=r"g: noise-1 of seed 1: tensor \d+ is off by 0.25 on average"):
        ask(model, msgspec.structs.replace(golden, vectors=tuple(strict)))


def shifted(answer: Answer) -> Answer:
    values = np.frombuffer(answer.values, "<f4") + np.float32(0.25)
    return msgspec.structs.replace(answer, values=values.astype("<f4").tobytes(), tolerance=0.2)
