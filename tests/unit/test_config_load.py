"""What is read from a file, and what is said about one that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.config.load import load
from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid

GOOD = """\
[device]
name = "porch"
state_directory = "state"
[models.ssd]
bundle = "models/ssd"
[models.faces]
bundle = "blazeface-short"
[cameras.door]
model = "ssd"
annotated = "~/door.mp4"
[cameras.door.file]
path = "clips/people.mp4"
[mqtt]
host = "broker.local"
username = "porch"
password_file = "/etc/edged/password"
"""


def load_text(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    return load(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    """The problems of ``text``, without the path of the file."""
    with pytest.raises(ConfigInvalid) as caught:
        load_text(tmp_path, text)
    prefix = f"{tmp_path / 'edged.toml'}:"
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def with_line(line: str, text: str = GOOD, *, after: str = "[cameras.door]") -> str:
    return text.replace(after, f"{after}\n{line}")


def test_paths_are_taken_from_the_directory_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    loaded = load_text(tmp_path, GOOD)
    door = loaded.cameras["door"]
    assert loaded.device.state_directory == tmp_path / "state"
    assert loaded.models["ssd"].bundle == str(tmp_path / "models/ssd")
    assert loaded.models["faces"].bundle == "blazeface-short"  # of the catalogue, no path
    assert door.file is not None
    assert door.file.path == tmp_path / "clips/people.mp4"
    assert door.annotated == tmp_path / "door.mp4"
    assert loaded.mqtt is not None
    assert loaded.mqtt.password_file == Path("/etc/edged/password")


def test_what_is_left_out_has_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edged:/var/lib/other")
    loaded = load_text(tmp_path, '[models.m]\nbundle = "x"\n[cameras.a]\nmodel = "m"\n[cameras.a.synthetic]\n')
    assert loaded.mqtt is None
    assert loaded.device.fleet == "home"
    assert loaded.device.state_directory == Path("/var/lib/edged")
    assert loaded.cameras["a"].synthetic is not None
    assert loaded.cameras["a"].required


def test_state_goes_to_the_users_own_place_without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    text = GOOD.replace('state_directory = "state"\n', "").replace("annotated", "# ")
    assert load_text(tmp_path, text).device.state_directory == Path("/somewhere/edged")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
camera = 1
[models.ssd]
bundle = 5
thread = 2
[cameras.door]
model = "sdd"
annotated = "nowhere/x.mp4"
v4l2 = {device = -1, fps = 0}
[cameras.gate]
model = "ssd"
synthetic = {pace = "realtme"}
[mqtt]
port = 70000
"""
    assert problems(tmp_path, text) == [
        "1: camera: unknown key, expected device, models, cameras, mcus, tracking, store, mqtt, ota, metrics, sinks, "
        'did you mean "cameras"?',
        "3: models.ssd.bundle: got 5, expected text in quotes",
        "4: models.ssd.thread: unknown key, expected bundle, follow, threads, runtime, delegate, "
        "key_file, key_credential, edgetpu, external, custom_ops, "
        'score_threshold, label_thresholds, did you mean "threads"?',
        '6: cameras.door.model: there is no model "sdd", expected one of ssd, did you mean "ssd"?',
        f"7: cameras.door.annotated: there is no directory {tmp_path / 'nowhere'}, expected one that exists",
        "8: cameras.door.v4l2.device: got -1, expected at least 0",
        "8: cameras.door.v4l2.fps: got 0, expected at least 1",
        "11: cameras.gate.synthetic.pace: got \"realtme\", expected 'realtime' or 'fast', did you mean \"realtime\"?",
        "12: mqtt.host: missing, and has no default",
        "13: mqtt.port: got 70000, expected at most 65535",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("required = 1", "cameras.door.required: got 1, expected true or false"),
        ('stall_after_s = "3"', 'cameras.door.stall_after_s: got "3", expected a number'),
        ("stall_after_s = nan", "cameras.door.stall_after_s: got NaN, expected at most 3600"),
        ("stall_after_s = true", "cameras.door.stall_after_s: got true, expected a number"),
        ("annotated = 2024-01-01", "cameras.door.annotated: got 2024-01-01, expected text in quotes"),
        ("v4l2 = 0", "cameras.door.v4l2: got 0, expected a table"),
        ("v4l2 = {device = 0, width = 640.5}", "cameras.door.v4l2.width: got 640.5, expected a whole number"),
        ("v4l2 = {device = true}", "cameras.door.v4l2.device: got true, expected a whole number or text in quotes"),
        ("v4l2 = {device = ''}", 'cameras.door.v4l2.device: got "", expected at least 1 characters'),
        ("reopen_min_s = 31", "cameras.door: reopen_min_s (31) is above reopen_max_s (30)"),
        ("synthetic = {}", "cameras.door: expected exactly one source of "),
        ("live_max = 2", "did you mean \"live_max_hz\"?"),
    ],
)  # fmt: skip
def test_a_value_is_what_it_should_be_or_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    (problem,) = problems(tmp_path, with_line(line, GOOD.replace("annotated", "# ")))
    assert expected in problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('delegate = "edgtpu"', 'did you mean "edgetpu"?'),
        ('edgetpu = {device = "/dev/ttyUSB0"}', 'edgetpu.device: got "/dev/ttyUSB0", expected "usb", "pci"'),
        ('edgetpu = {library = "./libedgetpu.so"}', "edgetpu.library: got"),
        ('delegate = "external"', "delegate: the library is missing"),
        ('key_file = "a"\nkey_credential = "b"', "key_credential: set beside key_file"),
        ('external = {library = "libnpu.so"}', 'external: not used with delegate = "auto"'),
        ('delegate = "external"\nexternal = {library = "npu/libnpu.so"}', "expected an absolute path, or a name without"),
        ('delegate = "external"\nexternal = {library = "x.so", options = {level = 2}}', "level: got 2, expected text in quotes"),
        ('custom_ops = ["libops.so"]', 'custom_ops: got "libops.so", expected "LIBRARY:FUNCTION"'),
        ('custom_ops = ["./libops.so:Register"]', "expected an absolute path, or a name without"),
        ('runtime = "tflite"', 'did you mean "litert"?'),
        ('follow = "a/b"', 'follow: got "a/b", expected up to 32 of a-z'),
        ('follow = "ssd"', "follow: updates are not set up, expected a table [ota]"),
    ],
)  # fmt: skip
def test_how_a_model_is_run_is_checked(tmp_path: Path, line: str, expected: str) -> None:
    (problem,) = problems(tmp_path, with_line(line, after="[models.ssd]"))
    assert expected in problem


