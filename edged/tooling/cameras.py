"""Which cameras this machine has, by whatever way they are read, and who has them now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.core.errors import EdgedError
from edged.core.holders import holders
from edged.sources.devices import V4l2Camera
from edged.sources.libcamera import LibcameraCamera

RECEIVERS = frozenset({"unicam", "rp1-cfe"})
"""The Pi's receivers behind the CSI connector: their nodes capture raw sensor data, of which libcamera makes pictures."""

HeldBy = Callable[[Path], tuple[str, ...]]
"""Who has a device node open."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that could be configured: ``setting`` is how, as TOML ("" for a receiver, which is none).

    ``held_by`` are the processes that have it, as far as this user may see; of libcamera's cameras only their receiver tells.
    """

    kind: Literal["v4l2", "libcamera", "receiver"]
    name: str
    place: str
    setting: str
    accessible: bool
    held_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The cameras, and why there may be more than libcamera could tell of ("" if it could)."""

    cameras: tuple[Camera, ...]
    libcamera_problem: str


def survey(
    v4l2: Callable[[], Sequence[V4l2Camera]],
    libcamera: Callable[[], Sequence[LibcameraCamera]],
    held_by: HeldBy = holders,
) -> Survey:
    """Ask both lists for their cameras; the receivers of one name are one."""
    found = v4l2()
    cameras = [_of_kernel(camera, held_by) for camera in found if camera.name not in RECEIVERS]
    problem = ""
    try:
        cameras += [_of_libcamera(camera) for camera in libcamera()]
    except EdgedError as error:
        problem = str(error)
    for name in dict.fromkeys(camera.name for camera in found if camera.name in RECEIVERS):
        cameras.append(_receiver([camera for camera in found if camera.name == name], held_by))
    return Survey(tuple(cameras), problem)


def _of_kernel(camera: V4l2Camera, held_by: HeldBy) -> Camera:
    setting = f'v4l2 = {{ device = "{camera.by_id or camera.device}" }}'
    return Camera("v4l2", camera.name, str(camera.device), setting, camera.accessible, held_by(camera.device))


def _of_libcamera(camera: LibcameraCamera) -> Camera:
    return Camera("libcamera", camera.model, camera.id, f"libcamera = {{ camera = {camera.index} }}", accessible=True, held_by=())


def _receiver(nodes: Sequence[V4l2Camera], held_by: HeldBy) -> Camera:
    """The nodes of one receiver, of which a Pi 5 has a dozen, as one."""
    held = tuple(dict.fromkeys(holder for node in nodes for holder in held_by(node.device)))
    return Camera("receiver", nodes[0].name, str(nodes[0].device), "", nodes[0].accessible, held)
