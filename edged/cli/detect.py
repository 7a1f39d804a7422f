"""``edged detect``: one model over pictures or a recording, once; no tracking, no store, no broker."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from edged.cli.terminal import err, make_directory, out, print_error
from edged.core.errors import EdgedError, OutputUnwritable, SourceUnusable

if TYPE_CHECKING:
    from edged.cli.terminal import Verbs
    from edged.core.detections import Detections
    from edged.core.frame import Frame
    from edged.vision.loader import LoadedModel


def register(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("detect", help="run a model over pictures or a recording, once")
    verb.add_argument("--model", required=True, help="a bundle directory, a .tflite file, or a name of `edged model list`")
    verb.add_argument("--labels", type=Path, help="label file, one a line, in place of the model's own")
    verb.add_argument("--decoder", help="how the model's outputs read, if neither it nor a manifest says")
    verb.add_argument("--source", type=Path, required=True, help="a picture, a video, or a directory of pictures")
    verb.add_argument("--threshold", type=float, help="lowest score to report (default: the model's own)")
    verb.add_argument("--threads", type=_positive, metavar="N", help="threads for an inference (default: what suits the CPUs)")
    verb.add_argument(
        "--delegate", choices=("auto", "xnnpack", "none", "edgetpu"), default="auto", help="who executes the operators"
    )
    verb.add_argument("--runtime", choices=("litert", "tflite-runtime"), default="litert", help="the interpreter (default: litert)")
    verb.add_argument("--json", action="store_true", help="one JSON object a line for each frame or picture")
    verb.add_argument("--draw", type=Path, metavar="DIR", help="write the frames with their boxes into this directory")
    verb.set_defaults(run=run)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Detect and print; a picture of a directory that cannot be read is said and left out, and the exit status is 1."""
    from rich.progress import track

    from edged.infer.bundle import load_bundle, resolve
    from edged.infer.settings import ModelSettings
    from edged.vision.loader import load_bundled

    bundle = load_bundle(resolve(arguments.model), arguments.labels, arguments.decoder)
    settings = ModelSettings(
        bundle=arguments.model, threads=arguments.threads, runtime=arguments.runtime, delegate=arguments.delegate
    )
    model = load_bundled(bundle.manifest.name, bundle, settings, arguments.threshold)
    if fallback := model.engine.info.fallback:
        err.print(f"[yellow]not on the Edge TPU:[/] {escape(fallback)}")
    if arguments.draw:
        make_directory(arguments.draw)
    broken: list[EdgedError] = []
    results = _detect(model, arguments.source, broken)
    if err.is_terminal and not out.is_terminal:
        results = iter(track(results, description="detecting", console=err, transient=True))
    for source, frame, inference_ms, found in results:
        record = _record(model, source, frame, inference_ms, found)
        if arguments.json:
            print(json.dumps(record), flush=True)
        else:
            _print_row(record)
        if arguments.draw:
            _draw(arguments.draw, model, source, frame, found)
    for error in broken:
        print_error(error)
    return 1 if broken else 0


Found = tuple[str, "Frame", float, "Detections"]


def _detect(model: LoadedModel, source: Path, broken: list[EdgedError]) -> Iterator[Found]:
    """(source, frame, inference in milliseconds, detections in source pixels) for every frame of every file that can be read."""
    import time

    import numpy as np

    from edged.infer.preprocess import Preprocessor
    from edged.sources.open import open_source
    from edged.sources.settings import FileSettings, SourceSettings

    preprocess = Preprocessor(model.engine.input, model.manifest.input)
    staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
    for file in _files(source):
        try:
            state = model.engine.new_state()
            with open_source(file.name, SourceSettings(file=FileSettings(path=file, pace="fast"))) as opened:
                for frame in opened:
                    placement = preprocess(frame.image, staged)
                    started = time.perf_counter()
                    outputs = model.engine.infer(lambda tensor: np.copyto(tensor, staged), state)
                    inference_ms = (time.perf_counter() - started) * 1e3
                    seen = model.decoder(outputs)
                    yield str(file), frame, inference_ms, placement.in_source(seen)
        except SourceUnusable as error:
            broken.append(error)


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    from edged.sources.pictures import pictures_of

    return list(pictures_of(source, "*"))


def _record(model: LoadedModel, source: str, frame: Frame, inference_ms: float, found: Detections) -> dict[str, Any]:
    return {
        "source": source,
        "frame": frame.seq,
        "width": frame.width,
        "height": frame.height,
        "inference_ms": round(inference_ms, 3),
        "detections": [
            {
                "label": model.manifest.label(int(class_id)),
                "score": round(float(score), 4),
                "box": [round(float(v), 1) for v in box],
            }
            for box, score, class_id in zip(found.xyxy, found.score, found.class_id, strict=True)
        ],
    }


def _print_row(record: dict[str, Any]) -> None:
    head = f"{escape(record['source'])} #{record['frame']}  {record['inference_ms']:.1f} ms"
    if not record["detections"]:
        out.print(f"{head}  [dim]nothing[/]")
    for detection in record["detections"]:
        box = " ".join(f"{value:6.1f}" for value in detection["box"])
        out.print(f"{head}  [bold]{escape(detection['label']):16}[/] {detection['score']:.2f}  {box}")


def _draw(directory: Path, model: LoadedModel, source: str, frame: Frame, found: Detections) -> None:
    from edged.core.cv import cv2
    from edged.vision.annotate import draw

    objects = [
        ((x0, y0, x1, y1), f"{model.manifest.label(class_id)} {score:.2f}", class_id)
        for (x0, y0, x1, y1), score, class_id in zip(
            found.xyxy.tolist(), found.score.tolist(), found.class_id.tolist(), strict=True
        )
    ]
    path = directory / f"{Path(source).name}-{frame.seq:06}.jpg"
    if not cv2.imwrite(str(path), draw(frame.image, objects)):
        raise OutputUnwritable(f"{path}: cannot be written", hint="is there space?")
