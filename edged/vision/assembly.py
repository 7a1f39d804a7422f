"""From settings to what runs: the models, and a line with its capture for each camera.

Rules: nothing is started or stopped here; what serves already and would be made the same is taken over as it is, so that it can go
on undisturbed; everything that is wrong is found at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

from edged.core.errors import CameraLost, DelegateFailed, EdgedError, ModelRejected
from edged.infer.bundle import Bundle
from edged.infer.probe.machine import free_bytes
from edged.sources.settings import describe_source
from edged.vision.capture import Capture, OpenSource
from edged.vision.headroom import megabytes, need_bytes
from edged.vision.line import Line
from edged.vision.loader import LoadedModel, Served, load
from edged.vision.mailbox import Bell
from edged.vision.note import Note
from edged.vision.report import Reporter
from edged.vision.settings import CameraSettings, VisionSettings, same_capture

log = logging.getLogger("edged.vision")


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """What serves ``settings``; ``opened`` names the cameras whose capture is not that of the assembly before."""

    settings: VisionSettings
    models: dict[str, Served] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)


class Unfit(EdgedError):
    """Settings that cannot be served: ``problems`` has each error with its place in the configuration."""

    def __init__(self, problems: list[tuple[tuple[str, ...], EdgedError]]) -> None:
        told = "; ".join(f"{'.'.join(key)}: {error.message}" for key, error in problems)
        super().__init__(told, hint=problems[0][1].hint)
        self.problems = problems


class Assembler:
    """Makes assemblies."""

    def __init__(
        self, bell: Bell, report: Reporter, open_source: OpenSource, note: Note, *, free_bytes: Callable[[], int] = free_bytes
    ) -> None:
        self._free_bytes = free_bytes
        self._note = note
        self._bell = bell
        self._report = report
        self._open_source = open_source

    def assemble(
        self,
        settings: VisionSettings,
        before: Assembly | None,
        on_loaded: Callable[[LoadedModel], None],
        release: Callable[[Served], None] | None = None,
    ) -> Assembly:
        """Make what ``settings`` say, beside ``before``, which serves; ``on_loaded`` hears of each model that was loaded.

        A model for which there is no room beside the one that it replaces has that ``release``d first. Raises Unfit; at first,
        DelegateFailed: there is an answer to that.
        """
        made = Assembly(settings)
        problems: list[tuple[tuple[str, ...], EdgedError]] = []
        for name in settings.used_models:
            running = before.models.get(name) if before else None
            try:
                fit = partial(self._fit, name, settings, before, release) if before and running and release else None
                served = made.models[name] = self._model(name, settings, running, fit, lives_on=before is not None)
            except EdgedError as error:
                if not before and isinstance(error, DelegateFailed):
                    raise
                problems.append((("models", name), _bare(error)))
                continue
            if not running or running.model.engine is not served.model.engine:
                on_loaded(served.model)
        for name, camera in settings.cameras.items():
            if camera.model not in made.models:
                continue
            try:
                made.lines[name] = self._line(name, camera, made, before)
            except EdgedError as error:
                problems.append((("cameras", name), _bare(error)))
        if problems:
            raise Unfit(problems)
        return made

    def _fit(
        self, name: str, settings: VisionSettings, before: Assembly, release: Callable[[Served], None], bundle: Bundle
    ) -> None:
        """Have the model that is to be replaced released if memory is short; raises ModelRejected where not even that would do."""
        running = before.models[name]
        needed, free = need_bytes(bundle, settings.memory_bytes.get(name, 0)), self._free_bytes()
        if needed <= free:
            return
        given_back = need_bytes(running.model.bundle, before.settings.memory_bytes.get(name, 0))
        if needed > free + given_back:
            raise ModelRejected(
                f"model {name} ({bundle.manifest.name}): needs {megabytes(needed)}; {megabytes(free)} are free, and "
                f"{megabytes(given_back)} more without the one that serves",
                hint="Use a smaller model.",
                fault="does not fit memory",
            )
        log.warning("model %s: needs %s, %s are free: frames wait while it is exchanged", name, megabytes(needed), megabytes(free))
        release(running)

    def _model(
        self,
        name: str,
        settings: VisionSettings,
        running: Served | None,
        make_room: Callable[[Bundle], None] | None,
        *,
        lives_on: bool,
    ) -> Served:
        guard = self._note.section(name)
        try:
            return load(
                name,
                settings.models[name],
                settings.tracking,
                identity=settings.identities.get(name, ""),
                avoid=settings.avoid.get(name, ""),
                guard=guard,
                root=settings.root,
                before=running,
                make_room=make_room,
            )
        except EdgedError:
            if lives_on:
                with guard:  # the mark that the error left: the process goes on, and may die of something else later
                    pass
            raise

    def _line(self, name: str, camera: CameraSettings, made: Assembly, before: Assembly | None) -> Line:
        served = made.models[camera.model]
        capture = None
        if before and (line := before.lines.get(name)):
            stated = before.settings.cameras[name]
            given_up = line.over and not line.ended  # worth another attempt: a person may have mended it meanwhile
            if stated == camera and before.models[camera.model] is served and not given_up:
                return line
            if same_capture(stated, camera) and not line.over:
                capture = line.capture
        if capture is None:
            made.opened.append(name)
            if before:
                self._try_source(name, camera, before)
            capture = Capture(name, camera, self._bell, self._open_source, every=every_frame(camera))
        return Line(capture, camera, served.model, served.tracking, run=made.settings.run, report=self._report)

    def _try_source(self, name: str, camera: CameraSettings, before: Assembly) -> None:
        """Open the source of a new camera once: raises SourceUnusable where no retry will help, as in a path with a typing error.

        A device that serves already is left alone: most cannot be opened twice.
        """
        if describe_source(camera) not in {describe_source(other) for other in before.settings.cameras.values()}:
            with suppress(CameraLost), closing(self._open_source(name, camera, first_seq=0)):
                pass


def _bare(error: EdgedError) -> EdgedError:
    """Without its traceback: that leads to the frame whose list the error is in, and such a circle keeps all that was made."""
    return error.with_traceback(None)


def every_frame(settings: CameraSettings) -> bool:
    """Whether the source waits for us (a recording read as fast as possible) instead of dropping what is late."""
    paces = [source.pace for source in (settings.file, settings.synthetic) if source]
    return "fast" in paces
