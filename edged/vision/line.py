"""One camera's straight line: frame, input, outputs, detections, tracks, events.

Used by the stage thread alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edged.core.detections import Detections
from edged.core.event import LeaveReason
from edged.core.frame import Frame
from edged.core.latency import Histogram
from edged.core.letterbox import Letterbox
from edged.core.track import Track
from edged.infer.preprocess import Preprocessor
from edged.tracking.cut import CutDetector
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import Tracker
from edged.vision import ipc
from edged.vision.annotate import AnnotatedVideo
from edged.vision.capture import Capture, Down, Ended, Up
from edged.vision.counters import CameraStats
from edged.vision.inference import Result
from edged.vision.labels import class_ids, counterpart
from edged.vision.loader import LoadedModel
from edged.vision.report import Reporter
from edged.vision.settings import CameraSettings
from edged.zones.presence import FrameTime, Presence

STAGING_BUFFERS = 2
"""One is prepared while the other is copied into the interpreter."""


@dataclass(slots=True)
class Spent:
    """CPU time by stage, and wall time of the inferences, in nanoseconds, of all frames together."""

    prepare_ns: int = 0
    decode_ns: int = 0
    track_ns: int = 0
    report_ns: int = 0
    invoke_ns: int = 0
    invoke_cpu_ns: int = 0


@dataclass(slots=True)
class Counts:
    """Of all frames together: those that were inferred, and what came of them (``CameraStats``)."""

    inferred: int = 0
    detections: int = 0
    not_finite: int = 0
    live_unsent: int = 0


@dataclass(frozen=True, slots=True)
class Took:
    """How old frames were when they were inferred and reported, and how long they were under inference."""

    inferred: Histogram = field(default_factory=Histogram)
    reported: Histogram = field(default_factory=Histogram)
    invoke: Histogram = field(default_factory=Histogram)


class Line:
    """What belongs to one camera between its mailbox and the main process."""

    def __init__(
        self,
        capture: Capture,
        settings: CameraSettings,
        model: LoadedModel,
        tracking: TrackerSettings,
        *,
        run: str,
        report: Reporter,
    ) -> None:
        self.camera = capture.camera
        self.capture = capture
        self.model = model
        self.over = self.ended = False
        self.jobs_in_flight = 0
        self.state = model.engine.new_state()
        self._settings = settings
        self._report = report
        self._preprocess = Preprocessor(model.engine.input, model.manifest.input)
        self._buffers = [np.zeros(model.engine.input.shape, model.engine.input.dtype) for _ in range(STAGING_BUFFERS)]
        self._wanted = _wanted_classes(settings.labels, model)
        self._tracker = Tracker(tracking, model.label_thresholds)
        self._cuts = CutDetector()
        self._presence = Presence(self.camera, model.manifest.label, model.digest, run)
        self._video = AnnotatedVideo(settings.annotated) if settings.annotated else None
        self._live_at_ns = 0
        self._prepared_ns = 0
        self._last_time = FrameTime(0, None)
        self._tracks: tuple[Track, ...] = ()
        self._spent = Spent()
        self._took = Took()
        self._dropped_before = 0
        self._counts = Counts()
        self._age_ns = 0
        self._size = (0, 0)

    def take_over(self, before: Line) -> None:
        """Go on where a line of the same capture was, and close it: its counters stay, and what has ended has ended.

        Where nothing but the model is another one, what the camera saw is followed on, as far as the new model knows it.
        """
        self.over, self.ended = before.over, before.ended
        self._spent, self._counts = before._spent, before._counts
        self._dropped_before = before._tracks_dropped
        self._age_ns, self._took, self._size = before._age_ns, before._took, before._size
        self._prepared_ns, self._live_at_ns = before._prepared_ns, before._live_at_ns
        if self._settings == before._settings:
            self._follow_on(before)
        else:
            before.close()

    def _follow_on(self, before: Line) -> None:
        old, new = before.model.manifest, self.model.manifest
        unknown = self._tracker.take_over(before._tracker, lambda class_id: counterpart(class_id, old, new))
        for occurrence in self._presence.take_over(before._presence, unknown, before._last_time):
            self._report.send(occurrence)
        self._tracks, self._cuts, self._last_time = self._tracker.tracks, before._cuts, before._last_time
        self._video, before._video = before._video, None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The labels that are followed; empty for all."""
        return self._settings.labels

    @property
    def _tracks_dropped(self) -> int:
        return self._dropped_before + self._tracker.dropped

    def prepare(self, frame: Frame) -> tuple[Letterbox, NDArray[np.generic]]:
        """Fill a staging buffer with the frame; it stays the job's until ``finish``. ``state`` is what the job begins with."""
        cpu = time.thread_time_ns()
        if frame.scene_ns < self._prepared_ns:  # a recording begins again, as the tracker notices too
            self.state = self.model.engine.new_state()
        self._prepared_ns = frame.scene_ns
        staged = self._buffers[0]
        self._buffers.reverse()
        placement = self._preprocess(frame.image, staged)
        self.jobs_in_flight += 1
        self._spent.prepare_ns += time.thread_time_ns() - cpu
        return placement, staged

    def finish(self, result: Result) -> Detections:
        """Turn the outputs into tracks and events, and say them; returns the detections that count, in source pixels."""
        frame, spent = result.job.frame, self._spent
        self.jobs_in_flight -= 1
        self._counts.inferred += 1
        self._took.inferred.add(time.monotonic_ns() - frame.captured_ns)
        self._took.invoke.add(result.invoke_ns)
        spent.invoke_ns += result.invoke_ns
        spent.invoke_cpu_ns += result.cpu_ns
        at = time.thread_time_ns()
        detections = self._detections(result)
        counts = self._tracker.strong(detections)
        self._counts.detections += int(np.count_nonzero(counts))
        decoded = time.thread_time_ns()
        if self._cuts.happened(frame.image, frame.scene_ns):
            self._tracker.cut(frame.scene_ns)
        update = self._tracker.update(detections, frame.scene_ns)
        self._last_time = FrameTime(frame.captured_ns, frame.media_ns)
        self._tracks = update.tracks
        occurrences = self._presence.update(update, self._last_time)
        tracked = time.thread_time_ns()
        for occurrence in occurrences:
            self._report.send(occurrence)
        self._report_live(frame, result)
        reported = time.thread_time_ns()
        spent.decode_ns += decoded - at
        spent.track_ns += tracked - decoded
        spent.report_ns += reported - tracked
        self._age_ns = time.monotonic_ns() - frame.captured_ns
        self._took.reported.add(self._age_ns)
        if self._video:
            self._video.write(frame, self._tracks, self.model.manifest.label, self.capture.fps)
        return detections.take(counts)

    def _detections(self, result: Result) -> Detections:
        """What is wanted of what the model saw, in source pixels. Decoders leave out what is not finite; here it is counted."""
        self._counts.not_finite += not all(output.finite for output in result.outputs)
        found = self.model.decoder(result.outputs)
        if self._wanted is not None:
            found = found.take(np.isin(found.class_id, self._wanted))
        return result.job.placement.in_source(found)

    def take(self) -> Frame | None:
        """The frame to be prepared next, unless a notice comes before it."""
        notices = self.capture.notices
        if notices and not self.capture.mailbox.holds_before(notices[0].seq):
            return None
        return self.capture.mailbox.take()

    def heed_notice(self) -> bool:
        """Take in one notice of the capture thread, once the frames before it are done; False if there is none to take."""
        notices = self.capture.notices
        if not notices or self.jobs_in_flight or self.capture.mailbox.holds_before(notices[0].seq):
            return False
        notice = notices.popleft()
        if isinstance(notice, Up):
            info = notice.info
            if (info.width, info.height) != self._size:  # what was followed lies elsewhere now
                self._close_objects("source_lost")
                self._size = (info.width, info.height)
            self._report.send(ipc.CameraUp(self.camera, info.width, info.height, info.fps or None, info.description, notice.at_ns))
        else:
            self._end(notice)
        return True

    def _end(self, notice: Down | Ended) -> None:
        if isinstance(notice, Ended):
            self._close_objects("stopped")
            self._report.send(ipc.CameraEnded(self.camera, notice.at_ns))
            self.over = self.ended = True
            return
        self._close_objects("source_lost")
        error = notice.error
        self._report.send(ipc.CameraDown(self.camera, error.message, notice.at_ns, error.hint))
        if notice.final:
            if self._settings.required:
                self._report.send(ipc.Fault(error.message, error.hint))
            self.over = True

    def _close_objects(self, reason: LeaveReason) -> None:
        self.state = self.model.engine.new_state()
        self._tracker.finish()
        for occurrence in self._presence.finish(reason, self._last_time):
            self._report.send(occurrence)
        self._tracks = ()

    def close(self) -> None:
        """Close the objects that are still there, and the video."""
        if not self.over:
            self._close_objects("stopped")
        if self._video:
            self._video.close()

    def stats(self) -> CameraStats:
        """The counters so far; called by the control thread."""
        spent, mailbox = self._spent, self.capture.mailbox
        return CameraStats(
            camera=self.camera,
            captured=mailbox.put_count,
            dropped=mailbox.dropped,
            inferred=self._counts.inferred,
            tracks=len(self._tracks),
            tracks_dropped=self._tracks_dropped,
            live_unsent=self._counts.live_unsent,
            capture_cpu_ms=self.capture.cpu_ns / 1e6,
            prepare_cpu_ms=spent.prepare_ns / 1e6,
            decode_cpu_ms=spent.decode_ns / 1e6,
            track_cpu_ms=spent.track_ns / 1e6,
            report_cpu_ms=spent.report_ns / 1e6,
            invoke_ms=spent.invoke_ns / 1e6,
            invoke_cpu_ms=spent.invoke_cpu_ns / 1e6,
            age_ms=self._age_ns / 1e6,
            newest_age_ms=self.capture.age_ms(time.monotonic_ns()),
            damaged=self.capture.damaged,
            late=self.capture.late,
            since_ns=self.capture.since_ns,
            decoded_age=self.capture.decoded.read(),
            inferred_age=self._took.inferred.read(),
            reported_age=self._took.reported.read(),
            invoke=self._took.invoke.read(),
            detections=self._counts.detections,
            not_finite=self._counts.not_finite,
        )

    def _report_live(self, frame: Frame, result: Result) -> None:
        if not self._settings.live_max_hz or frame.captured_ns - self._live_at_ns < 1e9 / self._settings.live_max_hz:
            return
        self._live_at_ns = frame.captured_ns
        label = self.model.manifest.label
        name = self._presence.object_id
        objects = tuple(ipc.LiveObject(name(t), label(t.class_id), t.score, t.box) for t in self._tracks if t.matched)
        media_s = None if frame.media_ns is None else frame.media_ns / 1e9
        live = ipc.Live(self.camera, frame.seq, frame.captured_ns, media_s, result.invoke_ns / 1e6, objects)
        self._counts.live_unsent += not self._report.offer(live)


def _wanted_classes(labels: Sequence[str], model: LoadedModel) -> NDArray[np.int32] | None:
    """The class ids of ``labels``; ``None`` for all. Raises ConfigInvalid for a label that the model does not have."""
    if not labels:
        return None
    return np.array(sum(class_ids(labels, model.manifest).values(), ()), np.int32)
