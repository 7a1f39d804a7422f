"""The real SSD's own post-processing operator judges ours: the same heads, the same anchors, the same boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edged.core.geometry import iou_matrix
from edged.core.model import DecoderSpec
from edged.core.tensor import RawOutput, TensorSpec
from edged.decode import registry
from edged.decode.ssd_configuration import HeadParameters, anchors_of

SSD = "models/ssd_mobilenet_v1_coco_quant.tflite"
INPUT = [TensorSpec("normalized_input_image_tensor", (1, 300, 300, 3), "uint8", 1 / 128, 128)]
SUPPRESSION = {"score_threshold": 0.2, "iou_threshold": 0.6, "class_agnostic": True, "label_offset": -1}
"""As in the operator's own options; its classes are counted without the background."""


class CutModel:
    """The model, cut open before its last operator: ``heads`` go into it, ``results`` come out, ``anchors`` are its constant."""

    def __init__(self, path: Path) -> None:
        with pytest.warns(UserWarning, match="experimental_preserve_all_tensors"):
            self._interpreter = Interpreter(model_path=str(path), experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        operators = self._interpreter._get_ops_details()
        operator = next(one for one in operators if one["op_name"] == "TFLite_Detection_PostProcess")
        self._into, self._out_of = operator["inputs"], operator["outputs"]
        self._details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}

    def see(self, picture: np.ndarray) -> None:
        small = cv2.cvtColor(cv2.resize(picture, (300, 300)), cv2.COLOR_BGR2RGB)
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], small[None])
        self._interpreter.invoke()

    def _read(self, index: int) -> RawOutput:
        detail, data = self._details[index], self._interpreter.get_tensor(index)
        return RawOutput(TensorSpec(detail["name"], data.shape, data.dtype.name, *detail["quantization"]), data)

    @property
    def heads(self) -> list[RawOutput]:
        return [self._read(index) for index in self._into[:2]]

    @property
    def anchors(self) -> RawOutput:
        return self._read(self._into[2])

    @property
    def results(self) -> list[RawOutput]:
        return [self._read(index) for index in self._out_of]


@pytest.fixture(scope="module")
def model(test_data: Path) -> CutModel:
    return CutModel(test_data / SSD)


def test_generated_anchors_are_the_models_own(model: CutModel) -> None:
    stored = model.anchors
    generated = anchors_of(HeadParameters(), INPUT, 1917, "ssd_heads")[:, [1, 0, 3, 2]]
    quantised = np.clip(np.round(generated / stored.spec.scale) + stored.spec.zero_point, 0, 255)
    assert stored.data.shape == (1917, 4)
    np.testing.assert_array_equal(quantised, stored.data)


@pytest.mark.parametrize("picture", ["media/cat.bmp", "media/pets.jpg", "media/cats_and_dogs.jpg", "labelled/000000000315.jpg"])
def test_heads_decode_to_what_the_operator_makes_of_them(model: CutModel, test_data: Path, picture: str) -> None:
    model.see(cv2.imread(str(test_data / picture)))
    operator = registry.build(DecoderSpec("ssd_postprocess", {"score_threshold": 0.2}), INPUT, [o.spec for o in model.results])
    expected = operator(model.results)
    assert len(expected) > 3
    listed = {"anchors": tuple(model.anchors.real().ravel().tolist())}
    for parameters, least_iou in ((listed, 0.9999), ({}, 0.7)):  # the model's own anchors lost some precision in 8 bits
        decoder = registry.build(DecoderSpec("ssd_heads", {**SUPPRESSION, **parameters}), INPUT, [o.spec for o in model.heads])
        found = decoder(model.heads).take(np.arange(len(expected)))
        assert found.class_id.tolist() == expected.class_id.tolist()
        np.testing.assert_allclose(found.score, expected.score, atol=1e-6)
        assert np.diag(iou_matrix(found.xyxy, expected.xyxy)).min() >= least_iou
