"""``python -m edged.tooling.mcu_operators MODEL ...``: the operators of the models by TFLite's names, as a list of CMake.

What firmware does not name is not linked. The build of firmware/ml/native runs this, and knows which of them its engine has.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from edged.core.errors import ModelRejected
from edged.infer.graph import Graph
from edged.tooling.inspect import operator_name


def operators(models: Sequence[Path]) -> tuple[str, ...]:
    """Each once, in a fixed order; raises ModelRejected for a file that is none, OSError for one that cannot be read."""
    return tuple(sorted({operator_name(kind) for model in models for kind in Graph.read(model.read_bytes(), model.name).kinds()}))


def main(arguments: Sequence[str]) -> int:
    """Prints the list; 1 if a model cannot be read."""
    try:
        print(";".join(operators([Path(argument) for argument in arguments])))
    except (ModelRejected, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
