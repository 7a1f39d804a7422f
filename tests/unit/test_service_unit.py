"""The unit file, and what is written where by ``edged service install``."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from edged.core.errors import OutputUnwritable
from edged.tooling import service
from edged.tooling.service import Installation, InstallationUnreachable

HARDEST_ALLOWED = 1.7
"""Exposure by ``systemd-analyze security``; most of what is left are the devices and the network that are the daemon's work."""


def system() -> Installation:
    return Installation(Path("/usr/bin/python3"), (Path("/usr"),))


def keys(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "edged.service"
    path.write_text(service.render(service.shipped("edged.service"), system()))
    return path


def test_systemd_understands_every_line(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_a_misspelt_line(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchDogSec="))
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True, check=False)
    assert "WatchDogSec" in done.stderr


def test_it_is_hardened(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert float(told.split("edged.service:")[1].split()[0]) <= HARDEST_ALLOWED


def test_what_other_parts_rely_on(unit: Path) -> None:
    found = keys(unit.read_text())
    assert found["Type"] == ["notify"]
    assert found["ExecStart"] == ["/usr/bin/python3 -P -m edged run /etc/edged/edged.toml"]
    assert found["DynamicUser"] == ["yes"]
    assert "ProcSubset" not in found  # XNNPACK would be off
    assert float(found["WatchdogSec"][0]) > 20  # a wedged inference is found, and the vision process alone restarted, within that
    assert float(found["TimeoutStopSec"][0]) > 15 + 5  # app.LEAVE_DEADLINE_S + app.DRAIN_DEADLINE_S


def test_the_groups_exist_or_are_made(unit: Path) -> None:
    of_debian = {"video", "dialout"}
    made = {line.split()[1] for line in service.shipped("edged.sysusers").splitlines() if line.startswith("g ")}
    assert set(keys(unit.read_text())["SupplementaryGroups"][0].split()) == of_debian | made


def test_an_installation_in_a_home_is_shown_to_the_service_and_nothing_else_of_it() -> None:
    place = Path("/home/pi/.local/share/pipx/venvs/edged")
    unit = service.render(service.shipped("edged.service"), Installation(place / "bin/python", (place, Path("/usr"))))
    found = keys(unit)
    assert found["ProtectHome"] == ["tmpfs"]
    assert found["BindReadOnlyPaths"] == [str(place)]
    assert found["ExecStart"][0].startswith(f"{place}/bin/python -P -m edged run ")
    assert found["ExecReload"][0].startswith(f"{place}/bin/python -P -m edged reload ")


def test_a_path_with_a_space_or_a_percent_sign_stays_one_word() -> None:
    found = keys(service.render(service.shipped("edged.service"), Installation(Path("/opt/my edged 100%/bin/python"), ())))
    assert found["ExecStart"][0].startswith('"/opt/my edged 100%%/bin/python" -P ')


def test_places_within_others_are_named_once() -> None:
    paths = [Path("/opt/edged"), Path("/opt/edged/lib/x"), Path("/usr"), Path("/opt/edged")]
    assert service.outermost(paths) == (Path("/opt/edged"), Path("/usr"))


def test_this_installation_reaches_the_interpreter_and_the_package() -> None:
    places = service.this_installation().places
    for path in (Path(os.__file__), Path(service.__file__)):
        assert any(path.is_relative_to(place) for place in places)


@pytest.mark.parametrize("place", ["/tmp/edged", "/var/tmp/edged"])
def test_a_place_that_no_service_sees_is_refused(place: str) -> None:
    with pytest.raises(InstallationUnreachable, match="/tmp of its own"):
        service.check_reachable(Installation(Path(place, "python"), (Path(place),)))


def test_a_place_that_is_closed_to_others_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "UNSEEN", ())
    place = tmp_path / "venv"
    place.mkdir(mode=0o700)
    with pytest.raises(InstallationUnreachable) as caught:
        service.check_reachable(Installation(place / "bin/python", (place,)))
    assert f"chmod o+rx {place}" in caught.value.hint


def test_installing_writes_unit_groups_and_a_first_configuration(tmp_path: Path) -> None:
    written = service.install(system(), tmp_path)
    assert {path.relative_to(tmp_path) for path in written} == {service.UNIT, service.GROUPS, service.CONFIG}
    assert "cameras" in tomllib.loads((tmp_path / service.CONFIG).read_text())
    assert stat.S_IMODE((tmp_path / service.CREDENTIALS).stat().st_mode) == 0o700


def test_installing_again_keeps_the_configuration(tmp_path: Path) -> None:
    service.install(system(), tmp_path)
    (tmp_path / service.CONFIG).write_text("mine")
    assert tmp_path / service.CONFIG not in service.install(system(), tmp_path)
    assert (tmp_path / service.CONFIG).read_text() == "mine"


def test_uninstalling_removes_what_was_written_but_what_is_the_persons(tmp_path: Path) -> None:
    service.install(system(), tmp_path)
    assert service.uninstall(tmp_path) == [tmp_path / service.UNIT, tmp_path / service.GROUPS]
    assert (tmp_path / service.CONFIG).exists()
    assert service.uninstall(tmp_path) == []


def test_a_root_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(OutputUnwritable, match="etc"):
        service.install(system(), tmp_path)
