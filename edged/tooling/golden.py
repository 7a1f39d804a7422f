"""Makes golden vectors (``edged.infer.golden``) by running a model here, and says what its signature is.

A tolerance is measured and not guessed: the runtime has two sets of kernels, XNNPACK's and its own, and how far their answers to
a picture lie apart says how far those of another machine may. What a vector cannot tell from the answers to another picture tells
nothing, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edged.core.cv import cv2
from edged.core.errors import ModelRejected
from edged.infer.answers import distance, give, judged_tensors, mean_difference
from edged.infer.bundle import Bundle
from edged.infer.encryption import Key, read_model
from edged.infer.engine import Engine
from edged.infer.golden import MAX_BYTES, Answer, Generated, Golden, Stored, Vector, describe, encode
from edged.infer.graph import Form, Graph
from edged.infer.settings import RuntimeName

PATTERNS = (
    Generated("noise-1", 1),
    Generated("blocks-1", 1),
    Generated("blocks-1", 2),
    Generated("gradient-1"),
    Generated("flat-1", 1),
    Generated("flat-1", 2),
)
"""What every model is asked: every frequency at once, large patches, a slope, and next to nothing, bright and dark."""

MAX_PICTURES = 4
"""Each takes its pixels: 270 KB for a model of 300 x 300."""

SLACK = 2.0
"""Between the kernels of one machine, and those of another; tflite-runtime was within 1.1 times what LiteRT's two are apart."""

SPREAD_SHARE = 0.02
"""Of what the numbers of an answer differ among themselves: float16 arithmetic stays well below that."""

VALUE_SHARE = 0.002
"""Of the numbers themselves, where they are not whole: a lone score differs from nothing."""

STEPS_APART = 4
"""A whole answer may be off by so many steps in sum where kernels agree entirely: one step in each of a few classes."""

MAX_VALUES = 8192
"""A larger tensor is judged by a sample: half of it the most extreme, where it says something, half spread over all of it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A picture, and what each tensor held after it."""

    picture: Generated | Stored
    answers: tuple[Answer, ...]
    held: tuple[NDArray[np.generic], ...]


def signature(bundle: Bundle, key: Key | None = None) -> tuple[tuple[Form, ...], tuple[Form, ...]]:
    """Inputs and outputs of the ``cpu`` variant, as a signed target states them; raises ModelRejected."""
    return _graph(bundle, key).forms()


def make_golden(
    bundle: Bundle,
    pictures: Sequence[Path] = (),
    *,
    runtime: RuntimeName = "litert",
    threads: int = 1,
    custom_ops: Sequence[str] = (),
    key: Key | None = None,
) -> bytes:
    """The content of ``golden.msgpack`` for ``bundle``: its answers to patterns of our own and to ``pictures``, at most four.

    Raises ModelRejected for a model that does not run here, whose answers are not finite, or do not depend on the picture by more
    than on the kernels; and for a picture that cannot be read. Runs the model in this process: verify it before.
    """
    tensors = judged_tensors(_graph(bundle, key))
    fast, plain = (
        Engine(bundle, threads=threads, runtime=runtime, delegate=which, custom_ops=custom_ops, key=key)
        for which in ("auto", "none")
    )
    if len(pictures) > MAX_PICTURES:
        raise ModelRejected(f"{len(pictures)} pictures for golden vectors; at most {MAX_PICTURES} are taken")
    shown: list[Generated | Stored] = [_stored(path, fast) for path in pictures]
    asked = [_ask(fast, plain, picture, tensors) for picture in (*shown, *PATTERNS)]
    kept: list[_Asked] = []
    for one in asked:
        if all(_tells_apart(one, other) and _tells_apart(other, one) for other in kept):
            kept.append(one)
    if len(kept) < 2:
        raise ModelRejected(
            f"{bundle.manifest.name}: its answers differ between kernels as much as between pictures, so that they prove nothing",
            hint="Sign it without golden vectors; the trial on live frames judges it.",
        )
    golden = Golden(made_by=fast.info.runtime, vectors=tuple(Vector(picture=it.picture, answers=it.answers) for it in kept))
    data = encode(golden)
    if len(data) > MAX_BYTES:
        raise ModelRejected(f"{bundle.manifest.name}: its golden vectors take {len(data):,} bytes", hint="Give fewer pictures.")
    return data


def _graph(bundle: Bundle, key: Key | None) -> Graph:
    return Graph.read(read_model(bundle, "cpu", key), str(bundle.paths["cpu"]))


def _stored(path: Path, engine: Engine) -> Stored:
    """The picture at ``path``, stretched to the size that the model takes, its colours in the model's order."""
    _, height, width, channels = engine.input.shape
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR)
    if image is None:
        raise ModelRejected(f"{path}: this is no picture that can be read")
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if channels == 3 and engine.bundle.manifest.input.colour == "rgb":
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
    return Stored(small.tobytes())


def _ask(fast: Engine, plain: Engine, picture: Generated | Stored, tensors: tuple[int, ...]) -> _Asked:
    held, other = give(fast, picture, tensors), give(plain, picture, tensors)
    for tensor, values, apart in zip(tensors, held, other, strict=True):
        if not values.size or values.shape != apart.shape:
            raise ModelRejected(f"tensor {tensor}: how much it holds for {describe(picture)} depends on the kernels, or is nothing")
        if not np.isfinite(values).all():
            raise ModelRejected(f"tensor {tensor} is not finite for {describe(picture)}", fault="not finite")
    answers = (_answer(*three) for three in zip(tensors, held, other, strict=True))
    return _Asked(picture, tuple(answers), tuple(held))


def _answer(tensor: int, values: NDArray[np.generic], other: NDArray[np.generic]) -> Answer:
    positions = _sample(values)
    flat, apart = values.ravel(), other.ravel()
    if positions is not None:
        flat, apart = flat[positions], apart[positions]
    spread = mean_difference(flat, np.median(flat.astype(np.float64)) * np.ones(1))
    size = float(np.abs(flat.astype(np.float64)).mean())
    least = STEPS_APART / flat.size if values.dtype.kind in "iub" else VALUE_SHARE * size
    return Answer(
        tensor=tensor,
        shape=values.shape,
        dtype=values.dtype.name,
        values=flat.astype(values.dtype.newbyteorder("<")).tobytes(),
        tolerance=max(SLACK * mean_difference(flat, apart), SPREAD_SHARE * spread, least),
        positions=b"" if positions is None else positions.astype("<u4").tobytes(),
    )


def _sample(values: NDArray[np.generic]) -> NDArray[np.intp] | None:
    """Which values of a tensor are kept; ``None`` for all of them."""
    if values.size <= MAX_VALUES:
        return None
    flat = values.ravel().astype(np.float64)
    extreme = np.argsort(-np.abs(flat - np.median(flat)), kind="stable")[: MAX_VALUES // 4]
    spread = np.random.default_rng(1).integers(0, flat.size, MAX_VALUES // 4)  # stored, so that nothing depends on the generator
    return np.unique(np.concatenate([extreme, spread]))


def _tells_apart(one: _Asked, other: _Asked) -> bool:
    """Whether the answers of ``one`` would refuse what the model held after ``other``."""
    pairs = zip(one.answers, other.held, strict=True)
    return any(answer.shape != held.shape or distance(answer, held) > answer.tolerance for answer, held in pairs)
