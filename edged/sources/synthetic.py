"""A rendered scene with known ground truth: textured objects cross a textured background, leave it and come back.

Every frame is a function of the settings and its number alone, so that a test may ask for any of them, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged.core.track import Box
from edged.sources.base import Image
from edged.sources.recording import Picture
from edged.sources.settings import SyntheticSettings

CLASSES = ("box", "disc", "diamond")
"""The shapes, at the index that is their class."""


@dataclass(frozen=True, slots=True)
class Truth:
    """An object in one frame: its number (the same in all frames), its class, its box in px clipped to the frame.

    Objects with higher numbers hide those with lower ones; a hidden object is still told.
    """

    number: int
    class_id: int
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A textured shape and its way: centre at ``start`` px and ``speed`` px per frame, both (2,) as x, y."""

    class_id: int
    image: Image
    mask: NDArray[np.bool_]
    start: NDArray[np.float64]
    speed: NDArray[np.float64]


class SyntheticScene:
    """The scene of ``settings``: pixels and truth of every frame."""

    def __init__(self, settings: SyntheticSettings) -> None:
        self._size = np.array([settings.width, settings.height], np.float64)
        rng = np.random.default_rng(settings.seed)
        self._background = _texture(rng, settings.height, settings.width, cell_px=32, low=60, high=120)
        self._sprites = [_sprite(rng, number % len(CLASSES), self._size, settings.fps) for number in range(settings.objects)]

    def render(self, index: int) -> Image:
        """Frame ``index``, a new array (height, width, 3)."""
        image = self._background.copy()
        for sprite in self._sprites:
            (left, top), (height, width) = self._corner(sprite, index), sprite.mask.shape
            x0, y0 = max(left, 0), max(top, 0)
            x1, y1 = min(left + width, image.shape[1]), min(top + height, image.shape[0])
            if x0 < x1 and y0 < y1:
                part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
                mask = sprite.mask[part]
                image[y0:y1, x0:x1][mask] = sprite.image[part][mask]
        return image

    def truth(self, index: int) -> tuple[Truth, ...]:
        """The objects of frame ``index`` that reach into the picture, by number."""
        found = []
        for number, sprite in enumerate(self._sprites):
            (left, top), (height, width) = self._corner(sprite, index), sprite.mask.shape
            x0, x1 = np.clip([left, left + width], 0, self._size[0])
            y0, y1 = np.clip([top, top + height], 0, self._size[1])
            if x0 < x1 and y0 < y1:
                found.append(Truth(number, sprite.class_id, (float(x0), float(y0), float(x1), float(y1))))
        return tuple(found)

    def _corner(self, sprite: Sprite, index: int) -> tuple[int, int]:
        """Left and top in px: a straight way, reflected where the object has wholly left the picture."""
        size = np.array(sprite.mask.shape[::-1], np.float64)
        span = self._size + size
        folded = np.mod(sprite.start + sprite.speed * index, 2 * span)
        left, top = np.rint(np.minimum(folded, 2 * span - folded) - size).astype(int)
        return int(left), int(top)


class SyntheticRecording:
    """A ``Recording`` of the scene."""

    def __init__(self, settings: SyntheticSettings) -> None:
        self._scene = SyntheticScene(settings)
        self._settings = settings
        self._index = 0

    @property
    def description(self) -> str:
        """What is rendered."""
        return f"synthetic scene of {self._settings.objects} objects, seed {self._settings.seed}"

    @property
    def fps(self) -> float:
        """The rate of the settings."""
        return self._settings.fps

    def next(self) -> Picture | None:
        """The next frame, ``None`` after the last."""
        if self._settings.frames is not None and self._index >= self._settings.frames:
            return None
        picture = Picture(round(self._index * 1e9 / self._settings.fps), self._scene.render(self._index))
        self._index += 1
        return picture

    def rewind(self) -> None:
        """Begin with frame 0 again."""
        self._index = 0

    def close(self) -> None:
        """Nothing is held."""


def _texture(rng: np.random.Generator, height: int, width: int, *, cell_px: int, low: int, high: int) -> Image:
    """Coloured cells with grain, uint8 (height, width, 3)."""
    cells = rng.integers(low, high, (height // cell_px + 1, width // cell_px + 1, 3))
    smooth = np.kron(cells, np.ones((cell_px, cell_px, 1)))[:height, :width]
    grained: NDArray[np.float64] = np.clip(smooth + rng.integers(-12, 13, smooth.shape), 0, 255)
    return grained.astype(np.uint8)


def _sprite(rng: np.random.Generator, class_id: int, frame: NDArray[np.float64], fps: float) -> Sprite:
    """An object of an eighth to a third of the frame's height that crosses the frame in 4 to 10 seconds."""
    size = int(rng.integers(int(frame[1]) // 8, int(frame[1]) // 3))
    image = _texture(rng, size, size, cell_px=max(2, size // 6), low=120, high=256)
    u, v = np.abs(np.meshgrid(*[(np.arange(size) + 0.5) * 2 / size - 1] * 2))
    mask = {"box": np.ones((size, size), bool), "disc": u**2 + v**2 <= 1, "diamond": u + v <= 1 + 1 / size}[CLASSES[class_id]]
    angle = rng.uniform(0, 2 * np.pi)
    speed = frame / rng.uniform(4, 10) / fps * [np.cos(angle), np.sin(angle)]
    return Sprite(class_id, image, mask, start=size + rng.uniform(0, 1, 2) * (frame - size), speed=speed)
