from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.errors import ModelRejected
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.infer.bundle import identify, load_bundle, resolve
from edged.infer.files import MAX_MODEL_BYTES
from edged.infer.manifest import format_manifest, parse_manifest
from edged.testing.tflite import AXIS_LABELS, make_metadata, make_tflite

SSD = "TFLite_Detection_PostProcess"
PLAIN = make_tflite()
DIGEST = hashlib.sha256(PLAIN).hexdigest()
MINIMAL = '[files]\ncpu = "m.tflite"\n[decoder]\nname = "blazeface"\n'


def directory(at: Path, manifest: str, **files: bytes) -> Path:
    (at / "model.toml").write_text(manifest)
    for name, content in {"m.tflite": PLAIN, **files}.items():
        (at / name).write_bytes(content)
    return at


def rejected(path: Path) -> str:
    with pytest.raises(ModelRejected) as caught:
        load_bundle(path)
    return str(caught.value)


# A directory with a model.toml


def test_a_directory_says_everything_in_its_manifest(tmp_path: Path) -> None:
    text = f"""
        name = "gate"
        version = "3"
        licence = "MIT"
        description = "who stands at the gate"
        labels = ["person", "dog"]
        [files]
        cpu = "m.tflite"
        edgetpu = "t.tflite"
        [sha256]
        cpu = "{DIGEST}"
        [input]
        resize = "letterbox"
        colour = "bgr"
        mean = [1, 2.5, 3]
        std = [1.0, 1.0, 2.0]
        padding = 114
        [decoder]
        name = "blazeface"
        score_threshold = 0.5
    """
    tpu = make_tflite(custom_operator="edgetpu-custom-op")
    found = load_bundle(directory(tmp_path, text, **{"t.tflite": tpu}))
    assert found.manifest == ModelManifest(
        name="gate",
        version="3",
        licence="MIT",
        description="who stands at the gate",
        labels=("person", "dog"),
        files={"cpu": "m.tflite", "edgetpu": "t.tflite"},
        sha256={"cpu": DIGEST, "edgetpu": hashlib.sha256(tpu).hexdigest()},
        input=InputSpec("letterbox", "bgr", (1.0, 2.5, 3.0), (1.0, 1.0, 2.0), 114),
        decoder=DecoderSpec("blazeface", {"score_threshold": 0.5}),
    )
    assert found.digest == DIGEST
    assert found.paths == {"cpu": tmp_path / "m.tflite", "edgetpu": tmp_path / "t.tflite"}


def test_a_label_file_lies_beside_the_manifest(tmp_path: Path) -> None:
    text = 'name = "gate"\nlabels_file = "names.txt"\n' + MINIMAL
    found = load_bundle(directory(tmp_path, text, **{"names.txt": b"person\ndog\n"}))
    assert found.manifest.labels == ("person", "dog")


