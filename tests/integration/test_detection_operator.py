"""TFLite_Detection_PostProcess under the names and orders of every exporter: the real SSD with its outputs listed anew."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edged.core.detections import Detections
from edged.core.errors import ModelRejected
from edged.decode.ssd import ROLES
from edged.infer.bundle import load_bundle
from edged.infer.graph import IDENTIFIER
from edged.infer.preprocess import Preprocessor
from edged.infer.settings import ModelSettings
from edged.tooling.inspect import inspect
from edged.vision.loader import load_bundled

SSD = "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite"


@pytest.fixture(scope="module")
def graph(test_data: Path) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf((test_data / SSD).read_bytes())


@pytest.fixture
def exported(graph: schema.ModelT, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Writes the model with its outputs in another order, under names that say nothing."""
    main = graph.subgraphs[0]
    order = list(main.outputs)
    names = [main.tensors[index].name for index in order]

    def export(places: tuple[int, ...]) -> Path:
        main.outputs = [order[place] for place in places]
        for number, index in enumerate(main.outputs):
            main.tensors[index].name = f"StatefulPartitionedCall:{31 + number}"
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(graph.Pack(builder), IDENTIFIER)
        path = tmp_path / f"{''.join(map(str, places))}.tflite"
        path.write_bytes(bytes(builder.Output()))
        return path

    yield export
    main.outputs = order
    for name, index in zip(names, order, strict=True):
        main.tensors[index].name = name


def cats(path: Path, picture: np.ndarray) -> Detections:
    model = load_bundled("ssd", load_bundle(path), ModelSettings(bundle=str(path), threads=1), 0.5)
    staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
    Preprocessor(model.engine.input, model.manifest.input)(picture, staged)
    return model.decoder(model.engine.infer(lambda tensor: np.copyto(tensor, staged)))


@pytest.mark.parametrize("places", [(0, 1, 2, 3), (2, 0, 3, 1), (1, 2, 0, 3)], ids=["TF1", "TF2", "another"])
def test_the_graph_tells_which_output_is_which(exported, places: tuple[int, ...], test_data: Path) -> None:  # type: ignore[no-untyped-def]
    path = exported(places)
    expected = cats(test_data / SSD, picture := cv2.imread(str(test_data / "media/cat.bmp")))
    found = cats(path, picture)
    assert found.class_id.tolist() == expected.class_id.tolist() == [16]
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
    proposal = inspect(path).proposal
    assert proposal.parameters == {"output_order": ",".join(ROLES[place] for place in places)}
    assert "shows which of its outputs is which" in proposal.why


def test_every_order_is_read_from_the_graph(exported) -> None:  # type: ignore[no-untyped-def]
    for places in itertools.islice(itertools.permutations(range(4)), 0, None, 7):
        order = ",".join(ROLES[place] for place in places)
        assert load_bundle(exported(places)).manifest.decoder.parameters == {"output_order": order}


def test_a_file_that_leaves_an_output_out_is_refused_by_the_decoder(exported) -> None:  # type: ignore[no-untyped-def]
    path = exported((0, 1, 2))
    assert load_bundle(path).manifest.decoder.parameters == {}
    with pytest.raises(ModelRejected, match="do not tell their roles"):
        load_bundled("ssd", load_bundle(path), ModelSettings(bundle=str(path), threads=1), None)
