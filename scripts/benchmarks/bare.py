"""A bare invoke loop over the clip's own pictures, the most that the interpreter gives: ``bare.py MODEL THREADS SECONDS CLIP``.

Pictures are prepared before the clock runs: how long a detector's last operator takes depends on what is in them.
"""

import itertools
import json
import sys
import time

import cv2
from ai_edge_litert.interpreter import Interpreter

PICTURES = 100

path, threads, seconds, clip = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
interpreter = Interpreter(model_path=path, num_threads=threads)
interpreter.allocate_tensors()
tensor = interpreter.get_input_details()[0]
_, height, width, _ = tensor["shape"]
video, pictures = cv2.VideoCapture(clip), []
for _ in range(PICTURES):
    picture = cv2.resize(video.read()[1], (int(width), int(height)))
    pictures.append((picture.astype("float32") / 127.5 - 1 if tensor["dtype"].__name__ == "float32" else picture)[None])
for picture in pictures[:5]:
    interpreter.set_tensor(tensor["index"], picture)
    interpreter.invoke()
frames, start = 0, time.perf_counter()
for picture in itertools.cycle(pictures):
    if (elapsed := time.perf_counter() - start) >= seconds:
        break
    interpreter.set_tensor(tensor["index"], picture)
    interpreter.invoke()
    frames += 1
print(json.dumps({"frames": frames, "seconds": elapsed}))
