"""edged as a service: installed by its own command; started, watched, killed and stopped by a real systemd."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from machine import Machine, booted

SYSTEM = "/opt/edged/bin/python"
AT_HOME = "/home/pi/.local/share/pipx/venvs/edged/bin/python"
PASSWORD = "as long as it is not in the configuration"

DYNAMIC_USERS = range(61184, 65520)
"""User ids that systemd gives out by DynamicUser= (https://systemd.io/UIDS-GIDS/)."""

CONFIG = """
[device]
name = "pi"
[models.faces]
bundle = "/srv/catalogue/blazeface-short"
[cameras.door]
model = "faces"
file = { path = "/srv/pictures", pictures_per_s = 4, loop = true }
[tracking]
leave_after_s = 1
[mqtt]
host = "127.0.0.1"
username = "pi"
password_credential = "edged_mqtt-password"
"""

BROKER = """
listener 1883 127.0.0.1
password_file /etc/mosquitto/passwords
"""


@pytest.fixture(scope="module", params=[SYSTEM, AT_HOME], ids=["for the system", "in a home"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which edged was installed as a service and started."""
    if "EDGED_BOOTED" not in os.environ:
        pytest.skip("runs by scripts/booted")
    build = Path(os.environ["EDGED_BOOTED"])
    catalogue, pictures = build / "cache/edged/catalogue", tmp_path_factory.mktemp("pictures")
    coming_and_going(catalogue / "carphone/carphone_pristine.mp4", pictures)
    with booted(build / "tree", {catalogue: "/srv/catalogue", pictures: "/srv/pictures"}) as machine:
        machine.run("mosquitto_passwd", "-b", "-c", "/etc/mosquitto/passwords", "pi", PASSWORD)
        machine.run("chown", "mosquitto", "/etc/mosquitto/passwords")
        machine.write("/etc/mosquitto/conf.d/pi.conf", BROKER)
        machine.run("systemctl", "restart", "mosquitto")
        machine.run(request.param, "-m", "edged", "service", "install")
        machine.write("/etc/edged/credentials/mqtt-password", PASSWORD, mode=0o600)
        machine.write("/etc/edged/edged.toml", CONFIG)
        machine.run("systemctl", "enable", "--now", "edged", check=False)
        assert machine.show("edged", "ActiveState") == "active", machine.journal()
        yield machine


def coming_and_going(clip: Path, pictures: Path) -> None:
    """Pictures of a face for two seconds, and of nothing for two."""
    pictures.chmod(0o755)
    capture = cv2.VideoCapture(str(clip))
    for number in range(16):
        _, face = capture.read()
        cv2.imwrite(str(pictures / f"{number:02}.jpg"), face if number < 8 else np.zeros_like(face))


def main_pid(machine: Machine) -> int:
    return int(machine.show("edged", "MainPID"))


def children(machine: Machine) -> set[str]:
    return set(machine.run("pgrep", "--parent", str(main_pid(machine)), check=False).split())


def next_event(machine: Machine) -> dict[str, Any]:
    """An event from the broker that was not there before."""
    machine.write("/root/password", PASSWORD, mode=0o600)
    tail = machine.run(
        SYSTEM, "-m", "edged", "tail", "--host", "127.0.0.1", "--username", "pi", "--password-file", "/root/password",
        "--json", "--count", "1", "--topic", "edged/v1/home/pi/event/#",
    )  # fmt: skip
    event: dict[str, Any] = json.loads(tail)
    return event


def test_it_is_ready_as_a_user_of_its_own_with_xnnpack_and_its_password(machine: Machine) -> None:
    assert machine.show("edged", "ActiveState") == "active"
    assert machine.show("edged", "NRestarts") == "0"
    assert int(machine.run("ps", "-o", "uid=", "-p", str(main_pid(machine)))) in DYNAMIC_USERS
    assert "on xnnpack" in machine.journal()
    assert "connected to the broker" in machine.journal()
    assert PASSWORD not in machine.journal()
    machine.wait_until("a line for systemctl status", lambda: "broker connected" in machine.show("edged", "StatusText"))


def test_events_reach_the_broker_and_the_journal_with_their_fields(machine: Machine) -> None:
    event = next_event(machine)
    assert "object_" in json.dumps(event)
    fields = json.loads(machine.run("journalctl", "--output=json", "--lines=1", "EDGED_KIND=object_appeared"))
    assert fields["SYSLOG_IDENTIFIER"] == "edged"
    assert fields["EDGED_EVENT"].startswith("pi/")
    assert fields["_SYSTEMD_UNIT"] == "edged.service"


def test_it_is_as_confined_as_promised(machine: Machine) -> None:
    exposure = machine.run("systemd-analyze", "security", "--no-pager", "edged.service").splitlines()[-1]
    assert float(exposure.split("edged.service:")[1].split()[0]) <= 1.7
    status = machine.run("cat", f"/proc/{main_pid(machine)}/status")
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "Seccomp:\t2" in status


def test_a_reload_is_taken_on_or_fails_and_changes_nothing(machine: Machine) -> None:
    before, pid = children(machine), main_pid(machine)
    machine.write("/etc/edged/edged.toml", CONFIG.replace("pictures_per_s = 4", "pictures_per_s = 5"))
    machine.run("systemctl", "reload", "edged")
    assert "reloaded /etc/edged/edged.toml: cameras.door changed" in machine.journal()
    machine.write("/etc/edged/edged.toml", CONFIG.replace('"faces"', '"facse"'))
    machine.run("systemctl", "reload", "edged", check=False)
    assert machine.show("edged", "ReloadResult") == "exit-code"
    assert "did you mean" in machine.journal()
    machine.write("/etc/edged/edged.toml", CONFIG)
    told = machine.run(SYSTEM, "-m", "edged", "reload", "--config", "/etc/edged/edged.toml")  # as root
    assert told == "reloaded: cameras.door changed"
    machine.run("kill", "-HUP", str(pid))
    machine.wait_until("the signal too", lambda: "reloaded /etc/edged/edged.toml: nothing changed" in machine.journal())
    assert (children(machine), main_pid(machine)) == (before, pid)
    assert machine.show("edged", "ActiveState") == "active"
    next_event(machine)


def test_a_signed_model_takes_the_place_of_the_old_one(machine: Machine) -> None:
    """Verified, probed, exchanged and confirmed within the walls of the unit."""
    machine.write("/root/password", PASSWORD, mode=0o600)
    machine.write("/root/passphrase", "correct horse battery", mode=0o600)
    machine.run("cp", "-r", "/srv/catalogue/blazeface-short", "/root/faces")
    machine.run("sed", "-i", 's/^version = .*/version = "2"/', "/root/faces/model.toml")
    ota, unlocked = (SYSTEM, "-m", "edged", "ota"), ("--passphrase-file", "/root/passphrase")
    broker = ("--host", "127.0.0.1", "--username", "pi", "--password-file", "/root/password")
    machine.run(*ota, "init", "/root/publisher", "--fleet", "home", *unlocked)
    machine.run(*ota, "sign", "/root/publisher", "/root/faces", "--id", "faces", *unlocked)
    machine.run(*ota, "push", "/root/publisher", *broker)
    machine.run("install", "-m", "644", "/root/publisher/channels/stable.root.json", "/etc/edged/root.json")
    follows = CONFIG.replace("[models.faces]", '[models.faces]\nfollow = "faces"')
    machine.write("/etc/edged/edged.toml", f'{follows}[ota]\nroot = "root.json"\nhealth_window_s = 5\n')
    machine.run("systemctl", "reload", "edged")

    def confirmed() -> bool:
        told = json.loads(machine.run(*ota, "status", "/root/publisher", "--json", *broker))
        return [(it["state"], it["version"]) for it in told] == [("confirmed", "2")]

    machine.wait_until("the update is confirmed", confirmed)
    next_event(machine)


def test_a_killed_vision_process_is_replaced_under_the_same_main_process(machine: Machine) -> None:
    before, pid = children(machine), main_pid(machine)
    machine.run("kill", "-KILL", *before)
    machine.wait_until("another vision process", lambda: bool(children(machine) - before))
    next_event(machine)
    assert main_pid(machine) == pid
    assert machine.show("edged", "NRestarts") == "0"


def test_a_daemon_that_hangs_is_replaced_by_the_watchdog(machine: Machine) -> None:
    pid = main_pid(machine)
    machine.run("kill", "-STOP", str(pid))
    machine.wait_until("another daemon", lambda: main_pid(machine) not in {0, pid})
    machine.wait_until("it serves", lambda: machine.show("edged", "ActiveState") == "active")
    assert machine.show("edged", "NRestarts") == "1"
    next_event(machine)


def test_stopping_is_clean_and_state_survives(machine: Machine) -> None:
    machine.run("systemctl", "stop", "edged")
    assert machine.show("edged", "Result") == "success"
    assert machine.show("edged", "ActiveState") == "inactive"
    machine.run("test", "-s", "/var/lib/edged/events.db")
    machine.start("edged")
    next_event(machine)


def test_uninstalling_leaves_what_the_person_owns(machine: Machine) -> None:
    machine.run(SYSTEM, "-m", "edged", "service", "uninstall")
    assert machine.show("edged", "LoadState") == "not-found"
    machine.run("test", "-s", "/etc/edged/edged.toml")
    machine.run("test", "-s", "/var/lib/edged/events.db")
