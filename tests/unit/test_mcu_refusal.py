"""Every number that the firmware refuses with has a text: its own sources say which there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from smp.error import MGMT_ERR
from smp.header import GroupId
from smp.image_management import IMG_MGMT_ERR
from smpclient.requests.image_management import ImageUploadWrite

from edged.mcu import messages
from edged.mcu.refusal import refused

FIRMWARE = Path(__file__).parents[2] / "firmware"
REQUEST = ImageUploadWrite(off=0, data=b"")


def statuses() -> dict[str, int]:
    """Those of result.h but kOk, by name."""
    header = (FIRMWARE / "core" / "result.h").read_text()
    found = {name: int(number) for name, number in re.findall(r"^\s+(k[A-Z]\w+) = (\d+),", header, re.MULTILINE)}
    assert found.pop("kOk") == 0
    assert sorted(found.values()) == [*range(1, len(found) + 1)], "nothing was missed"
    return found


def answers(source: str, function: str) -> dict[str, str]:
    """What a function that switches over Status gives for each."""
    body = (FIRMWARE / source).read_text().split(f"{function}(Status status)", 1)[1].split("\n}", 1)[0]
    given: dict[str, str] = {}
    for cases, value in re.findall(r"((?:case Status::k\w+:\s*)+)(?:return|break)\s*([\w:]*);", body):
        given |= dict.fromkeys(re.findall(r"Status::(k\w+)", cases), value)
    return given


def test_statuses_of_our_group() -> None:
    for name, number in statuses().items():
        assert f"status {number}" not in refused(REQUEST, messages.GROUP, number).message, name


def test_statuses_of_the_image_group() -> None:
    given = answers("boot/image_group.cc", "ImageGroup::error")
    assert {*given} == {*statuses(), "kOk"}
    for name, number in statuses().items():
        error = refused(REQUEST, GroupId.IMAGE_MANAGEMENT, int(given[name]))
        assert "of its image group" not in error.message, (name, number)


def test_statuses_that_all_groups_share() -> None:
    given = answers("protocol/smp_server.cc", "smp_error")
    assert {*given} == {*statuses(), "kOk"}
    header = (FIRMWARE / "protocol" / "smp_server.h").read_text().split("enum class SmpError", 1)[1].split("}", 1)[0]
    numbers = {name: int(number) for name, number in re.findall(r"(k\w+) = (\d+),", header)}
    assert {value.removeprefix("SmpError::") for value in given.values() if value} <= {*numbers}
    for name, number in numbers.items():
        assert not refused(REQUEST, None, number).message.endswith(f"code {number}"), name


@pytest.mark.parametrize("code", [IMG_MGMT_ERR.INVALID_TLV, IMG_MGMT_ERR.INVALID_FLASH_ADDRESS])
def test_what_no_repetition_changes_says_what_to_change(code: int) -> None:
    assert "sign" in refused(REQUEST, GroupId.IMAGE_MANAGEMENT, code).hint.lower()


def test_a_number_that_nobody_knows_is_told_as_it_is() -> None:
    assert "code 999 of its image group" in refused(REQUEST, GroupId.IMAGE_MANAGEMENT, 999).message
    assert "status 200" in refused(REQUEST, messages.GROUP, 200).message
    assert "code 999" in refused(REQUEST, None, 999).message
    assert "edged mcu flash" in refused(REQUEST, None, MGMT_ERR.ENOTSUP).hint
