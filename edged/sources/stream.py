"""A camera in the network, read by FFmpeg through PyAV.

Nothing about one is beyond hope: cameras boot, move, get new passwords. So whatever goes wrong is a CameraLost.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from edged.core.errors import CameraLost
from edged.core.frame import Frame
from edged.sources.base import FrameSource, Image
from edged.sources.container import CODECS, failure, open_container
from edged.sources.decoder import open_decoder
from edged.sources.info import SourceInfo
from edged.sources.settings import SourceSettings
from edged.sources.stream_clock import Backlog, CaptureClock, Playout
from edged.sources.stream_settings import StreamSettings
from edged.sources.thinning import Thinning

READ_SHARE = 0.8
"""Of the time after which a camera counts as stalled: the reader, who knows why there is no picture, is to say so first."""

MAX_FPS = 240.0
"""What a stream states beyond this is the unit of its clock."""


class StreamSource(FrameSource):
    """Pictures of the ``video`` in ``container``; made by ``open_stream``."""

    def __init__(
        self, camera: str, stream: StreamSettings, container: InputContainer, video: VideoStream, *, within_s: float, first_seq: int
    ) -> None:
        self._stream, self._container, self._video = stream, container, video
        self._decoder, decoding = open_decoder(video, stream.hwaccel, low_latency=stream.low_latency)
        self._timed = container.format.name != "mpjpeg"  # multipart JPEG has no clock; FFmpeg makes up one of 25 pictures a second
        fps = float(video.guessed_rate or 0) if self._timed else 0.0
        width, height = video.codec_context.width, video.codec_context.height
        info = SourceInfo(width, height, fps if fps <= MAX_FPS else 0.0, f"{stream.address} {decoding}", live=True)
        super().__init__(camera, info, first_seq)
        # All streams, so that FFmpeg comes back here for each packet: while it skips others its time-out begins anew each time.
        self._packets = cast("Generator[Packet[Stream], None, None]", container.demux())
        self._within_s = within_s
        self._reformat = VideoReformatter()
        self._thinning = Thinning(every=1, max_fps=None)
        self._clock, self._backlog = CaptureClock(), Backlog()
        self._playout = Playout() if container.format.name == "hls" else None

    def thin(self, thinning: Thinning) -> bool:
        """As ``FrameSource.thin``: what is left out is decoded, since others build on it, but not converted."""
        self._thinning = thinning
        return True

    def _next(self) -> Frame | None:
        sound_ns = time.monotonic_ns()
        damaged, late = self.damaged, self.late
        while not self._closed.is_set():
            asked_ns = time.monotonic_ns()
            packet = self._read()
            arrived_ns = time.monotonic_ns()
            # Whatever came: after so long a silence it is the picture that FFmpeg still held.
            if arrived_ns - sound_ns >= self._within_s * 1e9:
                raise self._nothing(self.damaged - damaged, self.late - late)
            # Of any packet: pictures that follow their sound at once were not waited for, though nothing is behind.
            behind = self._playout is None and self._backlog.note(asked_ns, arrived_ns)
            if packet.stream.index != self._video.index:
                continue
            picture = self._decode(packet, behind)
            if picture is None:
                continue
            sound_ns = arrived_ns
            self._hear()
            captured_ns = self._captured_ns(picture, arrived_ns)
            if self._thinning.takes(captured_ns):
                return self._frame(self._pixels(picture), captured_ns, None)
        return None

    def _read(self) -> Packet[Stream]:
        try:
            packet = next(self._packets, None)
        except av.FFmpegError as error:
            raise failure(self._stream, error, None) from None  # its text holds the password
        if packet is None or packet.size == 0:
            raise CameraLost(
                f"{self._stream.address} ended the stream",
                hint="cameras do so when they reboot or are reconfigured",
            )
        return packet

    def _decode(self, packet: Packet[Stream], behind: bool) -> VideoFrame | None:
        """The picture that ``packet`` completes, if it does, and it is sound and new."""
        if behind and self._decoder.codec.intra_only:
            self.late += 1
            return None
        try:
            pictures = self._decoder.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            return None
        if not pictures:
            return None
        picture = pictures[-1]  # the latest
        self.late += len(pictures) - 1
        if packet.is_corrupt or picture.is_corrupt:
            self.damaged += 1
            return None
        if behind:
            self.late += 1
            return None
        return picture

    def _captured_ns(self, picture: VideoFrame, arrived_ns: int) -> int:
        """When the picture was taken, as far as one can tell; of a playlist, once it is due."""
        position_ns = self._position_ns(picture)
        if self._playout is None:
            return self._clock.captured_ns(position_ns, arrived_ns)
        due_ns = self._playout.due_ns(position_ns, arrived_ns)
        self._closed.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)
        return self._clock.captured_ns(None, due_ns)

    def _pixels(self, picture: VideoFrame) -> Image:
        """In BGR; notes another size."""
        if (picture.width, picture.height) != (self._info.width, self._info.height):
            self._info = replace(self._info, width=picture.width, height=picture.height)
        try:
            return cast(Image, self._reformat.reformat(picture, format="bgr24", threads=1).to_ndarray())
        except (av.FFmpegError, ValueError) as error:
            raise CameraLost(
                f"{self._stream.address} sends pixels of an unknown format, {picture.format.name}", fault="no video"
            ) from error

    def _position_ns(self, picture: VideoFrame) -> int | None:
        """Where the stream places the picture, ``None`` if it does not say."""
        if picture.pts is None or picture.time_base is None or not self._timed:
            return None
        return round(picture.pts * picture.time_base * 1_000_000_000)

    def _nothing(self, damaged: int, late: int) -> CameraLost:
        said = f"{self._stream.address} gave no picture within {self._within_s:g} s"
        if late > damaged:
            return CameraLost(
                f"{said}: {late} came faster than they can be decoded",
                hint="take the camera's second, smaller stream, or fewer frames a second; a recording belongs under `file`",
            )
        if damaged:
            hint = "a weak radio link is the usual cause" + ('; transport = "tcp" helps' if self._stream.transport == "udp" else "")
            return CameraLost(f"{said}: {damaged} were damaged", hint=hint)
        return CameraLost(said, hint="is it switched on, and in this network? `ping` tells", fault="silent")

    def _release(self) -> None:
        self._packets.close()
        self._container.close()


def open_stream(camera: str, settings: SourceSettings, stream: StreamSettings, first_seq: int) -> StreamSource:
    """Open the ``stream`` of ``settings`` and find its video; raises CameraLost, within ``stream.open_within_s``."""
    within_s = READ_SHARE * settings.stall_after_s
    container = open_container(stream, within_s)
    try:
        return StreamSource(camera, stream, container, _video(container, stream), within_s=within_s, first_seq=first_seq)
    except BaseException:
        container.close()
        raise


def _video(container: InputContainer, stream: StreamSettings) -> VideoStream:
    video = cast("VideoStream | None", container.streams.best("video"))
    if video is None:
        raise CameraLost(f"{stream.address} sends no video", hint="is it the path of another stream?", fault="no video")
    decoder = cast("av.CodecContext | None", video.codec_context)
    if decoder is None or decoder.codec.canonical_name not in CODECS:
        name = decoder.codec.canonical_name if decoder else "a codec that FFmpeg does not know"
        raise CameraLost(
            f"{stream.address} sends {name}", hint=f"set the camera to one of {', '.join(sorted(CODECS))}", fault="no video"
        )
    return video