def test_a_model_on_another_accelerator(tmp_path: Path) -> None:
    more = (
        'delegate = "external"\nexternal = {library = "/opt/libnpu.so", options = {cache = "on"}}\ncustom_ops = ["libops.so:Add"]'
    )
    model = load_text(tmp_path, with_line(more, after="[models.ssd]")).models["ssd"]
    assert model.external is not None
    assert (model.external.library, model.external.options) == ("/opt/libnpu.so", {"cache": "on"})
    assert model.custom_ops == ("libops.so:Add",)


def test_a_camera_needs_a_source_and_the_file_a_camera(tmp_path: Path) -> None:
    assert problems(tmp_path, '[models.m]\nbundle = "x"\n[cameras.a]\nmodel = "m"\n') == [
        "3: cameras.a: expected exactly one source of file, v4l2, libcamera, stream, synthetic; found none"
    ]
    assert problems(tmp_path, "") == [" cameras: there is no camera, expected a table [cameras.NAME]"]


def test_device_as_text_is_a_path(tmp_path: Path) -> None:
    text = GOOD.replace('[cameras.door.file]\npath = "clips/people.mp4"', '[cameras.door.v4l2]\ndevice = "0"')
    assert problems(tmp_path, text) == [
        '12: cameras.door.v4l2.device: got "0", expected a number without quotes or a path that begins with /dev/'
    ]


def test_what_two_cameras_cannot_share(tmp_path: Path) -> None:
    camera = '[cameras.{}]\nmodel = "m"\nannotated = "a.mp4"\nv4l2 = {{device = {}}}\n'
    text = '[models.m]\nbundle = "x"\n' + camera.format("a", "0") + camera.format("b", '"/dev/video0"')
    assert problems(tmp_path, text) == [
        f"9: cameras.b.annotated: {tmp_path / 'a.mp4'} is already used by cameras.a.annotated, expected another",
        "10: cameras.b.v4l2.device: /dev/video0 is already used by cameras.a.v4l2.device, expected another",
    ]


@pytest.mark.parametrize("key", ["password", "passwd_token", "secret"])
def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path: Path, key: str) -> None:
    (problem,) = problems(tmp_path, with_line(f'{key} = "hunter2"', after="[mqtt]"))
    assert "use password_file or password_credential" in problem
    assert "hunter2" not in problem


