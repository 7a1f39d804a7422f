"""Models as an update may bring them: a sound one, and others that are the same but for one fault. For tests of probes and trials.

They score how red, green and blue a picture is (decoder ``classification``). Those in ``SEEN`` a probe can refuse; those in
``HIDDEN`` behave until a picture is bright, and what a probe shows is not: only a trial on live frames can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edged.testing import hostile
from edged.testing.network import Network

SIDE_PX = 32
BRIGHT = 0.8
"""The mean of all pixels, 0..1, from which the hidden faults show. Of noise, of a slope and of grey it is 0.5."""

MANIFEST = """\
name = "colours"
version = "{version}"
labels = ["red", "green", "blue"]
[files]
cpu = "colours.tflite"
[input]
mean = [0.0]
std = [255.0]
[decoder]
name = "classification"
score_threshold = 0.01
"""


def write_candidate(directory: Path, model: bytes, version: str = "1") -> Path:
    """Make a bundle of ``model`` in ``directory``, which is made too."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "colours.tflite").write_bytes(model)
    (directory / "model.toml").write_text(MANIFEST.format(version=version))
    return directory


def sound() -> bytes:
    """Each score is the mean of a colour."""
    return _scoring([[1, 0, 0], [0, 1, 0], [0, 0, 1]])


def other_shape() -> bytes:
    """Takes pictures of another size, and has one score more."""
    network, colours = _colours(SIDE_PX // 2)
    more = network.convolution(colours, np.vstack([np.eye(3), [0.5, 0.5, 0.0]]), np.zeros(4))
    return network.build([network.reshape(more, (1, 4))])


def other_answers() -> bytes:
    """Takes red for blue: of the right shape, finite, quick, and wrong."""
    return _scoring([[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def blind() -> bytes:
    """Scores nothing above nothing."""
    return _scoring([[0, 0, 0], [0, 0, 0], [0, 0, 0]])


def slow(layers: int) -> bytes:
    """The sound one behind so many convolutions over all of the picture, 64 channels wide; they change nothing."""
    network = Network((1, SIDE_PX, SIDE_PX, 3))
    wide = network.convolution(network.input, np.eye(64, 3), np.zeros(64))
    for _ in range(layers):
        wide = network.convolution(wide, np.eye(64), np.zeros(64))
    colours = network.average(network.convolution(wide, np.eye(3, 64), np.zeros(3)), SIDE_PX)
    return network.build([network.reshape(colours, (1, 3))])


def not_finite() -> bytes:
    """0 / 0 in each score, whatever the picture."""
    network, colours = _colours()
    nothing = network.convolution(colours, np.zeros((3, 3)), np.zeros(3))
    wrong = network.apply("DIV", [nothing, nothing], (1, 1, 1, 3))
    return network.build([network.reshape(network.sum(colours, wrong), (1, 3))])


def not_finite_when_bright() -> bytes:
    """The root of a number below 0 as soon as a picture is bright, added nought times."""
    network, colours = _colours()
    root = network.apply("SQRT", [_darkness(network, colours)], (1, 1, 1, 1))
    nought = network.convolution(root, np.zeros((3, 1)), np.zeros(3))
    return network.build([network.reshape(network.sum(colours, nought), (1, 3))])


def hanging_when_bright() -> bytes:
    """Never comes to an end as soon as a picture is bright."""
    network, colours = _colours()
    score = network.reshape(network.convolution(colours, [[1 / 3] * 3], [0.0]), (1,))
    stuck = network.reshape(network.stuck_above(score, BRIGHT), (1, 1, 1, 1))
    nought = network.convolution(stuck, np.zeros((3, 1)), np.zeros(3))
    return network.build([network.reshape(network.sum(colours, nought), (1, 3))])


def failing_when_bright() -> bytes:
    """Puts a number in a place that is not there as soon as a picture is bright: the runtime refuses to go on."""
    network, colours = _colours()
    dark = network.apply("MINIMUM", [_darkness(network, colours), network.constant([[[[0.0]]]])], (1, 1, 1, 1))
    far = network.reshape(network.convolution(dark, [[-4e9]], [0.0]), (1,))
    place = network.apply("CAST", [far], (1,), "int32")
    parts = [place, network.constant([3], "int32"), network.constant([0.0]), network.constant(0.0)]
    nought = network.apply("SPARSE_TO_DENSE", parts, (3,))
    return network.build([network.sum(network.reshape(colours, (1, 3)), network.reshape(nought, (1, 3)))])


def crashing_when_bright() -> bytes:
    """Ends its process with SIGSEGV as soon as a picture is bright, by the custom operator "Fragile", which doubles its input.

    LiteRT's own operators check what they are given; `tests/native/custom_op.cpp` has this one.
    """
    network, colours = _colours()
    broken = network.custom("Fragile", _darkness(network, colours), (1, 1, 1, 1))
    nought = network.convolution(broken, np.zeros((3, 1)), np.zeros(3))
    return network.build([network.reshape(network.sum(colours, nought), (1, 3))])


def greedy_when_bright(megabytes: int) -> bytes:
    """Takes so much memory for a tensor as soon as a picture is bright, and keeps it."""
    network, colours = _colours()
    zero = network.constant([[[[0.0]]]])
    bright = network.apply("MAXIMUM", [network.convolution(_darkness(network, colours), [[-1.0]], [0.0]), zero], (1, 1, 1, 1))
    many = network.apply("CEIL", [network.apply("MINIMUM", [bright, network.constant([[[[1.0]]]])], (1, 1, 1, 1))], (1, 1, 1, 1))
    # Four bytes each; at least one, since nothing has no sum.
    count = network.reshape(network.convolution(many, [[megabytes * 2.0**18 - 1]], [1.0]), ())
    steps = [network.constant(0.0), count, network.constant(1.0)]
    row = network.apply("RANGE", steps, (1,))
    least = network.apply("REDUCE_MIN", [row, network.constant([0], "int32")], (1,))
    nought = network.reshape(network.apply("MUL", [least, network.constant([0.0])], (1,)), (1, 1, 1, 1))
    return network.build(
        [network.reshape(network.sum(colours, network.convolution(nought, np.zeros((3, 1)), np.zeros(3))), (1, 3))]
    )


SEEN: dict[str, Callable[[], bytes]] = {
    "crashing": hostile.crashing,
    "hanging": hostile.hanging,
    "eating": lambda: hostile.eating(5000),
    "not finite": not_finite,
    "slow": lambda: slow(200),
    "another shape": other_shape,
    "other answers": other_answers,
}
"""What a probe refuses, given what is stated of the sound model and 300 MB."""

HIDDEN: dict[str, Callable[[], bytes]] = {
    "not finite": not_finite_when_bright,
    "failing": failing_when_bright,
    "hanging": hanging_when_bright,
    "greedy": lambda: greedy_when_bright(200),
}
"""What passes a probe, and fails on bright pictures."""


def _scoring(matrix: list[list[int]]) -> bytes:
    network, colours = _colours()
    return network.build([network.reshape(network.convolution(colours, matrix, np.zeros(3)), (1, 3))])


def _colours(side_px: int = SIDE_PX) -> tuple[Network, int]:
    network = Network((1, side_px, side_px, 3))
    return network, network.average(network.input, side_px)


def _darkness(network: Network, colours: int) -> int:
    """How far the mean of the colours is below ``BRIGHT``, [1, 1, 1, 1]; negative for bright pictures."""
    return network.convolution(colours, [[-1 / 3, -1 / 3, -1 / 3]], [BRIGHT])
