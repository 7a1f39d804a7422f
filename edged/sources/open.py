"""From settings to an open source."""

from __future__ import annotations

from pathlib import Path

from edged.core.errors import SourceUnusable
from edged.sources.base import FrameSource
from edged.sources.libcamera import open_libcamera
from edged.sources.pictures import SUFFIXES, Pictures, pictures_of
from edged.sources.recording import Recording, RecordingSource
from edged.sources.settings import FileSettings, SourceSettings, SyntheticSettings, source_problems
from edged.sources.synthetic import SyntheticRecording
from edged.sources.v4l2 import open_v4l2
from edged.sources.video import Video
from edged.sources.viewed import ViewedSource


def open_source(camera: str, settings: SourceSettings, first_seq: int = 0) -> FrameSource:
    """Open the one source that ``settings`` names, and show its picture as they say; its first frame is number ``first_seq``.

    Raises CameraLost (trying again later may help) or SourceUnusable (it will not). ValueError for settings that
    ``source_problems`` objects to.
    """
    if problems := source_problems(settings):
        raise ValueError("; ".join(problems))
    source = _open(camera, settings, first_seq)
    return source if settings.picture is None else ViewedSource(source, settings.picture, camera, first_seq)


def _open(camera: str, settings: SourceSettings, first_seq: int) -> FrameSource:
    if settings.file is not None:
        return _open_file(camera, settings.file, first_seq)
    if settings.synthetic is not None:
        return _open_synthetic(camera, settings.synthetic, first_seq)
    if settings.libcamera is not None:
        return open_libcamera(camera, settings.libcamera, first_seq)
    if settings.stream is not None:
        from edged.sources.stream import open_stream  # 19 MB of FFmpeg that only network cameras need

        return open_stream(camera, settings, settings.stream, first_seq)
    assert settings.v4l2 is not None
    return open_v4l2(camera, settings.v4l2, first_seq)


def _open_file(camera: str, settings: FileSettings, first_seq: int) -> FrameSource:
    recording = _recording(settings)
    return RecordingSource(camera, recording, pace=settings.pace, loop=settings.loop, live=False, first_seq=first_seq)


def _recording(settings: FileSettings) -> Recording:
    path: Path = settings.path
    try:
        is_directory, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise SourceUnusable(f"{path}: {error.strerror}") from error
    if is_directory:
        return Pictures(path, pictures_of(path, settings.pattern), settings.pictures_per_s)
    if not is_file:
        raise SourceUnusable(f"{path}: {'no regular file' if path.exists() else 'no such file or directory'}")
    if path.suffix.lower() in SUFFIXES:
        return Pictures(path, [path], settings.pictures_per_s)
    return Video(path)


def _open_synthetic(camera: str, settings: SyntheticSettings, first_seq: int) -> FrameSource:
    live = settings.pace == "realtime"
    return RecordingSource(camera, SyntheticRecording(settings), pace=settings.pace, loop=False, live=live, first_seq=first_seq)
