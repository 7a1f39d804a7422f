"""A source, shown as its camera's settings want it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edged.core.errors import CameraLost, SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.picture_settings import PictureSettings
from edged.sources.thinning import Thinning, thinned_fps
from edged.sources.view import View


class ViewedSource(FrameSource):
    """``source`` as ``settings`` want it shown. Owns it: closed with this, or where making this fails.

    Making and reading raise SourceUnusable for a recording of whose pictures the crop leaves too little, CameraLost for a camera:
    what is too small now may be another size tomorrow, since cameras change theirs, by themselves too.
    """

    def __init__(self, source: FrameSource, settings: PictureSettings, camera: str, first_seq: int) -> None:
        self._source, self._settings = source, settings
        self._captured = source.info
        self._view = View(settings)
        thinning = Thinning(settings.every, settings.max_fps)
        self._thinning = None if source.thin(thinning) else thinning
        try:
            with _judged(source.info.live):
                info = _info(source.info, self._view, settings)
        except (CameraLost, SourceUnusable):
            source.close()
            raise
        super().__init__(camera, info, first_seq)

    @property
    def heard_ns(self) -> int:
        """As ``FrameSource.heard_ns``, also while a read leaves out one picture after the other."""
        return self._source.heard_ns

    def close(self) -> None:
        """As ``FrameSource.close``; at once also where the source waits."""
        self._source.close()
        super().close()

    def _next(self) -> Frame | None:
        while (frame := self._read()) is not None:
            if self._thinning is None or self._thinning.takes(frame.scene_ns):
                with _judged(self._info.live):
                    if self._source.info is not self._captured:  # another size, say
                        self._captured = self._source.info
                        self._info = _info(self._captured, self._view, self._settings)
                    shown = self._view(frame.image)
                return self._frame(shown, frame.captured_ns, frame.media_ns)
        return None

    def _read(self) -> Frame | None:
        try:
            return self._source.read()
        finally:
            self.damaged, self.late = self._source.damaged, self._source.late

    def _release(self) -> None:
        self._source.close()


@contextmanager
def _judged(live: bool) -> Iterator[None]:
    """A picture that cannot be shown is the end of a recording, and of a camera only for now."""
    try:
        yield
    except SourceUnusable as error:
        if not live:
            raise
        raise CameraLost(error.message, hint=error.hint, fault="unusable") from error


def _info(of: SourceInfo, view: View, settings: PictureSettings) -> SourceInfo:
    width, height = view.size(of.width, of.height)
    fps = thinned_fps(of.fps, settings.every, settings.max_fps)
    done = [
        f"turned by {settings.rotate}°" if settings.rotate else "",
        "mirrored" if settings.mirror else "",
        f"cropped to {width}x{height}" if settings.crop else "",
        f"{len(settings.masks)} masked" if settings.masks else "",
        f"thinned to {fps:g} fps" if fps != of.fps else "",
    ]
    return SourceInfo(width, height, fps, ", ".join([of.description, *filter(None, done)]), of.live)
