"""Marks of who is inside an accelerator, which outlive the process that made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from edged.vision.note import NAME_BYTES, SLOTS, Note, shared

DIE = """
import os, sys
from edged.vision.note import Note
note = Note(int(sys.argv[1]))
with note.section("left"):
    pass
with note.section("inside"):
    os.abort()
"""


def test_a_mark_outlives_the_process_that_died_inside() -> None:
    note, fd = shared()
    died = subprocess.run([sys.executable, "-P", "-c", DIE, str(fd)], pass_fds=[fd], stderr=subprocess.DEVNULL, check=False)
    os.close(fd)
    assert died.returncode == -signal.SIGABRT
    assert note.inside() == ("inside",)
    note.close()


def test_an_error_leaves_the_mark_for_who_handles_it() -> None:
    note = Note()
    section = note.section("gate")
    with section:
        assert note.inside() == ("gate",)
        with section:  # as the self-test within the loading
            pass
    assert note.inside() == ()
    with pytest.raises(ValueError, match="bad"), note.section("gate"):
        raise ValueError("bad")
    assert note.inside() == ("gate",)


def test_loading_a_model_anew_leaves_the_mark_of_the_one_that_serves() -> None:
    note = Note()
    with ThreadPoolExecutor(1) as loading:
        first = loading.submit(note.section, "gate").result()
        with first:  # this thread serves it
            loading.submit(_load_anew, note).result()
            assert note.inside() == ("gate",)
        assert note.inside() == ()
        second = loading.submit(note.section, "gate").result()
        loading.submit(second.__enter__).result()
        with first:
            pass
        assert note.inside() == ("gate",)


def _load_anew(note: Note) -> None:
    with note.section("gate"):
        pass


def test_who_serves_is_named_before_who_is_loaded() -> None:
    note = Note()
    with ThreadPoolExecutor(1) as other:
        loaded, serving = note.section("loaded"), other.submit(note.section, "serving").result()
        with loaded, serving:
            assert note.inside() == ("serving", "loaded")


def test_odd_names_and_too_many_of_them_are_harmless() -> None:
    note = Note()
    with note.section("é" * NAME_BYTES):
        assert len(note.inside()) == 1
    sections = [note.section(str(number)) for number in range(2 * SLOTS)]
    for section in sections:
        section.__enter__()
    assert len(note.inside()) == SLOTS - 1
