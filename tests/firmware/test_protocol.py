"""The tests of firmware/protocol, as they are and with the sanitizers."""

import subprocess

import pytest
from building import built


@pytest.mark.parametrize("preset", ["host", "host-asan"])
def test_protocol(preset: str) -> None:
    done = subprocess.run(
        [built(preset, "protocol_test"), "--gtest_brief=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
