"""Writes a corpus for the fuzzer of the model reader: one small model for each operator and type, and graphs.

``python tests/firmware/fuzz_seeds.py DIRECTORY [COUNT]``; COUNT models of each kind, 8 if not given. The models are the same every
time.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
from generated_models import KINDS, graphs, one_operator
from hypothesis import given, settings
from hypothesis import strategies as st
from model_sketch import Case

MAX_BYTES = 4096  # of a seed: the fuzzer finds its way in small ones


def drawn(strategy: st.SearchStrategy[Case], count: int) -> list[Case]:
    """The first ``count`` models of a strategy, always the same."""
    cases: list[Case] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=[*hypothesis.HealthCheck],
    )  # fmt: skip
    @given(strategy)
    def take(case: Case) -> None:
        cases.append(case)

    take()
    return cases


def models(count: int) -> Iterator[bytes]:
    """``count`` of each operator, and graphs; the small ones of them."""
    for strategy in (*(one_operator(name) for name in KINDS), graphs()):
        yield from (case.model for case in drawn(strategy, count) if len(case.model) <= MAX_BYTES)


def main(directory: Path, count: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for model in models(count):
        (directory / hashlib.sha256(model).hexdigest()[:16]).write_bytes(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8)
