"""What a configuration says of microcontrollers, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.changes import compare
from edged.config.load import load
from edged.core.errors import ConfigInvalid
from edged.mcu.settings import McuSettings, describe_mcu, read_labels

PORT = 'port = "/dev/serial/by-id/usb-x"\n'


def loaded(directory: Path, text: str) -> object:
    path = directory / "edged.toml"
    path.write_text(text)
    return load(path)


def problems(directory: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(directory, text)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mcus.a]\n", "mcus.a.port: missing"),
        (f"[mcus.a]\n{PORT}bauds = 9600\n", 'did you mean "baud"?'),
        (f"[mcus.a]\n{PORT}[mcus.b]\n{PORT}", "already used by mcus.a.port"),
        ('[mcus.a]\nport = "ttyACM0"\n', "expected a path"),
        (f"[mcus.a]\n{PORT}commands = true\n", "expected a table [mqtt]"),
        (f'[mcus.a]\n{PORT}follow_model = "x"\n', "expected a table [ota]"),
        (f'[mcus.a]\n{PORT}labels = ["a"]\nlabels_file = "labels.txt"\n', "keep one"),
        (f'[mcus.a]\n{PORT}labels_file = "none.txt"\n', "No such file"),
        (f'[mcus.a]\n{PORT}publish = "changes"\n', 'did you mean "change"?'),
        (f"[mcus.Porch]\n{PORT}", "expected a name"),
        ("", "there is no camera"),
    ],
)
def test_each_problem_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_a_port_of_two_names_is_one(tmp_path: Path) -> None:
    (tmp_path / "ttyACM0").touch()
    (tmp_path / "by-id").symlink_to("ttyACM0")
    ports = [f'[mcus.{name}]\nport = "{tmp_path / name_of}"\n' for name, name_of in (("a", "by-id"), ("b", "ttyACM0"))]
    assert "ttyACM0 is already used by mcus.a.port" in problems(tmp_path, "".join(ports))


def test_a_device_needs_no_camera(tmp_path: Path) -> None:
    loaded(tmp_path, f"[mcus.a]\n{PORT}")


def test_labels_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("nobody\n\n person \n")
    settings = McuSettings(port="/dev/x", labels_file=tmp_path / "labels.txt")
    assert read_labels(settings) == ("nobody", "person")
    (tmp_path / "labels.txt").write_text("")
    assert "expected 1 to 1024 lines" in problems(tmp_path, f'[mcus.a]\n{PORT}labels_file = "labels.txt"\n')


def test_labels_are_read_with_the_configuration_and_no_more(tmp_path: Path) -> None:
    text = f'[mcus.a]\n{PORT}labels_file = "labels.txt"\n'
    (tmp_path / "labels.txt").write_text("nobody\nperson\n")
    before = load(write(tmp_path, text))
    (tmp_path / "labels.txt").write_text("nobody\nsomebody\n")
    assert [str(change) for change in compare(before, load(write(tmp_path, text)))] == ["mcus.a changed"]
    (tmp_path / "labels.txt").unlink()
    assert read_labels(before.mcus["a"]) == ("nobody", "person")


def test_a_name_that_moves_is_warned_of() -> None:
    assert "warning" in describe_mcu(McuSettings(port="/dev/ttyACM0"))
    for stable in ("/dev/serial/by-id/usb-x", "/dev/serial0", "/dev/ttyAMA0"):
        assert "warning" not in describe_mcu(McuSettings(port=stable))


def test_each_board_changes_by_itself(tmp_path: Path) -> None:
    before = load(write(tmp_path, f"[mcus.a]\n{PORT}"))
    after = load(write(tmp_path, f'[mcus.a]\n{PORT}baud = 9600\n[mcus.b]\nport = "/dev/y"\n'))
    changes = compare(before, after)
    assert [str(change) for change in changes] == ["mcus.a changed", "mcus.b added"]
    assert not any(change.needs_restart for change in changes)


def write(directory: Path, text: str) -> Path:
    path = directory / "edged.toml"
    path.write_text(text)
    return path
