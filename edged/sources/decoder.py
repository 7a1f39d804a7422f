"""The decoder of a stream: in software, or by the hardware that was asked for if it is there."""

from __future__ import annotations

from typing import cast

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from edged.sources.stream_settings import HwAccel
from edged.sources.video import MAX_FRAME_PIXELS


def open_decoder(video: VideoStream, hwaccel: HwAccel | None, *, low_latency: bool) -> tuple[VideoCodecContext, str]:
    """A decoder for ``video``, and what it is in a few words; without the hardware named by ``hwaccel`` one in software."""
    software = video.codec_context
    name = software.codec.canonical_name
    if hwaccel is not None:
        hardware = _hardware(software, hwaccel)
        if hardware is not None:
            return hardware, f"{name} decoded by {hwaccel}"
    # One thread: more would hand each picture out later, or take the cores from the interpreter.
    software.thread_count = 1
    software.options = {"max_pixels": str(MAX_FRAME_PIXELS)} | ({"flags": "low_delay"} if low_latency else {})
    return software, name if hwaccel is None else f"{name} (asked for {hwaccel}, which cannot decode it here)"


def _hardware(parameters: VideoCodecContext, hwaccel: HwAccel) -> VideoCodecContext | None:
    name = parameters.codec.canonical_name
    try:
        if hwaccel == "v4l2m2m":  # a decoder of its own, where the others assist that of the codec
            decoder = _like(parameters, f"{name}_v4l2m2m", None)
        elif hwaccel in hwdevices_available():
            decoder = _like(parameters, name, HWAccel(hwaccel))
            if not decoder.is_hwaccel:
                return None
        else:
            return None
        decoder.open()
    except (av.FFmpegError, av.codec.codec.UnknownCodecError):
        return None
    return decoder


def _like(parameters: VideoCodecContext, name: str, hwaccel: HWAccel | None) -> VideoCodecContext:
    decoder = cast(VideoCodecContext, av.CodecContext.create(name, "r", hwaccel))
    decoder.width, decoder.height = parameters.width, parameters.height
    decoder.extradata = parameters.extradata
    decoder.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    return decoder
