"""A bare invoke loop, the most that the interpreter gives: ``bare.py MODEL THREADS SECONDS`` prints frames and seconds."""

import json
import sys
import time

from ai_edge_litert.interpreter import Interpreter

path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
interpreter = Interpreter(model_path=path, num_threads=threads)
interpreter.allocate_tensors()
for _ in range(5):
    interpreter.invoke()
frames, cpu, start = 0, time.process_time(), time.perf_counter()
while (elapsed := time.perf_counter() - start) < seconds:
    interpreter.invoke()
    frames += 1
print(json.dumps({"frames": frames, "seconds": elapsed, "cpu_s": time.process_time() - cpu}))
