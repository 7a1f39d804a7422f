"""The same work in one thread, nothing overlapped: ``one_thread.py MODEL THREADS SECONDS CLIP``. What the threads are judged by."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from edged.infer.bundle import identify, resolve
from edged.infer.preprocess import Preprocessor
from edged.infer.settings import ModelSettings
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, SourceSettings
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import Tracker
from edged.vision.loader import load

reference, threads, seconds, clip = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
identity = identify(resolve(reference))
served = load("bench", ModelSettings(bundle=reference, threads=threads), TrackerSettings(), identity=identity)
model, tracking = served.model, served.tracking
preprocess, tracker = Preprocessor(model.engine.input, model.manifest.input), Tracker(tracking)
staged = np.zeros(model.engine.input.shape, model.engine.input.dtype)
source = open_source("clip", SourceSettings(file=FileSettings(path=clip, pace="fast", loop=True)))
frames, start = 0, time.perf_counter()
while (elapsed := time.perf_counter() - start) < seconds:
    frame = source.read()
    assert frame
    placement = preprocess(frame.image, staged)
    seen = model.decoder(model.engine.infer(lambda tensor: np.copyto(tensor, staged)))
    tracker.update(placement.in_source(seen), frame.scene_ns)
    frames += 1
print(json.dumps({"frames": frames, "seconds": elapsed}))
