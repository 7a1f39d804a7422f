from __future__ import annotations

import io
import math
import struct
import zipfile
from pathlib import Path

import flatbuffers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.infer.attachments import MAX_MEMBERS, member_names, read_member
from edged.infer.flatbuffer import Table
from edged.infer.graph import IDENTIFIER, Graph, OperatorKind
from edged.infer.labels import MAX_BYTES, parse_labels
from edged.infer.metadata import read_labels, read_metadata
from edged.testing.tflite import make_metadata, make_tflite

LABELLED = make_tflite(
    custom_operator="TFLite_Detection_PostProcess",
    metadata=make_metadata(mean=(123.0, 117.0, 104.0), std=(58.0, 57.0, 57.5), score_threshold=0.25, label_file="labels.txt"),
    attached={"labels.txt": b"person\nbicycle\n"},
)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_metadata_written_by_the_flatbuffers_library_reads_back() -> None:
    found = read_metadata(LABELLED, "toy.tflite")
    assert found is not None
    assert (found.name, found.version, found.licence, found.author) == ("toy", "v1", "Apache-2.0", "someone")
    assert found.inputs[0].name == "image"
    assert found.inputs[0].mean == (123.0, 117.0, 104.0)
    assert found.inputs[0].std == (58.0, 57.0, 57.5)
    assert found.score_threshold == 0.25
    assert found.label_file == "labels.txt"
    assert read_labels(LABELLED, found, "toy.tflite") == ("person", "bicycle")


def test_a_model_without_metadata_has_none() -> None:
    assert read_metadata(make_tflite(), "toy.tflite") is None


@given(flips=st.lists(st.tuples(st.integers(0, len(LABELLED) - 1), st.integers(1, 255)), min_size=1, max_size=6))
@settings(max_examples=600, deadline=None)
def test_flipped_bits_read_or_are_rejected_and_nothing_else(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(LABELLED)
    for at, bits in flips:
        damaged[at] ^= bits
    read_everything(bytes(damaged))


@given(length=st.integers(0, len(LABELLED)), tail=st.binary(max_size=64))
@settings(max_examples=200, deadline=None)
def test_a_file_cut_short_reads_or_is_rejected_and_nothing_else(length: int, tail: bytes) -> None:
    read_everything(LABELLED[:length] + tail)


def read_everything(data: bytes) -> None:
    """Every reader that a model file from anywhere goes through."""
    try:
        graph = Graph.read(data, "x")
        graph.operators(), graph.inputs(), graph.outputs(), graph.constant_bytes(), graph.workspace()
        found = read_metadata(data, "x")
        member_names(data, "x")
        if found is not None:
            read_labels(data, found, "x")
    except ModelRejected as error:
        assert error.message.startswith("x")


def test_a_number_that_no_one_can_normalise_by_is_rejected() -> None:
    for mean, std in [((0.0,), (0.0,)), ((float("nan"),), (1.0,)), ((1.0, 2.0), (1.0,)), ((1.0,), (float("inf"),))]:
        with pytest.raises(ModelRejected, match="normalised"):
            read_metadata(make_tflite(metadata=make_metadata(mean=mean, std=std)), "x")


def test_texts_cannot_steer_a_terminal() -> None:
    found = read_metadata(make_tflite(metadata=make_metadata(name="a\x1b[31mred\nb")), "x")
    assert found is not None
    assert found.name == "a\ufffd[31mred b"


def test_a_vector_that_claims_too_much_is_refused_before_it_is_read() -> None:
    vtable, table, vector = struct.pack("<HHHxx", 6, 8, 4), struct.pack("<iI", 8, 4), struct.pack("<I", 0x7FFFFFFF)
    root = Table.root(struct.pack("<I4s", 16, b"M001") + vtable + table + vector, b"M001", "x")
    with pytest.raises(ModelRejected, match="list of 2147483647 items"):
        root.tables(0, 8)


def test_a_label_file_that_is_not_attached_is_named() -> None:
    data = make_tflite(metadata=make_metadata(label_file="labels.txt"))
    found = read_metadata(data, "x")
    assert found is not None
    with pytest.raises(ModelRejected, match=r"labels\.txt.*not attached"):
        read_labels(data, found, "x")


@pytest.mark.parametrize("name", ["../labels.txt", "a/b", "/etc/passwd", "a\\b", "..", "x" * 300])
def test_an_attached_file_with_a_path_for_a_name_is_refused(name: str) -> None:
    with pytest.raises(ModelRejected, match="plain name"):
        member_names(make_tflite() + zipped({name: b""}), "x")


def test_attached_files_are_bounded() -> None:
    bomb = make_tflite() + zipped({"labels.txt": bytes(MAX_BYTES + 1)})
    with pytest.raises(ModelRejected, match="larger than"):
        read_member(bomb, "labels.txt", "x")
    crowd = make_tflite() + zipped({f"{number}.txt": b"" for number in range(MAX_MEMBERS + 1)})
    with pytest.raises(ModelRejected, match="attached files"):
        member_names(crowd, "x")
    with pytest.raises(ModelRejected, match="compressed"):
        read_member(make_tflite() + zipped({"l.txt": b"a"}, zipfile.ZIP_LZMA), "l.txt", "x")


def test_labels_are_read_line_by_line() -> None:
    assert parse_labels("\ufeffperson\r\n  tench, Tinca tinca \n\ncafé\n\n\n".encode(), "x") == (
        "person",
        "tench, Tinca tinca",
        "",
        "café",
    )
    assert parse_labels(b"cat\n???\ndog", "x") == ("cat", "", "dog")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a" * (MAX_BYTES + 1), "bytes of labels"),
        (b"\n".join(b"a" for _ in range(70_000)), "at most 65536"),
        (b"ok\n" + b"a" * 300, "class 1 has 300 characters"),
        (b"ok\na\x1b[31mred", "class 1 holds control characters"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
    ],
)
def test_labels_are_bounded(data: bytes, words: str) -> None:
    with pytest.raises(ModelRejected, match=words):
        parse_labels(data, "labels.txt")


