"""A constant-velocity Kalman filter of boxes, for all tracks at once.

State ``mean`` float64 (n, 8): centre x, centre y, width, height in px, then their rates in px/s. All noise is proportional to
the size of the box and the same for its four numbers, and no number influences another. So the 8 x 8 covariance falls into
four equal 2 x 2 blocks, and divided by the squared size one block says it all: ``cov`` float64 (n, 3) holds the variance of a
value, its covariance with its rate and the variance of the rate, in sizes squared (per s, per s squared).

Noise by time, not by frame: the acceleration is white noise, integrated over the time that passed (Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 6.2.2), so that 0.5 and 60 frames a second both hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZE_RATES = slice(6, 8)
"""Where the rates of width and height are in ``mean``."""

MEASURED_STD = 0.05
"""A detector's error in one number of a box, in sizes: 1/20 as in SORT, DeepSORT and ByteTrack."""

RATE_STD = 2.0
"""What is known of a new object's rates, in sizes/s: a walker passes 1.5 of his own sizes in a second (ByteTrack: 1.9)."""

ACCELERATION = 1.0
"""Power of the acceleration noise, in sizes squared / s cubed: over one second a rate changes by one size/s (one sigma)."""

MIN_SIDE_PX = 1.0
"""No predicted box is smaller: sizes are extrapolated too, and may not turn over."""


def start(measured: Floats) -> tuple[Floats, Floats]:
    """``mean`` and ``cov`` of new tracks from ``measured`` (n, 4): centre x, centre y, width, height in px."""
    mean = np.concatenate([measured, np.zeros_like(measured)], axis=1)
    mean[:, 2:4] = np.maximum(mean[:, 2:4], MIN_SIDE_PX)
    return mean, np.tile([MEASURED_STD**2, 0.0, RATE_STD**2], (len(measured), 1))


def predict(mean: Floats, cov: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """State and covariance ``dt_s`` >= 0 seconds later."""
    later = mean.copy()
    later[:, :4] += dt_s * mean[:, 4:]
    later[:, 2:4] = np.maximum(later[:, 2:4], MIN_SIDE_PX)
    value, shared, rate = cov.T
    spread = np.empty_like(cov)
    spread[:, 0] = value + dt_s * (2 * shared + dt_s * rate) + ACCELERATION * dt_s**3 / 3
    spread[:, 1] = shared + dt_s * rate + ACCELERATION * dt_s**2 / 2
    spread[:, 2] = rate + ACCELERATION * dt_s
    return later, spread


def correct(mean: Floats, cov: Floats, measured: Floats) -> tuple[Floats, Floats]:
    """State and covariance after seeing ``measured`` (n, 4), one box a track."""
    value, shared, rate = cov.T
    gain = value / (value + MEASURED_STD**2)
    gain_rate = shared / (value + MEASURED_STD**2)
    error = measured - mean[:, :4]
    seen = mean + np.concatenate([gain[:, None] * error, gain_rate[:, None] * error], axis=1)
    seen[:, 2:4] = np.maximum(seen[:, 2:4], MIN_SIDE_PX)
    return seen, np.stack([(1 - gain) * value, (1 - gain) * shared, rate - gain_rate * shared], axis=1)


def xyxy_of(mean: Floats) -> NDArray[np.float32]:
    """The boxes (n, 4) as x0, y0, x1, y1 in px."""
    half = mean[:, 2:4] / 2
    return np.concatenate([mean[:, :2] - half, mean[:, :2] + half], axis=1).astype(np.float32)


def measured_of(xyxy: NDArray[np.float32]) -> Floats:
    """Boxes x0, y0, x1, y1 (n, 4) as centre x, centre y, width, height float64 (n, 4)."""
    low, high = xyxy[:, :2].astype(np.float64), xyxy[:, 2:].astype(np.float64)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def position_std_px(mean: Floats, cov: Floats, most: float) -> NDArray[np.float32]:
    """Standard deviation (n,) of a box's position in px, at most ``most`` sizes."""
    return (np.minimum(np.sqrt(cov[:, 0]), most) * np.sqrt(mean[:, 2] * mean[:, 3])).astype(np.float32)
