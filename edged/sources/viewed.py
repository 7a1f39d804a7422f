"""A source, shown as its camera's settings want it."""

from __future__ import annotations

from edged.core.errors import SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.picture_settings import PictureSettings
from edged.sources.thinning import Thinning, thinned_fps
from edged.sources.view import View


class ViewedSource(FrameSource):
    """``source`` as ``settings`` want it shown. Owns it: closed with this, or where making this raises SourceUnusable."""

    def __init__(self, source: FrameSource, settings: PictureSettings, camera: str, first_seq: int) -> None:
        self._source, self._settings = source, settings
        self._captured = source.info
        self._view = View(settings)
        thinning = Thinning(settings.every, settings.max_fps)
        self._thinning = None if source.thin(thinning) else thinning
        try:
            super().__init__(camera, _info(source.info, self._view, settings), first_seq)
        except SourceUnusable:
            source.close()
            raise

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
                if self._source.info is not self._captured:  # another size, say
                    self._captured = self._source.info
                    self._info = _info(self._captured, self._view, self._settings)
                return self._frame(self._view(frame.image), frame.captured_ns, frame.media_ns)
        return None

    def _read(self) -> Frame | None:
        try:
            return self._source.read()
        finally:
            self.damaged, self.late = self._source.damaged, self._source.late

    def _release(self) -> None:
        self._source.close()


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