@given(st.binary(max_size=400))
def test_any_bytes_are_labels_or_rejected(data: bytes) -> None:
    try:
        labels = parse_labels(data, "x")
    except ModelRejected:
        return
    assert all(label == "" or label.isprintable() for label in labels)


@given(shape=st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=6))
def test_memory_is_counted_without_overflow(shape: list[int]) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(make_tflite())
    model.subgraphs[0].tensors[1].shape = shape
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    found = Graph.read(bytes(builder.Output()), "x").workspace()
    assert found.tensors == 2
    assert found.total_bytes == 4 * math.prod(shape) + 4 * 8  # float32; the other tensor is [1, 8]
    assert found.largest_bytes == max(4 * math.prod(shape), 4 * 8)
    assert found.largest_name == ("doubled" if found.largest_bytes > 4 * 8 else "x")


def test_memory_of_the_real_ssd_is_that_of_its_activations(test_data: Path) -> None:
    found = Graph.read((test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").read_bytes(), "ssd").workspace()
    assert found.largest_bytes == 150 * 150 * 48  # uint8, before the second layer with a stride
    assert found.largest_name.endswith("Conv2d_1_pointwise/Relu6")
    assert (found.tensors, found.total_bytes) == (68, 7_916_668)


def test_the_two_ssd_files_differ_in_their_metadata_alone(test_data: Path) -> None:
    with_it = (test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").read_bytes()
    without = (test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite").read_bytes()
    found = read_metadata(with_it, "ssd")
    assert found is not None
    assert read_metadata(without, "ssd") is None
    assert (found.name, found.version, found.author) == ("Coco SSD MobileNetV1", "v1", "TensorFlow")
    assert (found.inputs[0].mean, found.inputs[0].std) == ((127.5,), (127.5,))
    assert [output.name for output in found.outputs] == ["locations", "classes", "scores", "number of detections"]
    labels = read_labels(with_it, found, "ssd")
    assert labels == parse_labels((test_data / "models/ssd_mobilenet_v1_coco_quant.labels.txt").read_bytes(), "labels")
    assert (labels[0], labels[11], labels[16], len(labels)) == ("person", "", "cat", 90)
    operators = Graph.read(with_it, "ssd").operators()
    assert operators == Graph.read(without, "ssd").operators()
    assert operators[OperatorKind(32, "TFLite_Detection_PostProcess")] == 1


def test_labels_that_score_elements_are_found_too(test_data: Path) -> None:
    data = (test_data / "models/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    found = read_metadata(data, "classifier")
    assert found is not None
    assert found.label_file == "imagenet_labels.txt"
    assert len(read_labels(data, found, "classifier")) == 1001
