"""``python -m edged.tooling.mcu_resolver HEADER [MODEL ...]``: a C++ header that registers the operators of the models with TFLM.

What is not registered is not linked: a model needs 5 or 10 of TFLM's operators, and each brings some kilobytes of code. Without
a model all of them are registered, for a program that has to take any. The build of firmware/ml/tflm runs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.core.operators import CUSTOM_BUILTIN
from edged.infer.graph import Graph, OperatorKind
from edged.infer.text import shown
from edged.tooling.tflm_operators import BUILTIN, CUSTOM

HEADER = """\
// Written by edged.tooling.mcu_resolver: the operators of {source}.
#pragma once

#include <cstdint>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace edged::ml::tflm {{

// BuiltinOperator of TFLite's schema, in ascending order; {custom} stands for custom operators. Not inline: it differs from
// build to build, and a process that loads two engines would have one list for both.
constexpr int32_t kCodes[] = {{{codes}}};

using Resolver = tflite::MicroMutableOpResolver<{count}>;

// Not inlined: the entry of an operator lies on the stack while it is added, and those of all have kilobytes.
template <typename Add>
[[gnu::noinline]] bool added(Resolver& resolver, Add add) {{
  return add(resolver) == kTfLiteOk;
}}

// False if TFLM would not take one.
inline bool add_operators(Resolver& resolver) {{
  return {calls};
}}

}}  // namespace edged::ml::tflm
"""


def methods(kinds: Iterable[OperatorKind], what: str) -> tuple[str, ...]:
    """What TFLM calls these operators of the model ``what``, in a fixed order; raises ModelRejected for one that it lacks."""
    names, unknown = set(), []
    for kind in kinds:
        name = CUSTOM.get(kind.custom) if kind.builtin == CUSTOM_BUILTIN else BUILTIN.get(kind.builtin)
        if name:
            names.add(name)
        else:
            unknown.append(shown(kind.custom) if kind.builtin == CUSTOM_BUILTIN else f"number {kind.builtin} of TFLite's schema")
    if unknown:
        raise ModelRejected(
            f"{what}: TensorFlow Lite Micro has no operator {', '.join(sorted(unknown))}",
            hint="Convert the model without it; `edged model inspect` shows where it stands.",
            fault="unsupported op",
        )
    return tuple(sorted(names))


def header(names: Sequence[str], source: str) -> str:
    """The text of the header that lists and registers ``names``, of :func:`methods`; ``source`` says whose they are."""
    numbers = {name: number for number, name in BUILTIN.items()}
    codes = sorted({numbers.get(name, CUSTOM_BUILTIN) for name in names})
    calls = " &&\n         ".join(f"added(resolver, [](Resolver& all) {{ return all.Add{name}(); }})" for name in names)
    listed = ", ".join(map(str, codes))
    return HEADER.format(source=source, custom=CUSTOM_BUILTIN, codes=listed, count=len(names), calls=calls)


def main(arguments: Sequence[str]) -> int:
    """Writes the header; 1 if a model cannot have one."""
    target, *models = map(Path, arguments)
    names: set[str] = set()
    try:
        for model in models:
            names.update(methods(Graph.read(model.read_bytes(), model.name).kinds(), model.name))
    except (ModelRejected, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    source = ", ".join(shown(model.name) for model in models) or "TensorFlow Lite Micro, all of them"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(header(sorted(names or {*BUILTIN.values(), *CUSTOM.values()}), source))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
