"""A bare invoke loop on one picture, the most that the interpreter gives: ``bare.py MODEL THREADS SECONDS CLIP``."""

import json
import sys
import time

import cv2
from ai_edge_litert.interpreter import Interpreter

path, threads, seconds, clip = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
interpreter = Interpreter(model_path=path, num_threads=threads)
interpreter.allocate_tensors()
tensor = interpreter.get_input_details()[0]
_, height, width, _ = tensor["shape"]
picture = cv2.resize(cv2.VideoCapture(clip).read()[1], (int(width), int(height)))
if tensor["dtype"].__name__ == "float32":
    picture = picture.astype("float32") / 127.5 - 1
interpreter.set_tensor(tensor["index"], picture[None])
for _ in range(5):
    interpreter.invoke()
frames, start = 0, time.perf_counter()
while (elapsed := time.perf_counter() - start) < seconds:
    interpreter.invoke()
    frames += 1
print(json.dumps({"frames": frames, "seconds": elapsed}))
