"""One daemon a state directory, and nothing to clean up after one that died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edged.core.errors import OutputUnwritable, StateInUse
from edged.daemon.state import claimed

HOLD = """
import sys
from pathlib import Path
from edged.daemon.state import claimed
with claimed(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def test_directory_is_made_for_its_owner_alone_and_nothing_is_written_to_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "new/state") as path:
        assert path.stat().st_mode & 0o777 == 0o700
        assert list(path.iterdir()) == []


def test_second_daemon_is_refused_until_the_first_is_gone_however_it_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(StateInUse, match=rf"in use by another edged \(pid {other.pid}\)"), claimed(tmp_path):
            pass
        other.kill()
        other.wait()
    with claimed(tmp_path), pytest.raises(StateInUse, match=f"pid {os.getpid()}"), claimed(tmp_path):
        pass
    with claimed(tmp_path):
        pass


def test_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(OutputUnwritable, match="state: cannot be made"), claimed(tmp_path / "state"):
        pass