def test_the_login_in_a_camera_address_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "edged.toml"
    path.write_text('[cameras.door]\nmodel = "m"\nstream = "rtsp://admin:hunter2@cam/live"\n')
    with pytest.raises(ConfigInvalid) as caught:
        load(path)
    told = "\n".join(caught.value.problems)
    assert "://…@cam/live" in told
    assert "hunter2" not in told


def test_unknown_values_are_never_shown(tmp_path: Path) -> None:
    assert "hunter2" not in str(problems(tmp_path, with_line('pass = "hunter2"', after="[mqtt]")))


@pytest.mark.parametrize("name", ["Door", "a.b", "front door", "", "x" * 33, "-a", "a/b", "a+", "tür"])
@pytest.mark.parametrize("section", ["cameras", "models"])
def test_names_fit_into_topics_and_paths(tmp_path: Path, section: str, name: str) -> None:
    text = GOOD + f'[{section}."{name}"]\n' + ('bundle = "x"' if section == "models" else 'model = "ssd"\nsynthetic = {}')
    (problem,) = problems(tmp_path, text)
    assert f"{section}.{name}: expected a name" in problem


def test_combinations_of_the_broker_are_checked(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, with_line('password_credential = "mqtt"', after="[mqtt]"))
    assert "password_file and password_credential are both set" in problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('channel = "Stable"', 'ota.channel: got "Stable", expected up to 32'),
        ("health_window_s = 61", "ota.health_window_s: got 61, expected at most 60"),
        ("", "ota: nothing can be installed, expected root, or allow_unsigned = true"),
    ],
)
def test_updates_are_checked(tmp_path: Path, line: str, expected: str) -> None:
    found = problems(tmp_path, GOOD + f"[ota]\n{line}\n")
    assert any(expected in problem for problem in found), found


def test_updates_over_the_broker_need_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, GOOD.partition("[mqtt]")[0] + '[ota]\nroot = "r"\n')
    assert "ota.root: updates come over the broker, expected a table [mqtt] as well" in problem


def test_outputs_need_their_directory(tmp_path: Path) -> None:
    text = GOOD.replace('"~/door.mp4"', '"door.mov"') + '[sinks]\njsonl = "nowhere/events.jsonl"\n'
    video, jsonl = problems(tmp_path, text)
    assert "is no video, expected a name ending in .mp4 or .avi" in video
    assert f"sinks.jsonl: there is no directory {tmp_path / 'nowhere'}" in jsonl


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[mqtt\nhost = 1", "1:6: "),
        ('a = 1\nb = "x\n', "2:7: "),
        ("a = 1\na = 2\n", "2:6: Cannot overwrite a value"),
        ("a = ", "Invalid value (at end of document)"),
        ("a = " + "9" * 5000, "Exceeds the limit"),
        ("a = " + "[" * 100_000, "recursion"),
    ],
)
def test_syntax_errors_come_with_their_place(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert expected in problem


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"gone\.toml: No such file"):
        load(tmp_path / "gone.toml")
    with pytest.raises(ConfigInvalid, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "tür"'.encode("latin-1"))
    with pytest.raises(ConfigInvalid, match="no UTF-8 text: byte 9 is 0xfc"):
        load(tmp_path / "latin.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigInvalid, match="larger than"):
        load(tmp_path / "huge.toml")


def test_home_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="whose home"):
        load_text(tmp_path, GOOD.replace("~/", "~no-such-user-here/"))


TABLES = [
    "",
    "device",
    "models.a",
    "cameras.a",
    "cameras.a.file",
    "cameras.a.v4l2",
    "cameras.b",
    "tracking",
    "store",
    "mqtt",
    "mqtt.tls",
]
KEYS = [
    "name",
    "bundle",
    "model",
    "path",
    "device",
    "width",
    "host",
    "port",
    "annotated",
    "file",
    "x",
    "score_high",
    "mqtt",
    '"[key]"',
    "cameras",
]
VALUES = (
    *("0", "-1", "1.5", "nan", "inf", "true", "99999999999999999999999", "1979-05-27", "07:32:00"),
    *('""', '"a"', r'"~\u0000"', r'"\u0000/x.mp4"', "[]", "[[1], {}]", "{}", "{ a = 1 }"),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(TABLES), st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=4)))
def test_any_toml_is_settings_or_says_why_not(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, dict[str, str]]) -> None:
    """Loads, or raises ConfigInvalid, never anything else."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    lines = []
    for table in sorted(tables):  # the top first: it has no header
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {value}" for key, value in tables[table].items()]
    path.write_text("\n".join(lines) + "\n")
    try:
        load(path)
    except ConfigInvalid as error:
        assert error.problems or "home" in error.message