def test_the_callers_labels_and_decoder_stand_in_for_the_manifests(tmp_path: Path) -> None:
    path = directory(
        tmp_path, 'name = "gate"\nlabels = ["person"]\n' + MINIMAL + "score_threshold = 0.9\n", **{"mine.txt": b"human"}
    )
    assert load_bundle(path, tmp_path / "mine.txt").manifest.labels == ("human",)
    assert load_bundle(path, decoder="blazeface").manifest.decoder == DecoderSpec("blazeface", {"score_threshold": 0.9})
    assert load_bundle(path, decoder="ssd_postprocess").manifest.decoder == DecoderSpec("ssd_postprocess")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('nmae = "x"\n' + MINIMAL, "unknown key nmae.*Did you mean name"),
        ('name = "x"\n' + MINIMAL + '[input]\nresise = "letterbox"\n', "unknown key input.resise.*Did you mean input.resize"),
        ('name = "x"\n' + MINIMAL + "[input]\npadding = 256\n", r"<= 255.*input\.padding"),
        ('name = "x"\n' + MINIMAL + "[input]\npadding = -1\n", r">= 0.*input\.padding"),
        ('name = "x"\n' + MINIMAL + "surprise = 1979-05-27\n", "model.toml"),
        (MINIMAL, "name"),
        ('name = "x"\n[files]\ncpu = "m.tflite"\n', "decoder"),
        ('name = "x"\n[files]\ncpu = "m.tflite"\n[decoder]\nscore_threshold = 0.5\n', r"\[decoder\] has no name"),
        ('name = "x"\n[files]\nedgetpu = "m.tflite"\n[decoder]\nname = "b"\n', "no cpu variant"),
        ('name = "x"\n[files]\ncpu = "m.tflite"\ngpu = "m.tflite"\n[decoder]\nname = "b"\n', "gpu"),
        ('name = "x"\n[files]\ncpu = "../m.tflite"\n[decoder]\nname = "b"\n', "not the name of a file"),
        ('name = "x"\n[files]\ncpu = "/etc/passwd"\n[decoder]\nname = "b"\n', "not the name of a file"),
        ('name = "x"\nlabels_file = "../l.txt"\n' + MINIMAL, "not the name of a file"),
        ('name = "x"\nlabels = []\nlabels_file = "l.txt"\n' + MINIMAL, "both labels and labels_file"),
        ('name = "x"\n' + MINIMAL + '[sha256]\nedgetpu = "' + "0" * 64 + '"\n', "which .files. does not have"),
        ('name = "x"\n' + MINIMAL + '[sha256]\ncpu = "' + "0" * 64 + '"\n', "sha256 is " + DIGEST),
        ('name = "x"\n' + MINIMAL + '[sha256]\ncpu = "abc"\n', "sha256"),
        ('name = "x"\n' + MINIMAL + "[input]\nmean = [1.0]\n", "go together"),
        ('name = "x"\n' + MINIMAL + "[input]\nmean = [1.0]\nstd = [0.0]\n", "normalised"),
        ('name = "x"\n' + MINIMAL + "[input]\nmean = [nan]\nstd = [1.0]\n", "normalised"),
        ('name = "x\\u001b[31m"\n' + MINIMAL, "name"),
        ('name = "x\\n"\n' + MINIMAL, "name"),
        ('name = "x"\nlabels = ["a\\u0007"]\n' + MINIMAL, "control characters"),
        ("name = ", "not TOML"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_rejected(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ModelRejected, match=f"(?s){words}") as caught:
        load_bundle(directory(tmp_path, text))
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_missing_or_no_model_is_rejected(tmp_path: Path) -> None:
    path = directory(tmp_path, 'name = "x"\n' + MINIMAL)
    (path / "m.tflite").write_bytes(b"<html>not found</html>")
    assert "no .tflite file" in rejected(path)
    (path / "m.tflite").unlink()
    assert "No such file" in rejected(path)
    (path / "model.toml").unlink()
    assert "edged model inspect" in rejected(path)


# A bare .tflite


def test_a_bare_file_speaks_through_its_metadata_and_its_operator(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    metadata = make_metadata(score_threshold=0.25, label_file="l.txt")
    file.write_bytes(make_tflite(custom_operator=SSD, metadata=metadata, attached={"l.txt": b"person\ncar"}))
    found = load_bundle(file)
    assert found.manifest == ModelManifest(
        name="toy",
        version="v1",
        licence="Apache-2.0",
        description="about toy",
        labels=("person", "car"),
        files={"cpu": "m.tflite"},
        sha256={"cpu": found.digest},
        input=InputSpec(mean=(127.5,), std=(127.5,)),
        decoder=DecoderSpec("ssd_postprocess", {"score_threshold": 0.25}),
    )
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_no_decoder_is_ever_guessed(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(PLAIN)
    message = rejected(file)
    assert "edged model inspect" in message
    assert "--decoder" in message
    assert load_bundle(file, decoder="blazeface").manifest.decoder == DecoderSpec("blazeface")


def test_labels_for_each_element_of_the_only_output_declare_a_classifier(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    metadata = make_metadata(label_file="l.txt", label_kind=AXIS_LABELS)
    path.write_bytes(make_tflite(metadata=metadata, attached={"l.txt": b"open\nclosed"}))
    found = load_bundle(path).manifest
    assert (found.decoder, found.labels) == (DecoderSpec("classification"), ("open", "closed"))
    path.write_bytes(make_tflite(metadata=make_metadata(label_file="l.txt"), attached={"l.txt": b"open\nclosed"}))
    assert "does not say how its outputs read" in rejected(path)


def test_labels_of_ones_own_do_without_those_that_quantising_dropped(tmp_path: Path) -> None:
    file, labels = tmp_path / "m.tflite", tmp_path / "l.txt"
    file.write_bytes(make_tflite(custom_operator=SSD, metadata=make_metadata(label_file="labels.txt")))
    labels.write_text("person\n")
    assert "not attached" in rejected(file)
    assert load_bundle(file, labels).manifest.labels == ("person",)


def test_a_file_for_the_edge_tpu_is_only_half_a_model(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(make_tflite(custom_operator="edgetpu-custom-op"))
    assert "Edge TPU" in rejected(file)


def test_what_is_no_regular_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    assert "not a file" in rejected(Path("/dev/zero"))
    assert "cannot be read" in rejected(tmp_path / "absent.tflite")
    assert "cannot be read" in rejected(Path("nul\0.tflite"))
    file = tmp_path / "disk.tflite"
    file.touch()
    os.truncate(file, MAX_MODEL_BYTES + 1)  # sparse: takes no space
    assert "at most 536870912 are read" in rejected(file)


def test_pipes_and_loops_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    (tmp_path / "loop.tflite").symlink_to("loop.tflite")
    assert "not a file" in rejected(tmp_path / "pipe.tflite")
    assert "cannot be read" in rejected(tmp_path / "loop.tflite")
    path = directory(tmp_path, 'name = "x"\nlabels_file = "pipe.tflite"\n' + MINIMAL)
    assert "not a file" in rejected(path)


def test_the_real_ssd_needs_no_manifest(test_data: Path) -> None:
    manifest = load_bundle(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite").manifest
    assert manifest.decoder == DecoderSpec("ssd_postprocess", {"output_order": "boxes,classes,scores,count"})
    assert manifest.label(16) == "cat"
    assert manifest.label(11) == "11"
    bare = load_bundle(test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite").manifest
    assert (bare.name, bare.labels, bare.input) == ("ssd_mobilenet_v1_coco_quant_no_metadata", (), InputSpec())
    assert bare.version == "sha256:e4b118e5e453"
    for name in ("blazeface_128x128_quant", "model_invoking_error", "face-detector-quantized_edgetpu"):
        rejected(test_data / f"models/{name}.tflite")


# Identity: what was hashed is what is loaded


def test_the_identity_covers_every_file_and_needs_no_look_into_a_model(tmp_path: Path) -> None:
    text = 'name = "gate"\nlabels_file = "names.txt"\n' + MINIMAL
    path = directory(tmp_path, text, **{"names.txt": b"person\n"})
    first = load_bundle(path).identity
    assert identify(path) == first
    (path / "names.txt").write_text("dog\n")
    second = identify(path)
    (path / "model.toml").write_text(text + "score_threshold = 0.4\n")
    third = identify(path)
    (path / "m.tflite").write_bytes(PLAIN + b"\0")
    assert len({first, second, third, identify(path)}) == 4
    assert identify(path) == load_bundle(path).identity
    file = tmp_path / "bare.tflite"
    file.write_bytes(make_tflite(custom_operator=SSD))
    assert identify(file) == load_bundle(file).identity
    file.write_bytes(PLAIN[:8] + b"\xff" * 100)  # nothing that could be parsed
    assert len(identify(file)) == 64


def test_what_is_pinned_is_what_was_hashed(tmp_path: Path) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(make_tflite(custom_operator=SSD))
    bundle = load_bundle(file)
    with bundle.pinned("cpu") as pinned:
        other = tmp_path / "other"
        other.write_bytes(PLAIN)
        other.replace(file)
        assert hashlib.sha256(Path(pinned).read_bytes()).hexdigest() == bundle.digest
    with pytest.raises(ModelRejected, match="changed while it was loaded") as caught, bundle.pinned("cpu"):
        pass
    assert caught.value.fault == "changed"
    bundle = load_bundle(file, decoder="blazeface")
    with file.open("r+b") as writing:
        writing.write(b"\x20")  # the same file, size and name
    with pytest.raises(ModelRejected, match="changed"), bundle.pinned("cpu"):
        pass


# References


def test_a_reference_is_a_path_or_a_name_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "gate").mkdir()
    assert resolve("./gate", tmp_path) == tmp_path / "gate"
    assert resolve("m.tflite", tmp_path) == tmp_path / "m.tflite"
    assert resolve(f"{tmp_path}/gate", Path("/elsewhere")) == tmp_path / "gate"
    with pytest.raises(ModelRejected, match="neither a bundle directory"):
        resolve("./absent", tmp_path)
    with pytest.raises(ModelRejected, match=r"write \./gate"):
        resolve("gate", tmp_path)
    with pytest.raises(ModelRejected, match="no model of the catalogue"):
        resolve("carphone")
    with pytest.raises(ModelRejected, match="edged model pull blazeface-short"):
        resolve("blazeface-short")
    pulled = tmp_path / "cache/edged/catalogue/blazeface-short"
    pulled.mkdir(parents=True)
    assert resolve("blazeface-short") == pulled


def test_bundles_are_read_without_numpy_and_without_a_runtime() -> None:
    check = "import sys, edged.infer.bundle; print({'numpy', 'cv2', 'ai_edge_litert', 'flatbuffers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "set()\n"


# The format


LINES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CHANNELS = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(NUMBERS, min_size=n, max_size=n).map(tuple), st.lists(NUMBERS.filter(bool), min_size=n, max_size=n).map(tuple)
    )
)
PARAMETERS = st.dictionaries(
    LINES.filter(lambda key: key != "name"),
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | LINES | st.lists(NUMBERS, max_size=3).map(tuple),
    max_size=4,
)
LABELS = st.lists(LINES.filter(str.isprintable), max_size=4).map(tuple)


@given(
    name=LINES,
    labels=LABELS,
    channels=st.none() | CHANNELS,
    parameters=PARAMETERS,
    resize=st.sampled_from(["letterbox", "stretch"]),
    padding=st.integers(0, 255),
)
def test_a_manifest_that_is_written_reads_back_the_same(name, labels, channels, parameters, resize, padding) -> None:
    mean, std = channels or (None, None)
    manifest = ModelManifest(
        name=name,
        version=name,
        licence=name,
        description=name,
        labels=labels,
        files={"cpu": "m.tflite", "edgetpu": "t.tflite"},
        sha256={"cpu": DIGEST},
        input=InputSpec(resize=resize, mean=mean, std=std, padding=padding),
        decoder=DecoderSpec(name, parameters),
    )
    assert parse_manifest(format_manifest(manifest).encode(), "x") == (manifest, None)


@pytest.mark.parametrize("part", ["a.", '"a" . ', r'"\""' + ".", "'a'."])
@pytest.mark.parametrize("before", ["", "x = {"])
def test_keys_that_would_keep_the_reader_busy_for_hours_are_refused(before: str, part: str) -> None:
    key = before + part * 40_000 + "a"
    for text in (f"{key} = 1", f"[{key}]", f"[[{key}]]"):
        with pytest.raises(ModelRejected, match="more dots in a row"):
            parse_manifest(text.encode(), "x")


def test_a_number_of_a_million_digits_is_no_manifest() -> None:
    with pytest.raises(ModelRejected, match="not TOML"):
        parse_manifest(b"name = " + b"1" * 1_000_000, "x")


def test_texts_may_have_dots(tmp_path: Path) -> None:
    text = 'name = "v1.2.3"\ndescription = "wait ................. a.b.c.d.e.f.g.h.i.j.k.l"\n' + MINIMAL
    assert load_bundle(directory(tmp_path, text)).manifest.name == "v1.2.3"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_manifest_or_rejected(data: bytes) -> None:
    with pytest.raises(ModelRejected):
        parse_manifest(data, "x")
