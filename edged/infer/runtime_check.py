"""``python -m edged.infer.runtime_check RUNTIME``: does a runtime of this machine load and run a model, and does XNNPACK take part?

A process of its own, since a runtime that does not suit the CPU ends it with a signal. Prints one JSON object with the fields of
``EngineInfo``; on an error, one line on stderr and exit status 1.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import cast

from edged.core.errors import EdgedError
from edged.infer.bundle import load_bundle
from edged.infer.engine import Engine
from edged.infer.graph import IDENTIFIER
from edged.infer.settings import RuntimeName


def tiny_model() -> bytes:
    """A .tflite that adds its float32 [1, 8] input to itself: the smallest graph that XNNPACK takes over."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, [1, 8], schema.TensorType.FLOAT32, 0
        return made

    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 0], [1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor("x"), tensor("doubled")], [0], [1], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.ADD
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def main(runtime: RuntimeName) -> int:
    """Run the tiny model."""
    with tempfile.TemporaryDirectory(prefix="edged-check-") as directory:
        file = Path(directory) / "tiny.tflite"
        file.write_bytes(tiny_model())
        try:
            info = Engine(load_bundle(file, decoder="none"), threads=1, runtime=runtime).info
        except EdgedError as error:
            print(error.message, file=sys.stderr)
            return 1
    print(json.dumps(dataclasses.asdict(info)))
    return 0


if __name__ == "__main__":
    sys.exit(main(cast("RuntimeName", sys.argv[1])))
